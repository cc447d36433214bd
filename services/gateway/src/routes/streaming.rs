//! A model's streamed answer as Server-Sent Events, in whatever dialect a [`Writer`] speaks. It owns what all dialects share:
//! errors before the first frame, what only the end tells, the promised form, signs of life, and the end. Dropping the stream,
//! which is what a client that leaves does, stops the model.

use std::convert::Infallible;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ChatOutput, InvokeFrame, InvokeReply, invoke_frame};
use serde::Serialize;

use crate::http::{Answer, Failure};
use crate::models::{self, Collected, ModelStream, Promise};

/// A stream that is silent for so long shows that it is alive, so that nothing between here and the client gives it up.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// Events that go together in one write, about.
const WRITE_BYTES: usize = 16 << 10;

/// The end of an answer.
#[derive(Debug)]
pub struct Ending {
    /// The whole answer.
    pub output: ChatOutput,
    /// Who gave it and what it used; its output is taken out.
    pub reply: InvokeReply,
}

/// Writes an answer in one dialect.
pub trait Writer: 'static {
    /// Before anything else.
    fn open(&mut self, out: &mut Events);
    /// The next part.
    fn delta(&mut self, delta: ChatDelta, out: &mut Events) -> Result<(), Error>;
    /// The end, after which nothing comes.
    fn done(&mut self, ending: Ending, out: &mut Events);
    /// It broke off; nothing comes after.
    fn fail(&mut self, failure: &Failure, out: &mut Events);
    /// Nothing happened for a while.
    fn alive(&mut self, out: &mut Events) {
        out.comment("alive");
    }
}

/// Events to be sent.
#[derive(Debug, Default)]
pub struct Events(String);

impl Events {
    /// An event without a name.
    pub fn data(&mut self, data: &impl Serialize) {
        // What is written here has string keys only, so it always serialises.
        let json = serde_json::to_string(data).unwrap_or_default();
        self.text(&json);
    }

    /// An event with a name.
    pub fn named(&mut self, name: &str, data: &impl Serialize) {
        self.0.push_str("event: ");
        self.0.push_str(name);
        self.0.push('\n');
        self.data(data);
    }

    /// An event of one line of text.
    pub fn text(&mut self, line: &str) {
        self.0.push_str("data: ");
        self.0.push_str(line);
        self.0.push_str("\n\n");
    }

    /// Something that clients pass over.
    pub fn comment(&mut self, line: &str) {
        self.0.push_str(": ");
        self.0.push_str(line);
        self.0.push_str("\n\n");
    }

    /// What was written, by the names of the events.
    #[cfg(test)]
    pub fn written(&self) -> Vec<(String, serde_json::Value)> {
        let event = |block: &str| {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            (field("event: ").to_owned(), serde_json::from_str(field("data: ")).unwrap_or_default())
        };
        self.0.split("\n\n").filter(|block| !block.is_empty()).map(event).collect()
    }

    fn take(&mut self) -> Option<Bytes> {
        (!self.0.is_empty()).then(|| Bytes::from(std::mem::take(&mut self.0)))
    }
}

/// Turns frames into an answer. What fails before the first frame is an ordinary error.
pub async fn answer(mut frames: ModelStream, promise: Promise, writer: impl Writer) -> Answer {
    let first = match frames.next().await {
        Some(frame) => frame?,
        None => return Err(ended_early().into()),
    };
    let mut response = HttpResponse::Ok();
    if let Some(invoke_frame::Kind::Done(reply)) = &first.kind {
        models::told(&mut response, reply);
    }
    let frames = stream::iter([Ok(first)]).chain(frames).boxed();
    let mut relay = Relay { frames, writer, promise, collected: Some(Collected::default()), events: Events::default() };
    relay.writer.open(&mut relay.events);
    let bytes = stream::unfold(relay, |mut relay| async move {
        let bytes = relay.next().await?;
        Some((Ok::<Bytes, Infallible>(bytes), relay))
    });
    Ok(response
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(Box::pin(bytes)))
}

struct Relay<W> {
    frames: ModelStream,
    writer: W,
    promise: Promise,
    /// Gone once the answer is over.
    collected: Option<Collected>,
    events: Events,
}

impl<W: Writer> Relay<W> {
    async fn next(&mut self) -> Option<Bytes> {
        while self.events.0.is_empty() {
            self.collected.as_ref()?;
            match tokio::time::timeout(SIGN_OF_LIFE, self.frames.next()).await {
                Err(_silence) => self.writer.alive(&mut self.events),
                Ok(next) => self.came(next),
            }
        }
        // What has come meanwhile goes along in the same write.
        while self.collected.is_some()
            && self.events.0.len() < WRITE_BYTES
            && let Some(next) = self.frames.next().now_or_never()
        {
            self.came(next);
        }
        self.events.take()
    }

    fn came(&mut self, next: Option<Result<InvokeFrame, Error>>) {
        let taken = match next {
            Some(Ok(frame)) => self.take(frame),
            Some(Err(error)) => Err(error),
            None => Err(ended_early()),
        };
        if let Err(error) = taken {
            self.collected = None;
            tracing::warn!(%error, "a streamed answer broke off");
            self.writer.fail(&Failure::from(error), &mut self.events);
        }
    }

    fn take(&mut self, frame: InvokeFrame) -> Result<(), Error> {
        match frame.kind {
            Some(invoke_frame::Kind::Delta(delta)) => {
                if let Some(collected) = self.collected.as_mut() {
                    collected.add(&delta)?;
                }
                self.writer.delta(delta, &mut self.events)
            }
            Some(invoke_frame::Kind::Done(mut reply)) => {
                let told = models::chat_output(&mut reply).ok();
                let (output, missing) = self.collected.take().unwrap_or_default().finish(told);
                for delta in missing {
                    self.writer.delta(delta, &mut self.events)?;
                }
                self.promise.keep(&output)?;
                self.writer.done(Ending { output, reply }, &mut self.events);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn ended_early() -> Error {
    Error::new(ErrorCode::ModelFailed, "the model's answer ended before it was complete")
}
