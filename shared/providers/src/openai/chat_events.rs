//! OpenAI's streamed answers, chunk by chunk.

use std::collections::BTreeMap;

use orrery_errors::Error;
use orrery_proto::v1::{ChatDelta, ToolCallDelta, Usage};
use serde::Deserialize;
use serde_json::Value;

use super::chat_reply::{Call, Logprobs, Spoken, call_id, logprobs, reason, version};
use super::usage::UsageBody;
use crate::chat_stream::{Frames, Said};
use crate::failure::{broken, failed_within, tells_failure};

const END: &str = "[DONE]";

#[derive(Debug, Deserialize)]
struct Chunk {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    system_fingerprint: Option<String>,
    #[serde(default)]
    choices: Option<Vec<ChunkChoice>>,
    #[serde(default)]
    usage: Option<UsageBody>,
    /// OpenRouter's stands beside a last choice.
    #[serde(default)]
    error: Option<Value>,
    /// Groq's place for the count.
    #[serde(default)]
    x_groq: Option<Groq>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Groq {
    usage: Option<UsageBody>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ChunkChoice {
    index: u32,
    delta: Option<Spoken>,
    /// Of a prompt that is continued.
    text: Option<String>,
    finish_reason: Option<String>,
    logprobs: Option<Logprobs>,
}

/// The events of a streamed answer.
#[derive(Debug)]
pub(crate) struct ChatEvents {
    provider: String,
    /// The call that is answered, for names of calls of tools that the server does not name.
    of: String,
    /// Calls of tools that began, by choice.
    begun: BTreeMap<u32, Vec<Begun>>,
}

/// A call of a tool that began.
#[derive(Debug)]
struct Begun {
    /// The server's number for it.
    number: Option<u32>,
    /// The server's name for it; empty where it gave none.
    id: String,
}

impl ChatEvents {
    /// Of `provider`, in answer to the call `of`.
    pub fn new(provider: &str, of: &str) -> Self {
        Self { provider: provider.to_owned(), of: of.to_owned(), begun: BTreeMap::new() }
    }

    fn delta(&mut self, choice: ChunkChoice) -> Result<Option<ChatDelta>, Error> {
        let index = choice.index;
        let mut spoken = choice.delta.unwrap_or_default();
        let (said, reasoning) = spoken.words();
        let calls = spoken.tool_calls.take().unwrap_or_default();
        let calls = calls.into_iter().map(|call| self.call(index, call)).collect();
        let delta = ChatDelta {
            text: choice.text.unwrap_or(said),
            index,
            tool_calls: calls,
            logprobs: logprobs(choice.logprobs),
            refusal: spoken.refusal.take().unwrap_or_default(),
            reasoning,
            finish_reason: reason(&self.provider, choice.finish_reason.as_deref().unwrap_or_default())?,
            ..ChatDelta::default()
        };
        // The first chunk tells the role alone.
        let nothing = ChatDelta { index, ..ChatDelta::default() };
        Ok((delta != nothing).then_some(delta))
    }

    /// A part of a call of a tool. Some servers do not number calls, number each 0, or repeat id and name with every part.
    /// A part belongs to the call with its number, or else to the last one, unless it brings an id of its own or begins
    /// anew with a name.
    fn call(&mut self, choice: u32, part: Call) -> ToolCallDelta {
        let begun = self.begun.entry(choice).or_default();
        let id = part.id.unwrap_or_default();
        let name = part.function.name.clone().unwrap_or_default();
        let arguments = part.function.arguments();
        let same = |call: &Begun| match part.index {
            Some(_) if call.number != part.index => false,
            Some(_) => id.is_empty() || call.id.is_empty() || call.id == id,
            None if id.is_empty() => name.is_empty(),
            None => call.id == id,
        };
        if let Some(at) = begun.iter().rposition(same) {
            return ToolCallDelta { index: number(at), arguments, ..ToolCallDelta::default() };
        }
        let at = begun.len();
        begun.push(Begun { number: part.index, id: id.clone() });
        let id = if id.is_empty() { call_id(&self.of, choice as usize, at) } else { id };
        ToolCallDelta { index: number(at), id, name, arguments }
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Frames for ChatEvents {
    fn take(&mut self, frame: &str) -> Result<Said, Error> {
        if frame.trim() == END {
            return Ok(Said { ended: true, ..Said::default() });
        }
        let chunk = serde_json::from_str::<Chunk>(frame);
        if chunk.as_ref().map_or(true, |chunk| chunk.choices.is_none() || chunk.error.is_some())
            && let Ok(body) = serde_json::from_str::<Value>(frame)
            && tells_failure(&body)
        {
            return Err(failed_within(&self.provider, &body));
        }
        let chunk = chunk.map_err(|error| broken(&self.provider, format!("an event does not read: {error}")))?;
        let mut deltas = Vec::new();
        for choice in chunk.choices.unwrap_or_default() {
            deltas.extend(self.delta(choice)?);
        }
        let usage = chunk.usage.or(chunk.x_groq.and_then(|groq| groq.usage));
        let version = version(chunk.model.unwrap_or_default(), chunk.system_fingerprint);
        Ok(Said {
            deltas,
            usage: usage.map(Usage::from),
            version: Some(version).filter(|it| !it.is_empty()),
            ended: false,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openai::mangled;
    use orrery_errors::ErrorCode;
    use proptest::prelude::*;
    use serde_json::json;

    fn events() -> ChatEvents {
        ChatEvents::new("p", "dec_1")
    }

    /// Calls as `(index, id, name, arguments)` out of chunks with these `tool_calls`.
    fn calls(chunks: &[Value]) -> Vec<(u32, String, String, String)> {
        let mut events = events();
        let mut calls = Vec::new();
        for chunk in chunks {
            let frame = json!({"choices": [{"index": 0, "delta": {"tool_calls": chunk}}]}).to_string();
            for delta in events.take(&frame).unwrap().deltas {
                calls.extend(delta.tool_calls.into_iter().map(|it| (it.index, it.id, it.name, it.arguments)));
            }
        }
        calls
    }

    fn call(index: u32, id: &str, name: &str, arguments: &str) -> (u32, String, String, String) {
        (index, id.to_owned(), name.to_owned(), arguments.to_owned())
    }

    #[test]
    fn calls_are_told_apart_however_a_server_numbers_them() {
        let part = |value: Value| json!([value]);
        let f = |name: &str, arguments: &str| json!({"name": name, "arguments": arguments});
        let as_openai = [
            part(json!({"index": 0, "id": "a", "function": f("f", "")})),
            part(json!({"index": 0, "function": {"arguments": "{}"}})),
            part(json!({"index": 1, "id": "b", "function": f("g", "{}")})),
        ];
        assert_eq!(calls(&as_openai), [call(0, "a", "f", ""), call(0, "", "", "{}"), call(1, "b", "g", "{}")]);
        let repeats_itself = [
            part(json!({"index": 0, "id": "a", "function": f("f", "{")})),
            part(json!({"index": 0, "id": "a", "function": f("f", "}")})),
        ];
        assert_eq!(calls(&repeats_itself), [call(0, "a", "f", "{"), call(0, "", "", "}")]);
        let all_are_zero = [
            part(json!({"index": 0, "id": "a", "function": f("f", "{}")})),
            part(json!({"index": 0, "id": "b", "function": f("f", "{}")})),
        ];
        assert_eq!(calls(&all_are_zero), [call(0, "a", "f", "{}"), call(1, "b", "f", "{}")]);
        let neither_number_nor_id = [
            json!([{"function": f("f", "{}")}, {"function": f("f", "[")}]),
            part(json!({"function": {"arguments": "]"}})),
        ];
        let expected =
            [call(0, "call_dec_1_0_0", "f", "{}"), call(1, "call_dec_1_0_1", "f", "["), call(1, "", "", "]")];
        assert_eq!(calls(&neither_number_nor_id), expected);
    }

    #[test]
    fn a_count_is_read_wherever_it_stands_and_failures_are_typed() {
        let usage = json!({"prompt_tokens": 3, "completion_tokens": 4});
        for chunk in
            [json!({"choices": [], "usage": usage}), json!({"choices": [], "x_groq": {"id": "r", "usage": usage}})]
        {
            assert_eq!(events().take(&chunk.to_string()).unwrap().usage.unwrap().input_tokens, 3, "{chunk}");
        }
        let table = [
            (
                json!({"error": {"code": 429, "message": "m"}, "choices": [{"delta": {}, "finish_reason": "error"}]}),
                ErrorCode::RateLimited,
            ),
            (json!({"object": "error", "message": "m", "code": 400}), ErrorCode::InvalidRequest),
            (json!({"error": "out of memory"}), ErrorCode::ModelFailed),
            (json!({"choices": [{"delta": {}, "finish_reason": "abort"}]}), ErrorCode::ModelFailed),
        ];
        for (chunk, code) in table {
            assert_eq!(events().take(&chunk.to_string()).unwrap_err().code, code, "{chunk}");
        }
    }

    const CHUNK: &str = r#"{"model":"m","choices":[{"index":0,"delta":{"content":"a","reasoning":"b","tool_calls":[{"index":0,
        "id":"c","function":{"name":"f","arguments":"{}"}}]},"finish_reason":null}],"usage":null,"error":null}"#;

    proptest! {
        #[test]
        fn no_chunk_makes_it_panic(frames in proptest::collection::vec(mangled(CHUNK), 0..4)) {
            let mut events = events();
            for frame in frames {
                let _ = events.take(&String::from_utf8_lossy(&frame));
            }
        }
    }
}
