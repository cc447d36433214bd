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

    fn think(&mut self, delta: &ChatDelta, out: &mut Events) {
        let parts = [
            ("thinking_delta", "thinking", &delta.reasoning),
            ("signature_delta", "signature", &delta.reasoning_signature),
        ];
        for (kind, field, text) in parts.into_iter().filter(|(_, _, text)| !text.is_empty()) {
            let block = Block::Thinking { thinking: String::new(), signature: String::new() };
            self.enter(Open::Thinking, &block, out);
            self.more(json!({"type": kind, field: text}), out);
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
        if self.thinks {
            self.think(&delta, out);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use orrery_proto::v1::{ChatOutput, InvokeReply, Usage};

    fn call(index: u32, id: &str, arguments: &str) -> ChatDelta {
        let part = ToolCallDelta { index, id: id.to_owned(), name: "f".to_owned(), arguments: arguments.to_owned() };
        ChatDelta { tool_calls: vec![part], ..ChatDelta::default() }
    }

    #[test]
    fn blocks_come_one_after_the_other() {
        let (mut writer, mut out) = (Blocks::new("m".to_owned(), true), Events::default());
        writer.open(&mut out);
        let deltas = [
            ChatDelta { reasoning: "hm".to_owned(), ..ChatDelta::default() },
            ChatDelta { reasoning_signature: "sig".to_owned(), ..ChatDelta::default() },
            ChatDelta { text: "a".to_owned(), ..ChatDelta::default() },
            ChatDelta { text: "b".to_owned(), ..ChatDelta::default() },
            call(0, "t0", "{"),
            call(0, "", "}"),
            call(1, "t1", ""),
        ];
        for delta in deltas {
            writer.delta(delta, &mut out).unwrap();
        }
        let usage = Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() };
        let reply = InvokeReply { usage: Some(usage), ..InvokeReply::default() };
        let output = ChatOutput { finish_reason: "length".to_owned(), ..ChatOutput::default() };
        writer.done(Ending { output, reply }, &mut out);
        let short = |(name, data): (String, Value)| {
            let kind = data.pointer("/delta/type").or(data.pointer("/content_block/type")).and_then(Value::as_str);
            let index = data.get("index").map(ToString::to_string).unwrap_or_default();
            format!("{index}{} {}", name.trim_start_matches("content_block_"), kind.unwrap_or_default())
        };
        let written: Vec<String> = out.written().into_iter().map(short).collect();
        assert_eq!(
            written,
            [
                "message_start ",
                "ping ",
                "0start thinking",
                "0delta thinking_delta",
                "0delta signature_delta",
                "0stop ",
                "1start text",
                "1delta text_delta",
                "1delta text_delta",
                "1stop ",
                "2start tool_use",
                "2delta input_json_delta",
                "2delta input_json_delta",
                "2stop ",
                "3start tool_use",
                "3stop ",
                "message_delta ",
                "message_stop ",
            ]
        );
        let signed = json!({"type": "signature_delta", "signature": "sig"});
        assert!(out.written().iter().any(|(_, data)| data["delta"] == signed));
        let ending = out.written().into_iter().find(|(name, _)| name == "message_delta").unwrap().1;
        assert_eq!(ending.pointer("/delta/stop_reason"), Some(&json!("max_tokens")));
        assert_eq!(ending.pointer("/usage/input_tokens"), Some(&json!(3)));
    }

    #[test]
    fn a_call_that_was_over_does_not_go_on() {
        let (mut writer, mut out) = (Blocks::new("m".to_owned(), false), Events::default());
        writer.delta(call(0, "t0", "{}"), &mut out).unwrap();
        writer.delta(call(1, "t1", "{}"), &mut out).unwrap();
        assert_eq!(writer.delta(call(0, "", "{}"), &mut out).unwrap_err().code, ErrorCode::ModelFailed);
    }
}
