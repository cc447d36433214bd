//! A streamed chat answer: bytes into frames, frames into deltas, deltas into the whole. What differs between vendors is
//! how bytes are framed and what a frame says; the rest is here.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use orrery_errors::Error;
use orrery_proto::v1::{ChatDelta, ModelOutput, Usage, model_output};

use crate::assembly::Assembly;
use crate::failure::broken;
use crate::sse::SseParser;
use crate::{Answer, Order, Piece, Pieces, Quota};

/// How bytes are cut into frames.
pub(crate) trait Framing: Send + 'static {
    /// Takes the next bytes; gives the frames that they complete, or says what is wrong with them.
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, String>;
}

impl Framing for SseParser {
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, String> {
        Self::feed(self, bytes).map_err(|error| error.to_string())
    }
}

/// What one frame said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// More of the answer.
    pub deltas: Vec<ChatDelta>,
    /// The count so far; the last one holds.
    pub usage: Option<Usage>,
    /// What the provider calls the model that answers.
    pub version: Option<String>,
    /// Nothing more will come.
    pub ended: bool,
}

/// What a vendor's frames say. An error ends the stream.
pub(crate) trait Frames: Send + 'static {
    /// Takes one frame.
    fn take(&mut self, frame: &str) -> Result<Said, Error>;

    /// Whether an answer is whole when its body ends as HTTP wants it, for vendors that say nothing at the end.
    fn ends_with_its_body(&self) -> bool {
        false
    }
}

struct State<C, F> {
    provider: String,
    order: Order,
    body: BoxStream<'static, Result<Bytes, Error>>,
    framing: C,
    frames: F,
    assembly: Assembly,
    ready: VecDeque<Piece>,
    usage: Option<Usage>,
    version: String,
    quota: Option<Quota>,
    ended: bool,
}

/// The pieces of a streamed reply. A stream that ends before its end was said is broken, unless every choice has told why
/// it ended.
pub(crate) fn pieces(
    provider: &str,
    order: Order,
    body: BoxStream<'static, Result<Bytes, Error>>,
    quota: Option<Quota>,
    framing: impl Framing,
    frames: impl Frames,
) -> Pieces {
    let state = State {
        provider: provider.to_owned(),
        order,
        body,
        framing,
        frames,
        assembly: Assembly::default(),
        ready: VecDeque::new(),
        usage: None,
        version: String::new(),
        quota,
        ended: false,
    };
    stream::try_unfold(state, next).boxed()
}

async fn next<C: Framing, F: Frames>(mut state: State<C, F>) -> Result<Option<(Piece, State<C, F>)>, Error> {
    loop {
        if let Some(piece) = state.ready.pop_front() {
            return Ok(Some((piece, state)));
        }
        if state.ended {
            return Ok(None);
        }
        match state.body.next().await {
            Some(bytes) => state.take(&bytes?)?,
            None if state.assembly.is_finished() || state.frames.ends_with_its_body() => state.finish(),
            None => return Err(broken(&state.provider, "its answer broke off")),
        }
    }
}

impl<C: Framing, F: Frames> State<C, F> {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let frames = self.framing.feed(bytes).map_err(|error| broken(&self.provider, error))?;
        for frame in frames {
            let said = self.frames.take(&frame)?;
            for delta in said.deltas {
                self.assembly.add(&delta).map_err(|error| broken(&self.provider, error))?;
                self.ready.push_back(Piece::Delta(Box::new(delta)));
            }
            self.usage = said.usage.or(self.usage.take());
            if let Some(version) = said.version.filter(|_| self.version.is_empty()) {
                self.version = version;
            }
            if said.ended {
                self.finish();
                break;
            }
        }
        Ok(())
    }

    fn finish(&mut self) {
        self.ended = true;
        let assembly = std::mem::take(&mut self.assembly);
        let usage = self.usage.unwrap_or_else(|| crate::estimate::chat(&self.order, assembly.bytes()));
        let output = ModelOutput { kind: Some(model_output::Kind::Chat(assembly.finish())) };
        let models = vec![crate::estimate::identity(&self.provider, &self.order, std::mem::take(&mut self.version))];
        let answer = Answer { output, models, usage, quota: self.quota };
        self.ready.push_back(Piece::Done(Box::new(answer)));
    }
}
