//! A chat stream: events into pieces. Ends well only after a finish reason or `[DONE]`.

use std::collections::VecDeque;

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use orrery_errors::{Error, ErrorCode};
use reqwest::Response;

use super::chat_answer;
use super::failure::{broken, failed_transport, shown};
use super::wire::{Chunk, UsageBody};
use crate::sse::SseParser;
use crate::{Order, Piece, Pieces};

const END: &str = "[DONE]";
/// Longest text of one answer; far above any model's output limit.
const TEXT_BYTES_MAX: usize = 4 << 20;

struct State {
    provider: String,
    order: Order,
    body: BoxStream<'static, Result<bytes::Bytes, Error>>,
    parser: SseParser,
    ready: VecDeque<Piece>,
    text: String,
    model: String,
    finish_reason: Option<String>,
    usage: Option<UsageBody>,
    ended: bool,
}

/// The pieces of a streamed reply.
pub(super) fn pieces(provider: String, order: Order, response: Response) -> Pieces {
    let name = provider.clone();
    let body = response.bytes_stream().map_err(move |error| failed_transport(&name, &error)).boxed();
    let state = State {
        provider,
        order,
        body,
        parser: SseParser::default(),
        ready: VecDeque::new(),
        text: String::new(),
        model: String::new(),
        finish_reason: None,
        usage: None,
        ended: false,
    };
    stream::try_unfold(state, next).boxed()
}

async fn next(mut state: State) -> Result<Option<(Piece, State)>, Error> {
    loop {
        if let Some(piece) = state.ready.pop_front() {
            return Ok(Some((piece, state)));
        }
        if state.ended {
            return Ok(None);
        }
        match state.body.next().await {
            Some(bytes) => state.take(&bytes?)?,
            None => state.finish()?,
        }
    }
}

impl State {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let events = self.parser.feed(bytes).map_err(|error| broken(&self.provider, error.to_string()))?;
        for event in events {
            if self.ended {
                break;
            }
            if event.trim() == END {
                self.finish_reason.get_or_insert_default();
                self.finish()?;
            } else {
                self.take_chunk(&event)?;
            }
        }
        Ok(())
    }

    fn take_chunk(&mut self, event: &str) -> Result<(), Error> {
        let chunk: Chunk = serde_json::from_str(event)
            .map_err(|error| broken(&self.provider, format!("an event does not read: {error}")))?;
        if let Some(error) = chunk.error {
            let message = format!("provider {} failed while it answered: {}", self.provider, shown(&error.message));
            return Err(Error::new(ErrorCode::ModelFailed, message));
        }
        if self.model.is_empty() {
            self.model = chunk.model;
        }
        self.usage = chunk.usage.or(self.usage);
        let Some(choice) = chunk.choices.into_iter().next() else { return Ok(()) };
        self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
        let text = choice.delta.and_then(|delta| delta.content).unwrap_or_default();
        if self.text.len() + text.len() > TEXT_BYTES_MAX {
            return Err(broken(&self.provider, format!("its answer is longer than {TEXT_BYTES_MAX} bytes")));
        }
        if !text.is_empty() {
            self.text.push_str(&text);
            self.ready.push_back(Piece::Delta(text));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.ended = true;
        let Some(reason) = self.finish_reason.take() else {
            return Err(broken(&self.provider, "its answer broke off".to_owned()));
        };
        let (model, text) = (std::mem::take(&mut self.model), std::mem::take(&mut self.text));
        let reason = if reason.is_empty() { "stop".to_owned() } else { reason };
        let answer = chat_answer(&self.provider, &self.order, model, text, reason, self.usage);
        self.ready.push_back(Piece::Done(Box::new(answer)));
        Ok(())
    }
}
