//! Anthropic's answers to a conversation, whole.

use orrery_errors::Error;
use orrery_proto::v1::{ChatOutput, ToolCall, Usage};
use serde::Deserialize;
use serde_json::Value;

use crate::conversation::ANSWER_TOOL;
use crate::failure::broken;

/// Counts; in a stream they come in two parts.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
pub(super) struct UsageBody {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl UsageBody {
    /// What was told later holds.
    pub fn then(self, later: Self) -> Self {
        Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            cache_read_input_tokens: later.cache_read_input_tokens.or(self.cache_read_input_tokens),
            cache_creation_input_tokens: later.cache_creation_input_tokens.or(self.cache_creation_input_tokens),
            output_tokens: later.output_tokens.or(self.output_tokens),
        }
    }

    /// The vendor counts cached tokens beside the others; here they are part of the input.
    pub fn counted(self) -> Option<Usage> {
        let (read, written) =
            (self.cache_read_input_tokens.unwrap_or_default(), self.cache_creation_input_tokens.unwrap_or_default());
        Some(Usage {
            input_tokens: self.input_tokens?.saturating_add(read).saturating_add(written),
            output_tokens: self.output_tokens.unwrap_or_default(),
            cached_input_tokens: read,
            cache_write_tokens: written,
            ..Usage::default()
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    #[serde(default)]
    pub model: String,
    content: Vec<Block>,
    #[serde(default)]
    stop_reason: Option<String>,
    #[serde(default)]
    pub usage: UsageBody,
}

/// A content block, whole or as it begins.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    Thinking {
        #[serde(default)]
        thinking: String,
        #[serde(default)]
        signature: String,
    },
    ToolUse {
        id: String,
        name: String,
        #[serde(default)]
        input: Value,
    },
    #[serde(other)]
    Unknown,
}

impl Message {
    /// The answer. With `as_tool` the text is the input of the tool that stood for the format.
    pub fn output(self, provider: &str, as_tool: bool) -> Result<ChatOutput, Error> {
        if self.content.is_empty() && self.stop_reason.is_none() {
            return Err(broken(provider, "its reply has neither content nor a stop reason"));
        }
        let mut output =
            ChatOutput { finish_reason: finish(self.stop_reason.as_deref(), as_tool), ..ChatOutput::default() };
        for block in self.content {
            match block {
                Block::Text { .. } if as_tool => {} // what it said before it gave the answer
                Block::Text { text } => output.text.push_str(&text),
                Block::Thinking { thinking, signature } => {
                    output.reasoning.push_str(&thinking);
                    output.reasoning_signature.push_str(&signature);
                }
                Block::ToolUse { name, input, .. } if as_tool && name == ANSWER_TOOL => output.text = input.to_string(),
                Block::ToolUse { id, name, input } => {
                    output.tool_calls.push(ToolCall { id, name, arguments_json: input.to_string() });
                }
                Block::Unknown => {}
            }
        }
        Ok(output)
    }
}

/// A stop reason in this project's words.
pub(super) fn finish(reason: Option<&str>, as_tool: bool) -> String {
    let finish = match reason {
        Some("max_tokens" | "model_context_window_exceeded") => "length",
        Some("tool_use") if !as_tool => "tool_calls",
        Some("refusal") => "content_filter",
        _ => "stop", // end_turn, stop_sequence, pause_turn
    };
    finish.to_owned()
}
