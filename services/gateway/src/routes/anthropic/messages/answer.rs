//! A whole message, as Anthropic writes it.

use orrery_proto::v1::{ChatOutput, InvokeReply, ToolCall, Usage};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::models::model_name;

/// A message of the model.
#[derive(Debug, Serialize, ToSchema)]
pub struct Message {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: String,
    content: Vec<Block>,
    /// `end_turn`, `max_tokens`, `tool_use` or `refusal`; null while the message is streamed.
    stop_reason: Option<&'static str>,
    /// Not told: models do not say at which of the texts they stopped.
    stop_sequence: Option<String>,
    usage: UsageView,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// What the model says.
    Text {
        /// The text.
        text: String,
    },
    /// What the model thinks before.
    Thinking {
        /// The text.
        thinking: String,
        /// The provider's proof that the model thought so; empty where it gives none.
        signature: String,
    },
    /// A call of a tool.
    ToolUse {
        /// Of the call.
        id: String,
        /// Of the tool.
        name: String,
        /// What it is called with.
        #[schema(value_type = Object)]
        input: Value,
    },
}

/// Tokens.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub struct UsageView {
    /// Beyond those of the caches.
    pub input_tokens: u64,
    /// Written to the provider's cache.
    pub cache_creation_input_tokens: u64,
    /// Read from the provider's cache.
    pub cache_read_input_tokens: u64,
    /// Of the answer.
    pub output_tokens: u64,
}

impl From<Usage> for UsageView {
    fn from(usage: Usage) -> Self {
        let cached = usage.cached_input_tokens.saturating_add(usage.cache_write_tokens);
        Self {
            input_tokens: usage.input_tokens.saturating_sub(cached),
            cache_creation_input_tokens: usage.cache_write_tokens,
            cache_read_input_tokens: usage.cached_input_tokens,
            output_tokens: usage.output_tokens,
        }
    }
}

impl Message {
    /// Writes an answer, with the thoughts where `thinks` says that they were asked for.
    pub fn of(output: ChatOutput, reply: &InvokeReply, asked: &str, thinks: bool) -> Self {
        let stop_reason = Some(stop_reason(&output));
        let mut content = Vec::new();
        if thinks && !(output.reasoning.is_empty() && output.reasoning_signature.is_empty()) {
            content.push(Block::Thinking { thinking: output.reasoning, signature: output.reasoning_signature });
        }
        let text = if output.text.is_empty() { output.refusal } else { output.text };
        if !text.is_empty() {
            content.push(Block::Text { text });
        }
        content.extend(output.tool_calls.into_iter().map(Block::from));
        let usage = reply.usage.unwrap_or_default().into();
        Self { content, stop_reason, usage, ..Self::begun(model_name(reply, asked)) }
    }

    /// A message before anything of it is there.
    pub fn begun(model: String) -> Self {
        Self {
            id: format!("msg_{}", Uuid::now_v7().simple()),
            kind: "message",
            role: "assistant",
            model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: UsageView::default(),
        }
    }
}

impl From<ToolCall> for Block {
    fn from(call: ToolCall) -> Self {
        // Arguments that are no JSON are handed on as what they are, for the caller's own check to find.
        let parsed = serde_json::from_str(&call.arguments_json);
        let input = match parsed {
            Ok(input) => input,
            Err(_) if call.arguments_json.is_empty() => Value::Object(serde_json::Map::new()),
            Err(_) => Value::String(call.arguments_json),
        };
        Self::ToolUse { id: call.id, name: call.name, input }
    }
}

/// Why a message ended.
pub fn stop_reason(output: &ChatOutput) -> &'static str {
    match output.finish_reason.as_str() {
        "length" => "max_tokens",
        "content_filter" => "refusal",
        _ if !output.refusal.is_empty() => "refusal",
        _ if !output.tool_calls.is_empty() => "tool_use",
        _ => "end_turn",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn thoughts_texts_and_calls_are_blocks() {
        let call = ToolCall { id: "t1".to_owned(), name: "f".to_owned(), arguments_json: "{\"a\":1}".to_owned() };
        let output = ChatOutput {
            reasoning: "hm".to_owned(),
            reasoning_signature: "sig".to_owned(),
            text: "hi".to_owned(),
            tool_calls: vec![call],
            ..ChatOutput::default()
        };
        let usage = Usage {
            input_tokens: 10,
            cached_input_tokens: 4,
            cache_write_tokens: 1,
            output_tokens: 2,
            ..Usage::default()
        };
        let reply = InvokeReply { usage: Some(usage), ..InvokeReply::default() };
        let written = serde_json::to_value(Message::of(output.clone(), &reply, "m", true)).unwrap();
        assert_eq!(
            written["content"],
            json!([
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "text", "text": "hi"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            ])
        );
        assert_eq!((&written["stop_reason"], &written["usage"]["input_tokens"]), (&json!("tool_use"), &json!(5)));
        let quiet = serde_json::to_value(Message::of(output, &reply, "m", false)).unwrap();
        assert_eq!(quiet["content"][0]["type"], "text");
    }

    #[test]
    fn the_end_is_told_in_anthropics_words() {
        let reason = |finish: &str, refusal: &str| {
            let output =
                ChatOutput { finish_reason: finish.to_owned(), refusal: refusal.to_owned(), ..ChatOutput::default() };
            stop_reason(&output)
        };
        assert_eq!(reason("stop", ""), "end_turn");
        assert_eq!(reason("length", ""), "max_tokens");
        assert_eq!(reason("content_filter", ""), "refusal");
        assert_eq!(reason("stop", "no"), "refusal");
    }
}
