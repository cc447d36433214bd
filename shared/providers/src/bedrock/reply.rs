//! Converse's answers, whole.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatOutput, ToolCall, Usage};
use serde::Deserialize;
use serde_json::Value;

use crate::conversation::ANSWER_TOOL;
use crate::failure::failed_midway;

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct UsageBody {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: u64,
    cache_write_input_tokens: u64,
}

impl From<UsageBody> for Usage {
    /// The vendor counts cached tokens beside the others; here they are part of the input.
    fn from(body: UsageBody) -> Self {
        let cached = body.cache_read_input_tokens.saturating_add(body.cache_write_input_tokens);
        Self {
            input_tokens: body.input_tokens.saturating_add(cached),
            output_tokens: body.output_tokens,
            cached_input_tokens: body.cache_read_input_tokens,
            cache_write_tokens: body.cache_write_input_tokens,
            ..Self::default()
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reply {
    output: Output,
    #[serde(default)]
    stop_reason: String,
    #[serde(default)]
    usage: Option<UsageBody>,
}

#[derive(Debug, Deserialize)]
struct Output {
    message: Message,
}

#[derive(Debug, Deserialize)]
struct Message {
    content: Vec<Block>,
}

/// One of these is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Block {
    text: Option<String>,
    tool_use: Option<ToolUse>,
    reasoning_content: Option<ReasoningContent>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse {
    tool_use_id: String,
    name: String,
    #[serde(default)]
    input: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ReasoningContent {
    reasoning_text: Option<ReasoningText>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReasoningText {
    text: String,
    signature: String,
}

impl Reply {
    pub fn usage(&self) -> Option<Usage> {
        self.usage.map(Usage::from)
    }

    /// The answer. With `as_tool` the text is the input of the tool that stood for the format.
    pub fn output(self, provider: &str, as_tool: bool) -> Result<ChatOutput, Error> {
        let finish_reason = finish(provider, &self.stop_reason, as_tool)?;
        let mut output = ChatOutput { finish_reason, ..ChatOutput::default() };
        for block in self.output.message.content {
            if let Some(text) = block.text.filter(|_| !as_tool) {
                output.text.push_str(&text);
            }
            if let Some(reasoning) = block.reasoning_content.and_then(|content| content.reasoning_text) {
                output.reasoning.push_str(&reasoning.text);
                output.reasoning_signature.push_str(&reasoning.signature);
            }
            match block.tool_use {
                Some(call) if as_tool && call.name == ANSWER_TOOL => output.text = call.input.to_string(),
                Some(ToolUse { tool_use_id: id, name, input }) => {
                    output.tool_calls.push(ToolCall { id, name, arguments_json: input.to_string() });
                }
                None => {}
            }
        }
        Ok(output)
    }
}

/// A stop reason in this project's words.
pub(super) fn finish(provider: &str, reason: &str, as_tool: bool) -> Result<String, Error> {
    let finish = match reason {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" if !as_tool => "tool_calls",
        "guardrail_intervened" | "content_filtered" => "content_filter",
        "malformed_model_output" | "malformed_tool_use" => {
            return Err(failed_midway(provider, ErrorCode::ModelFailed, Some(reason.to_owned())));
        }
        _ => "stop", // end_turn, stop_sequence
    };
    Ok(finish.to_owned())
}
