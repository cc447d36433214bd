//! Text generation behind a lane. One generation at a time: on a CPU two at once only make both late.

mod answer;
mod messages;
mod request;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ChatOutput};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use request::ChatRequest;

use self::answer::Answer;
use super::model_error;
use crate::domain::queue::{BatchLimits, QueueLimits};
use crate::lanes::{Backend, Ticket};
use orrery_torch::smollm2::{GenerateRequest, Generation, SmolLm2};

const QUEUE: QueueLimits = QueueLimits { requests_max: 64, cost_max: 128 * 1024 };

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatReply {
    /// The first choice, with the others in it.
    pub output: ChatOutput,
    /// Tokens of the prompt, read once for all choices.
    pub input_tokens: u64,
    /// Tokens written, of all choices.
    pub output_tokens: u64,
}

/// The language model.
#[derive(Debug)]
pub struct ChatBackend(Mutex<SmolLm2>);

impl ChatBackend {
    /// Over a loaded model.
    pub fn new(model: SmolLm2) -> Self {
        Self(Mutex::new(model))
    }

    fn generate(&self, request: ChatRequest, cancelled: &CancellationToken) -> Result<ChatReply, Error> {
        let model = self.0.lock();
        let caller = Caller { cancelled, deltas: request.deltas.as_ref() };
        let prompt = request.prompt.text(&model)?;
        let grammar = request.form.as_ref().map(|form| model.grammar(form)).transpose();
        let seed = request.sampling.seed;
        let generation = GenerateRequest {
            prompt,
            tokens_max: request.tokens_max,
            sampling: request.sampling,
            stop: request.stop,
            grammar: grammar.map_err(|error| model_error(&error))?,
            alternatives: request.top_log_probabilities,
        };
        let mut generation = model.start(&generation).map_err(|error| model_error(&error))?;
        while generation.read_prompt().map_err(|error| model_error(&error))? {
            caller.check()?;
        }
        let mut choices = Vec::new();
        for index in 0..request.choices {
            if index > 0 {
                generation.again(seed.wrapping_add(u64::from(index)));
            }
            let answer = Answer::new(index, request.has_tools, request.log_probabilities);
            choices.push(write(&model, &mut generation, answer, &caller)?);
        }
        let usage = generation.usage();
        let mut choices = choices.into_iter();
        let mut output = choices.next().unwrap_or_default();
        output.others = choices.collect();
        Ok(ChatReply {
            output,
            input_tokens: usage.prompt_tokens as u64,
            output_tokens: usage.completion_tokens as u64,
        })
    }
}

/// Writes one choice to its end.
fn write(
    model: &SmolLm2,
    generation: &mut Generation<'_>,
    mut answer: Answer,
    caller: &Caller<'_>,
) -> Result<ChatOutput, Error> {
    while let Some(token) = generation.next_token().map_err(|error| model_error(&error))? {
        caller.take(answer.token(&token, |id| model.token_bytes(id)))?;
    }
    let (last, output) = answer.finish(generation.finish_reason());
    caller.take(last)?;
    Ok(output)
}

/// Who waits for the answer.
struct Caller<'a> {
    cancelled: &'a CancellationToken,
    deltas: Option<&'a mpsc::Sender<ChatDelta>>,
}

impl Caller<'_> {
    fn check(&self) -> Result<(), Error> {
        if self.cancelled.is_cancelled() { Err(gone()) } else { Ok(()) }
    }

    /// Hands a part on, waiting for a slow reader. An error once nobody listens any more.
    fn take(&self, delta: ChatDelta) -> Result<(), Error> {
        match self.deltas {
            Some(deltas) if answer::says_something(&delta) => deltas.blocking_send(delta).map_err(|_closed| gone())?,
            _ => {}
        }
        self.check()
    }
}

fn gone() -> Error {
    Error::new(ErrorCode::Cancelled, "the caller has left")
}

impl Backend for ChatBackend {
    type Request = ChatRequest;
    type Reply = ChatReply;

    fn cost(&self, request: &ChatRequest) -> u64 {
        request.cost()
    }

    fn batch_limits(&self) -> BatchLimits {
        BatchLimits { requests_max: 1, cost_max: u64::MAX }
    }

    fn queue_limits(&self) -> QueueLimits {
        QUEUE
    }

    fn run(&self, batch: Vec<Ticket<ChatRequest, ChatReply>>) {
        for ticket in batch {
            ticket.answer_with(|request, cancelled| self.generate(request, cancelled));
        }
    }
}
