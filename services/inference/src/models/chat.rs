//! Text generation behind a lane. One generation at a time: on a CPU two at once only make both late.

use std::ops::ControlFlow;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::ChatInput;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::model_error;
use crate::domain::queue::{BatchLimits, QueueLimits};
use crate::lanes::{Backend, Ticket};
use orrery_torch::smollm2::{ChatMessage, FinishReason, GenerateRequest, SamplingParameters, SmolLm2};

/// Tokens written when the caller names no limit.
const TOKENS_DEFAULT: u32 = 256;
/// Small models repeat themselves at greedy decoding; this is the value their publisher suggests.
const REPETITION_PENALTY: f32 = 1.1;
/// Bytes of text that make about one token.
const BYTES_PER_TOKEN: usize = 4;
const QUEUE: QueueLimits = QueueLimits { requests_max: 64, cost_max: 128 * 1024 };

/// A conversation to be continued.
#[derive(Debug)]
pub struct ChatRequest {
    /// Messages and parameters.
    pub input: ChatInput,
    /// Where pieces of text go as they come; `None` when only the whole is wanted.
    pub pieces: Option<mpsc::Sender<String>>,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatReply {
    /// The whole text.
    pub text: String,
    /// `stop` or `length`.
    pub finish_reason: &'static str,
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens written.
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

    fn generate(&self, request: &ChatRequest, cancelled: &CancellationToken) -> Result<ChatReply, Error> {
        let model = self.0.lock();
        let input = &request.input;
        let messages: Vec<ChatMessage> = input
            .messages
            .iter()
            .map(|message| ChatMessage { role: message.role.clone(), content: message.content.clone() })
            .collect();
        let prompt = model.chat_prompt(&messages).map_err(|error| model_error(&error))?;
        let generation = GenerateRequest {
            prompt,
            tokens_max: usize::try_from(tokens_max(input)).unwrap_or(usize::MAX),
            sampling: SamplingParameters {
                temperature: input.temperature.unwrap_or(0.0),
                top_p: input.top_p.unwrap_or(1.0),
                repetition_penalty: REPETITION_PENALTY,
                seed: input.seed.unwrap_or(0),
            },
            stop: input.stop.clone(),
        };
        let generated = model.generate(&generation, |token| {
            let gone = match &request.pieces {
                Some(pieces) if !token.text.is_empty() => pieces.blocking_send(token.text.clone()).is_err(),
                _ => false,
            };
            if gone || cancelled.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let generated = generated.map_err(|error| model_error(&error))?;
        let finish_reason = match generated.finish {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::Cancelled => return Err(Error::new(ErrorCode::Cancelled, "the caller has left")),
        };
        Ok(ChatReply {
            text: generated.text,
            finish_reason,
            input_tokens: generated.usage.prompt_tokens as u64,
            output_tokens: generated.usage.completion_tokens as u64,
        })
    }
}

impl Backend for ChatBackend {
    type Request = ChatRequest;
    type Reply = ChatReply;

    fn cost(&self, request: &ChatRequest) -> u64 {
        let text: usize = request.input.messages.iter().map(|message| message.content.len()).sum();
        (text / BYTES_PER_TOKEN) as u64 + u64::from(tokens_max(&request.input))
    }

    fn batch_limits(&self) -> BatchLimits {
        BatchLimits { requests_max: 1, cost_max: u64::MAX }
    }

    fn queue_limits(&self) -> QueueLimits {
        QUEUE
    }

    fn run(&self, batch: Vec<Ticket<ChatRequest, ChatReply>>) {
        for ticket in batch {
            ticket.answer_with(|request, cancelled| self.generate(&request, cancelled));
        }
    }
}

fn tokens_max(input: &ChatInput) -> u32 {
    if input.max_tokens == 0 { TOKENS_DEFAULT } else { input.max_tokens }
}
