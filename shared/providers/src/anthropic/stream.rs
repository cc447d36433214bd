//! Anthropic's answers to a conversation, as events.

use std::collections::BTreeMap;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ToolCallDelta};
use serde::Deserialize;

use super::reply::{Block, UsageBody, finish};
use crate::chat_stream::{Frames, Said};
use crate::conversation::ANSWER_TOOL;
use crate::failure::{broken, failed_midway};

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        index: u32,
        content_block: Block,
    },
    ContentBlockDelta {
        index: u32,
        delta: Addition,
    },
    MessageDelta {
        delta: End,
        #[serde(default)]
        usage: UsageBody,
    },
    MessageStop,
    Error {
        error: ErrorBody,
    },
    /// `ping`, `content_block_stop` and what is yet to be invented; the vendor asks to skip those.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
struct Start {
    #[serde(default)]
    model: String,
    #[serde(default)]
    usage: UsageBody,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Addition {
    TextDelta {
        text: String,
    },
    InputJsonDelta {
        partial_json: String,
    },
    ThinkingDelta {
        thinking: String,
    },
    SignatureDelta {
        signature: String,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
struct End {
    #[serde(default)]
    stop_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ErrorBody {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
}

/// What a block that began is.
#[derive(Debug, Clone, Copy)]
enum Begun {
    Call(u32),
    AnswerTool,
}

/// The events of a streamed answer.
#[derive(Debug)]
pub(super) struct Events {
    provider: String,
    as_tool: bool,
    begun: BTreeMap<u32, Begun>,
    calls: u32,
    usage: UsageBody,
}

impl Events {
    /// With `as_tool` the text is the input of the tool that stood for the format.
    pub fn new(provider: &str, as_tool: bool) -> Self {
        let provider = provider.to_owned();
        Self { provider, as_tool, begun: BTreeMap::new(), calls: 0, usage: UsageBody::default() }
    }

    fn begins(&mut self, index: u32, block: Block) -> ChatDelta {
        match block {
            Block::Text { .. } if self.as_tool => ChatDelta::default(),
            Block::Text { text } => ChatDelta { text, ..ChatDelta::default() },
            Block::Thinking { thinking, signature } => {
                ChatDelta { reasoning: thinking, reasoning_signature: signature, ..ChatDelta::default() }
            }
            Block::ToolUse { name, .. } if self.as_tool && name == ANSWER_TOOL => {
                self.begun.insert(index, Begun::AnswerTool);
                ChatDelta::default()
            }
            Block::ToolUse { id, name, .. } => {
                let call = ToolCallDelta { index: self.calls, id, name, arguments: String::new() };
                self.begun.insert(index, Begun::Call(self.calls));
                self.calls = self.calls.saturating_add(1);
                ChatDelta { tool_calls: vec![call], ..ChatDelta::default() }
            }
            Block::Unknown => ChatDelta::default(),
        }
    }

    fn goes_on(&self, index: u32, delta: Addition) -> ChatDelta {
        match (delta, self.begun.get(&index)) {
            (Addition::TextDelta { .. }, _) if self.as_tool => ChatDelta::default(),
            (Addition::TextDelta { text }, _) => ChatDelta { text, ..ChatDelta::default() },
            (Addition::InputJsonDelta { partial_json }, Some(Begun::AnswerTool)) => {
                ChatDelta { text: partial_json, ..ChatDelta::default() }
            }
            (Addition::InputJsonDelta { partial_json }, Some(Begun::Call(call))) => {
                let call = ToolCallDelta { index: *call, arguments: partial_json, ..ToolCallDelta::default() };
                ChatDelta { tool_calls: vec![call], ..ChatDelta::default() }
            }
            (Addition::ThinkingDelta { thinking }, _) => ChatDelta { reasoning: thinking, ..ChatDelta::default() },
            (Addition::SignatureDelta { signature }, _) => {
                ChatDelta { reasoning_signature: signature, ..ChatDelta::default() }
            }
            (Addition::InputJsonDelta { .. }, None) | (Addition::Unknown, _) => ChatDelta::default(),
        }
    }
}

impl Frames for Events {
    fn take(&mut self, frame: &str) -> Result<Said, Error> {
        let event = serde_json::from_str(frame);
        let event = event.map_err(|error| broken(&self.provider, format!("an event does not read: {error}")))?;
        let mut said = Said::default();
        let delta = match event {
            Event::MessageStart { message } => {
                self.usage = message.usage;
                said.version = Some(message.model).filter(|model| !model.is_empty());
                ChatDelta::default()
            }
            Event::ContentBlockStart { index, content_block } => self.begins(index, content_block),
            Event::ContentBlockDelta { index, delta } => self.goes_on(index, delta),
            Event::MessageDelta { delta, usage } => {
                self.usage = self.usage.then(usage);
                said.usage = self.usage.counted();
                let finish_reason = delta.stop_reason.map(|reason| finish(Some(&reason), self.as_tool));
                ChatDelta { finish_reason: finish_reason.unwrap_or_default(), ..ChatDelta::default() }
            }
            Event::MessageStop => {
                said.ended = true;
                ChatDelta::default()
            }
            Event::Error { error } => {
                return Err(failed_midway(&self.provider, code(&error.kind), Some(error.message)));
            }
            Event::Unknown => ChatDelta::default(),
        };
        if delta != ChatDelta::default() {
            said.deltas.push(delta);
        }
        Ok(said)
    }
}

fn code(kind: &str) -> ErrorCode {
    match kind {
        "overloaded_error" => ErrorCode::Overloaded,
        "rate_limit_error" => ErrorCode::RateLimited,
        "invalid_request_error" => ErrorCode::InvalidRequest,
        "authentication_error" | "permission_error" | "not_found_error" | "billing_error" => {
            ErrorCode::FailedPrecondition
        }
        _ => ErrorCode::ModelFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Events of the right kinds with anything in them, and anything at all, are read or refused.
        #[test]
        fn nothing_makes_it_panic(
            frames in proptest::collection::vec(
                prop_oneof![
                    any::<String>(),
                    ("(message_start|content_block_start|content_block_delta|message_delta|error|ping)", any::<u32>(), ".*").prop_map(
                        |(kind, index, text)| serde_json::json!({"type": kind, "index": index,
                            "content_block": {"type": "tool_use", "id": text, "name": text},
                            "delta": {"type": "input_json_delta", "partial_json": text, "stop_reason": text},
                            "error": {"type": text}, "message": {"usage": {"input_tokens": index}}}).to_string()
                    ),
                ],
                0..16,
            ),
            as_tool: bool,
        ) {
            let mut events = Events::new("p", as_tool);
            for frame in frames {
                if events.take(&frame).is_err() {
                    break;
                }
            }
        }
    }
}
