//! A message in events, exactly as Anthropic streams it: the message begins, each block begins, goes on and ends, and the end
//! tells why and what was used. Blocks come one after the other.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ToolCallDelta};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::{Block, Message, UsageView, stop_reason};
use crate::http::Failure;
use crate::routes::streaming::{Ending, Events, Writer};

/// What is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    /// By the model's own number for the call.
    Tool(u32),
}

#[derive(Debug, Serialize)]
struct Ended {
    stop_reason: &'static str,
    stop_sequence: Option<String>,
}

/// Writes a message in blocks.
#[derive(Debug)]
pub struct Blocks {
    model: String,
    thinks: bool,
    /// The number of the next block.
    next: u32,
    open: Option<Open>,
    /// Calls below this number are over.
    calls: u32,
}

impl Blocks {
    /// Of an answer by `model`; thoughts are told where `thinks` says that they were asked for.
    pub fn new(model: String, thinks: bool) -> Self {
        Self { model, thinks, next: 0, open: None, calls: 0 }
    }

    fn enter(&mut self, kind: Open, block: &Block, out: &mut Events) {
        if self.open == Some(kind) {
            return;
        }
        self.close(out);
        let event = json!({"type": "content_block_start", "index": self.next, "content_block": block});
        out.named("content_block_start", &event);
        self.open = Some(kind);
        self.next += 1;
    }

    fn close(&mut self, out: &mut Events) {
        if self.open.take().is_some() {
            let index = self.next.saturating_sub(1);
            out.named("content_block_stop", &json!({"type": "content_block_stop", "index": index}));
        }
    }

    fn more(&self, delta: Value, out: &mut Events) {
        let index = self.next.saturating_sub(1);
        out.named("content_block_delta", &json!({"type": "content_block_delta", "index": index, "delta": delta}));
    }

    fn say(&mut self, text: &str, out: &mut Events) {
        if !text.is_empty() {
            self.enter(Open::Text, &Block::Text { text: String::new() }, out);
            self.more(json!({"type": "text_delta", "text": text}), out);
        }
    }

    fn call(&mut self, part: ToolCallDelta, out: &mut Events) -> Result<(), Error> {
        if self.open != Some(Open::Tool(part.index)) {
            if part.index < self.calls {
                let message =
                    "the model went back to a call of a tool that was over, which cannot be streamed in order";
                return Err(Error::new(ErrorCode::ModelFailed, message));
            }
            self.calls = part.index.saturating_add(1);
            let input = json!({});
            self.enter(Open::Tool(part.index), &Block::ToolUse { id: part.id, name: part.name, input }, out);
        }
        if !part.arguments.is_empty() {
            self.more(json!({"type": "input_json_delta", "partial_json": part.arguments}), out);
        }
        Ok(())
    }
}

impl Writer for Blocks {
    fn open(&mut self, out: &mut Events) {
        let message = Message::begun(self.model.clone());
        out.named("message_start", &json!({"type": "message_start", "message": message}));
        self.alive(out);
    }

    fn delta(&mut self, delta: ChatDelta, out: &mut Events) -> Result<(), Error> {
        if self.thinks && !delta.reasoning.is_empty() {
            let block = Block::Thinking { thinking: String::new(), signature: String::new() };
            self.enter(Open::Thinking, &block, out);
            self.more(json!({"type": "thinking_delta", "thinking": delta.reasoning}), out);
        }
        self.say(&delta.text, out);
        self.say(&delta.refusal, out);
        delta.tool_calls.into_iter().try_for_each(|part| self.call(part, out))
    }

    fn done(&mut self, ending: Ending, out: &mut Events) {
        self.close(out);
        let delta = Ended { stop_reason: stop_reason(&ending.output), stop_sequence: None };
        let usage = UsageView::from(ending.reply.usage.unwrap_or_default());
        out.named("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}));
        out.named("message_stop", &json!({"type": "message_stop"}));
    }

    fn fail(&mut self, failure: &Failure, out: &mut Events) {
        out.named("error", &failure.anthropic_body(None));
    }

    fn alive(&mut self, out: &mut Events) {
        out.named("ping", &json!({"type": "ping"}));
    }
}
