//! A chat completion in chunks, exactly as OpenAI streams it: for each choice its role, what comes, and the reason for its end;
//! the usage if asked for; `[DONE]`.

use std::collections::BTreeSet;

use orrery_errors::Error;
use orrery_proto::v1::{ChatDelta, ChatOutput, ToolCallDelta};
use serde::Serialize;

use super::super::unix_seconds;
use super::answer::{ChoiceLogprobs, UsageObject, completion_id, finish_reason, logprob_content};
use crate::http::Failure;
use crate::routes::streaming::{Ending, Events, Writer};

#[derive(Debug, Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    system_fingerprint: Option<&'a str>,
    choices: Vec<ChunkChoice>,
    /// Null in all but the last chunk when usage was asked for, and otherwise not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageObject>>,
}

#[derive(Debug, Serialize)]
struct ChunkChoice {
    index: u32,
    delta: Delta,
    logprobs: Option<ChoiceLogprobs>,
    finish_reason: Option<&'static str>,
}

#[derive(Debug, Default, Serialize)]
struct Delta {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallDelta>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionDelta>,
}

#[derive(Debug, Serialize)]
struct CallDelta {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    function: FunctionDelta,
}

#[derive(Debug, Serialize)]
struct FunctionDelta {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    arguments: String,
}

/// Writes chunks.
#[derive(Debug)]
pub struct Chunks {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    legacy: bool,
    begun: BTreeSet<u32>,
}

impl Chunks {
    /// Of an answer by `model`; `legacy` calls a tool in the older form.
    pub fn new(model: String, include_usage: bool, legacy: bool) -> Self {
        let begun = BTreeSet::new();
        Self { id: completion_id(), created: unix_seconds(), model, include_usage, legacy, begun }
    }

    fn begin(&mut self, index: u32, out: &mut Events) {
        if self.begun.insert(index) {
            let delta = Delta { role: Some("assistant"), content: Some(String::new()), ..Delta::default() };
            self.choice(ChunkChoice { index, delta, logprobs: None, finish_reason: None }, out);
        }
    }

    fn choice(&self, choice: ChunkChoice, out: &mut Events) {
        self.chunk(vec![choice], self.include_usage.then_some(None), out);
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<Option<UsageObject>>, out: &mut Events) {
        let (id, model, created) = (self.id.as_str(), self.model.as_str(), self.created);
        let object = "chat.completion.chunk";
        out.data(&Chunk { id, object, created, model, system_fingerprint: None, choices, usage });
    }

    fn end(&self, index: u32, output: &ChatOutput, out: &mut Events) {
        let finish_reason = Some(finish_reason(output, self.legacy));
        self.choice(ChunkChoice { index, delta: Delta::default(), logprobs: None, finish_reason }, out);
    }
}

impl Writer for Chunks {
    fn open(&mut self, out: &mut Events) {
        self.begin(0, out);
    }

    fn delta(&mut self, delta: ChatDelta, out: &mut Events) -> Result<(), Error> {
        let index = delta.index;
        self.begin(index, out);
        let logprobs = (!delta.logprobs.is_empty())
            .then(|| ChoiceLogprobs { content: logprob_content(delta.logprobs), refusal: None });
        let mut written = Delta {
            content: present(delta.text),
            refusal: present(delta.refusal),
            reasoning_content: present(delta.reasoning),
            ..Delta::default()
        };
        if self.legacy {
            // The older form has one call.
            let first = delta.tool_calls.into_iter().find(|call| call.index == 0);
            written.function_call =
                first.map(|call| FunctionDelta { name: present(call.name), arguments: call.arguments });
        } else {
            written.tool_calls = delta.tool_calls.into_iter().map(CallDelta::from).collect();
        }
        let says_something = written.content.is_some()
            || written.refusal.is_some()
            || written.reasoning_content.is_some()
            || written.function_call.is_some()
            || !written.tool_calls.is_empty()
            || logprobs.is_some();
        if says_something {
            self.choice(ChunkChoice { index, delta: written, logprobs, finish_reason: None }, out);
        }
        Ok(())
    }

    fn done(&mut self, ending: Ending, out: &mut Events) {
        self.end(0, &ending.output, out);
        for (index, other) in (1_u32..).zip(&ending.output.others) {
            self.begin(index, out);
            self.end(index, other, out);
        }
        if self.include_usage {
            let usage = UsageObject::from(ending.reply.usage.unwrap_or_default());
            self.chunk(Vec::new(), Some(Some(usage)), out);
        }
        out.text("[DONE]");
    }

    /// Clients of OpenAI read an error in mid-stream from a chunk that holds nothing else.
    fn fail(&mut self, failure: &Failure, out: &mut Events) {
        out.data(&failure.openai_body());
    }
}

impl From<ToolCallDelta> for CallDelta {
    fn from(part: ToolCallDelta) -> Self {
        let id = present(part.id);
        let kind = id.is_some().then_some("function");
        Self {
            index: part.index,
            id,
            kind,
            function: FunctionDelta { name: present(part.name), arguments: part.arguments },
        }
    }
}

fn present(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use orrery_proto::v1::{InvokeReply, ToolCall};
    use serde_json::{Value, json};

    fn stream(legacy: bool) -> Vec<Value> {
        let (mut writer, mut out) = (Chunks::new("m".to_owned(), true, legacy), Events::default());
        writer.open(&mut out);
        let part = |id: &str, name: &str, arguments: &str| ChatDelta {
            tool_calls: vec![ToolCallDelta {
                index: 0,
                id: id.to_owned(),
                name: name.to_owned(),
                arguments: arguments.to_owned(),
            }],
            ..ChatDelta::default()
        };
        writer.delta(part("c0", "f", ""), &mut out).unwrap();
        writer.delta(part("", "", "{}"), &mut out).unwrap();
        let output = ChatOutput { tool_calls: vec![ToolCall::default()], ..ChatOutput::default() };
        writer.done(Ending { output, reply: InvokeReply::default() }, &mut out);
        out.written().into_iter().map(|(_, data)| data).collect()
    }

    fn told(chunks: &[Value], pointer: &str) -> Vec<Value> {
        chunks.iter().filter_map(|chunk| chunk.pointer(pointer)).filter(|value| !value.is_null()).cloned().collect()
    }

    #[test]
    fn calls_of_tools_come_in_parts_in_both_forms() {
        let newer = stream(false);
        assert_eq!(
            told(&newer, "/choices/0/delta/tool_calls/0"),
            [
                json!({"index": 0, "id": "c0", "type": "function", "function": {"name": "f", "arguments": ""}}),
                json!({"index": 0, "function": {"arguments": "{}"}}),
            ]
        );
        assert_eq!(told(&newer, "/choices/0/finish_reason"), [json!("tool_calls")]);
        assert_eq!(told(&newer, "/usage/total_tokens"), [json!(0)]);
        let older = stream(true);
        assert_eq!(
            told(&older, "/choices/0/delta/function_call"),
            [json!({"name": "f", "arguments": ""}), json!({"arguments": "{}"})]
        );
        assert_eq!(told(&older, "/choices/0/finish_reason"), [json!("function_call")]);
    }
}
