//! Cohere's answers to a conversation, whole and as events.

use std::collections::BTreeMap;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ChatOutput, ToolCall, ToolCallDelta, Usage};
use serde::Deserialize;

use crate::chat_stream::{Frames, Said};
use crate::failure::{broken, failed_midway};

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct UsageBody {
    billed_units: Option<Counts>,
    tokens: Option<Counts>,
    cached_tokens: Option<f64>,
}

/// The vendor writes counts as numbers with or without a fraction.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default)]
struct Counts {
    input_tokens: f64,
    output_tokens: f64,
}

/// A count that is no sensible number is none.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within u64, and saturating
fn count(value: f64) -> u64 {
    value as u64
}

impl UsageBody {
    /// All tokens, where the vendor tells them; those that it bills otherwise.
    fn counted(self) -> Option<Usage> {
        let counts = self.tokens.or(self.billed_units)?;
        Some(Usage {
            input_tokens: count(counts.input_tokens),
            output_tokens: count(counts.output_tokens),
            cached_input_tokens: count(self.cached_tokens.unwrap_or_default()),
            ..Usage::default()
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Reply {
    message: Message,
    #[serde(default)]
    finish_reason: String,
    #[serde(default)]
    usage: Option<UsageBody>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Message {
    content: Option<Vec<Content>>,
    tool_plan: Option<String>,
    tool_calls: Option<Vec<Call>>,
}

/// Text or a thought; in events without its type.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    text: Option<String>,
    thinking: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Call {
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

impl Reply {
    pub fn usage(&self) -> Option<Usage> {
        self.usage.and_then(UsageBody::counted)
    }

    pub fn output(self, provider: &str) -> Result<ChatOutput, Error> {
        let Message { content, tool_plan, tool_calls } = self.message;
        let mut output = ChatOutput {
            finish_reason: finish(provider, &self.finish_reason, "")?,
            reasoning: tool_plan.unwrap_or_default(),
            ..ChatOutput::default()
        };
        for content in content.unwrap_or_default() {
            output.text.push_str(&content.text.unwrap_or_default());
            output.reasoning.push_str(&content.thinking.unwrap_or_default());
        }
        let call = |call: Call| {
            let function = call.function.unwrap_or_default();
            ToolCall {
                id: call.id.unwrap_or_default(),
                name: function.name.unwrap_or_default(),
                arguments_json: function.arguments.unwrap_or_default(),
            }
        };
        output.tool_calls = tool_calls.unwrap_or_default().into_iter().map(call).collect();
        Ok(output)
    }
}

/// A finish reason in this project's words; `ERROR` and `TIMEOUT` are failures that come with status 200.
fn finish(provider: &str, reason: &str, told: &str) -> Result<String, Error> {
    let finish = match reason {
        "MAX_TOKENS" => "length",
        "TOOL_CALL" => "tool_calls",
        "ERROR_TOXIC" => "content_filter",
        "ERROR" | "TIMEOUT" => {
            return Err(failed_midway(
                provider,
                ErrorCode::ModelFailed,
                Some(format!("{reason} {told}").trim().to_owned()),
            ));
        }
        _ => "stop", // COMPLETE, STOP_SEQUENCE
    };
    Ok(finish.to_owned())
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    index: u32,
    #[serde(default)]
    delta: Option<Delta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Delta {
    message: Option<DeltaMessage>,
    finish_reason: Option<String>,
    usage: Option<UsageBody>,
    error: Option<String>,
}

/// In events there is one of what whole answers have lists of; at the start of a message the lists are there and empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DeltaMessage {
    content: OneOrNone<Content>,
    tool_plan: Option<String>,
    tool_calls: OneOrNone<Call>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrNone<T> {
    One(T),
    None(serde::de::IgnoredAny),
}

impl<T> Default for OneOrNone<T> {
    fn default() -> Self {
        Self::None(serde::de::IgnoredAny)
    }
}

impl<T> OneOrNone<T> {
    fn one(self) -> Option<T> {
        match self {
            Self::One(one) => Some(one),
            Self::None(serde::de::IgnoredAny) => None,
        }
    }
}

/// The events of a streamed answer.
#[derive(Debug)]
pub(super) struct Events {
    provider: String,
    calls: BTreeMap<u32, u32>,
}

impl Events {
    pub fn new(provider: &str) -> Self {
        Self { provider: provider.to_owned(), calls: BTreeMap::new() }
    }

    fn delta(&mut self, index: u32, message: DeltaMessage) -> ChatDelta {
        let content = message.content.one().unwrap_or_default();
        let mut delta = ChatDelta {
            text: content.text.unwrap_or_default(),
            reasoning: message.tool_plan.or(content.thinking).unwrap_or_default(),
            ..ChatDelta::default()
        };
        if let Some(call) = message.tool_calls.one() {
            let next = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
            let index = *self.calls.entry(index).or_insert(next);
            let function = call.function.unwrap_or_default();
            delta.tool_calls.push(ToolCallDelta {
                index,
                id: call.id.unwrap_or_default(),
                name: function.name.unwrap_or_default(),
                arguments: function.arguments.unwrap_or_default(),
            });
        }
        delta
    }
}

impl Frames for Events {
    fn take(&mut self, frame: &str) -> Result<Said, Error> {
        let Event { kind, index, delta } = serde_json::from_str(frame)
            .map_err(|error| broken(&self.provider, format!("an event does not read: {error}")))?;
        let delta = delta.unwrap_or_default();
        let mut said = Said::default();
        match kind.as_str() {
            "message-end" => {
                let reason = delta.finish_reason.unwrap_or_default();
                let finish_reason = finish(&self.provider, &reason, &delta.error.unwrap_or_default())?;
                said.deltas.push(ChatDelta { finish_reason, ..ChatDelta::default() });
                said.usage = delta.usage.and_then(UsageBody::counted);
                said.ended = true;
            }
            "content-start" | "content-delta" | "tool-plan-delta" | "tool-call-start" | "tool-call-delta" => {
                let delta = self.delta(index, delta.message.unwrap_or_default());
                said.deltas.extend((delta != ChatDelta::default()).then_some(delta));
            }
            _ => {} // message-start, the ends of parts, citations, debug
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_makes_it_panic(
            frames in proptest::collection::vec(
                prop_oneof![
                    any::<String>(),
                    ("(content-delta|tool-call-start|tool-call-delta|message-end|x)", any::<u32>(), ".*", any::<f64>()).prop_map(
                        |(kind, index, text, number)| serde_json::json!({"type": kind, "index": index, "delta": {
                            "message": {"content": {"text": text}, "tool_calls": {"id": text, "function": {"arguments": text}}},
                            "finish_reason": text, "usage": {"tokens": {"input_tokens": number}}}}).to_string()),
                ],
                0..16,
            ),
        ) {
            let mut events = Events::new("p");
            for frame in frames {
                if events.take(&frame).is_err() {
                    break;
                }
            }
        }
    }
}
