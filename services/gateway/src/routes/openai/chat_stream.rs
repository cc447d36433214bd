//! A chat completion in chunks, exactly as OpenAI streams it: the role, the text as it comes, the reason for the end, the
//! usage if asked for, `[DONE]`. Dropping the stream, which is what a client that leaves does, stops the model.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use futures::{StreamExt as _, stream};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{InvokeFrame, InvokeReply, invoke_frame};
use serde::Serialize;

use super::chat::{UsageObject, completion_id, finish_reason};
use super::unix_seconds;
use crate::http::Failure;
use crate::http::answer::Answer;
use crate::models::ModelStream;

#[derive(Debug, Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChunkChoice>,
    /// Null in all but the last chunk when usage was asked for, and otherwise not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageObject>>,
}

#[derive(Debug, Serialize)]
struct ChunkChoice {
    index: u32,
    delta: Delta,
    logprobs: Option<bool>,
    finish_reason: Option<&'static str>,
}

#[derive(Debug, Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

/// Turns the router's frames into an answer. What fails before the first frame is an ordinary error.
pub async fn answer(mut frames: ModelStream, model: String, include_usage: bool) -> Answer {
    let first = match frames.next().await {
        Some(Ok(frame)) => frame,
        Some(Err(error)) => return Err(error.into()),
        None => return Err(ended_early().into()),
    };
    let writer = Writer { id: completion_id(), created: unix_seconds(), model, include_usage };
    let opening = writer.chunk(Delta { role: Some("assistant"), content: Some(String::new()) }, None);
    let state = Reading { frames: stream::iter([Ok(first)]).chain(frames).boxed(), writer, over: false };
    let rest = stream::unfold(state, |mut reading| async move {
        let bytes = reading.next().await?;
        Some((Ok::<Bytes, Infallible>(bytes), reading))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(Box::pin(stream::iter([Ok(opening)]).chain(rest))))
}

struct Reading {
    frames: stream::BoxStream<'static, Result<InvokeFrame, Error>>,
    writer: Writer,
    over: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Bytes> {
        while !self.over {
            let kind = match self.frames.next().await {
                Some(Ok(frame)) => frame.kind,
                Some(Err(error)) => return Some(self.fail(error)),
                None => return Some(self.fail(ended_early())),
            };
            match kind {
                Some(invoke_frame::Kind::Delta(delta)) if !delta.text.is_empty() => {
                    return Some(self.writer.chunk(Delta { role: None, content: Some(delta.text) }, None));
                }
                Some(invoke_frame::Kind::Done(reply)) => {
                    self.over = true;
                    return Some(self.writer.ending(&reply));
                }
                Some(invoke_frame::Kind::Delta(_)) | None => {}
            }
        }
        None
    }

    /// Clients of OpenAI read an error in mid-stream from a chunk that holds nothing else.
    fn fail(&mut self, error: Error) -> Bytes {
        self.over = true;
        tracing::warn!(%error, "a streamed answer broke off");
        event(&Failure::from(error).openai_body())
    }
}

struct Writer {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
}

impl Writer {
    fn chunk(&self, delta: Delta, finish_reason: Option<&'static str>) -> Bytes {
        let choice = ChunkChoice { index: 0, delta, logprobs: None, finish_reason };
        self.event(vec![choice], self.include_usage.then_some(None))
    }

    fn ending(&self, reply: &InvokeReply) -> Bytes {
        let output = super::chat::chat_output(reply).unwrap_or_default();
        let mut bytes = self.chunk(Delta::default(), Some(finish_reason(&output.finish_reason))).to_vec();
        if self.include_usage {
            let usage = UsageObject::from(reply.usage.unwrap_or_default());
            bytes.extend_from_slice(&self.event(Vec::new(), Some(Some(usage))));
        }
        bytes.extend_from_slice(b"data: [DONE]\n\n");
        bytes.into()
    }

    fn event(&self, choices: Vec<ChunkChoice>, usage: Option<Option<UsageObject>>) -> Bytes {
        let (id, model, created) = (self.id.as_str(), self.model.as_str(), self.created);
        event(&Chunk { id, object: "chat.completion.chunk", created, model, choices, usage })
    }
}

fn event(data: &impl Serialize) -> Bytes {
    // These types have string keys only, so they always serialise.
    let json = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("data: {json}\n\n"))
}

fn ended_early() -> Error {
    Error::new(ErrorCode::ModelFailed, "the model's answer ended before it was complete")
}
