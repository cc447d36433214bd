//! ConverseStream's answers: events, and exceptions among them.

use std::collections::BTreeMap;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ToolCallDelta, Usage};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::reply::{UsageBody, finish};
use crate::chat_stream::{Frames, Said};
use crate::conversation::ANSWER_TOOL;
use crate::failure::{broken, failed_midway};

/// A message of the event stream.
#[derive(Debug, Deserialize)]
struct Message {
    message_type: String,
    #[serde(rename = "type")]
    name: String,
    body: Value,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BlockStart {
    content_block_index: u32,
    start: Start,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Start {
    tool_use: Option<ToolUseStart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUseStart {
    tool_use_id: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BlockDelta {
    content_block_index: u32,
    delta: Delta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Delta {
    text: Option<String>,
    tool_use: Option<ToolUseDelta>,
    reasoning_content: Option<ReasoningDelta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ToolUseDelta {
    input: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReasoningDelta {
    text: String,
    signature: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct MessageStop {
    stop_reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    usage: Option<UsageBody>,
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
}

impl Events {
    /// With `as_tool` the text is the input of the tool that stood for the format.
    pub fn new(provider: &str, as_tool: bool) -> Self {
        Self { provider: provider.to_owned(), as_tool, begun: BTreeMap::new(), calls: 0 }
    }

    fn body<T: DeserializeOwned>(&self, body: Value) -> Result<T, Error> {
        serde_json::from_value(body).map_err(|error| broken(&self.provider, format!("an event does not read: {error}")))
    }

    fn begins(&mut self, BlockStart { content_block_index, start }: BlockStart) -> ChatDelta {
        let Some(ToolUseStart { tool_use_id: id, name }) = start.tool_use else { return ChatDelta::default() };
        if self.as_tool && name == ANSWER_TOOL {
            self.begun.insert(content_block_index, Begun::AnswerTool);
            return ChatDelta::default();
        }
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        self.begun.insert(content_block_index, Begun::Call(index));
        let call = ToolCallDelta { index, id, name, arguments: String::new() };
        ChatDelta { tool_calls: vec![call], ..ChatDelta::default() }
    }

    fn goes_on(&self, BlockDelta { content_block_index, delta }: BlockDelta) -> ChatDelta {
        let reasoning = delta.reasoning_content.unwrap_or_default();
        let mut said = ChatDelta {
            text: delta.text.filter(|_| !self.as_tool).unwrap_or_default(),
            reasoning: reasoning.text,
            reasoning_signature: reasoning.signature,
            ..ChatDelta::default()
        };
        match (delta.tool_use, self.begun.get(&content_block_index)) {
            (Some(part), Some(Begun::AnswerTool)) => said.text = part.input,
            (Some(part), Some(Begun::Call(index))) => {
                let call = ToolCallDelta { index: *index, arguments: part.input, ..ToolCallDelta::default() };
                said.tool_calls.push(call);
            }
            (Some(_), None) | (None, _) => {}
        }
        said
    }
}

impl Frames for Events {
    fn take(&mut self, frame: &str) -> Result<Said, Error> {
        let Message { message_type, name, body } = serde_json::from_str(frame)
            .map_err(|error| broken(&self.provider, format!("an event does not read: {error}")))?;
        if message_type != "event" {
            let told = body.get("message").and_then(Value::as_str).unwrap_or(&name);
            return Err(failed_midway(&self.provider, code(&name), Some(told.to_owned())));
        }
        let mut said = Said::default();
        let delta = match name.as_str() {
            "contentBlockStart" => {
                let start = self.body(body)?;
                self.begins(start)
            }
            "contentBlockDelta" => self.goes_on(self.body(body)?),
            "messageStop" => {
                let stop: MessageStop = self.body(body)?;
                let finish_reason = finish(&self.provider, &stop.stop_reason, self.as_tool)?;
                ChatDelta { finish_reason, ..ChatDelta::default() }
            }
            "metadata" => {
                let metadata: Metadata = self.body(body)?;
                said.usage = metadata.usage.map(Usage::from);
                said.ended = true;
                ChatDelta::default()
            }
            _ => ChatDelta::default(), // messageStart, contentBlockStop and what is yet to be invented
        };
        if delta != ChatDelta::default() {
            said.deltas.push(delta);
        }
        Ok(said)
    }
}

fn code(exception: &str) -> ErrorCode {
    match exception {
        "throttlingException" => ErrorCode::RateLimited,
        "serviceUnavailableException" => ErrorCode::Overloaded,
        "validationException" => ErrorCode::InvalidRequest,
        _ => ErrorCode::ModelFailed, // internalServerException, modelStreamErrorException, modelTimeoutException
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
                    ("(contentBlockStart|contentBlockDelta|messageStop|metadata|x)", any::<u32>(), ".*").prop_map(
                        |(kind, index, text)| serde_json::json!({"message_type": "event", "type": kind, "body": {
                            "contentBlockIndex": index, "start": {"toolUse": {"toolUseId": text, "name": text}},
                            "delta": {"text": text, "toolUse": {"input": text}}, "stopReason": text,
                            "usage": {"inputTokens": index}}}).to_string()),
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
