//! OpenAI's whole answers to a conversation or a prompt. Fields that are not known are left alone: servers add their own.

use std::collections::BTreeMap;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatOutput, TokenLogprob, ToolCall};
use serde::Deserialize;
use serde_json::Value;

use super::usage::UsageBody;
use crate::failure::{broken, failed_within};

/// What stands for a probability of nothing, as OpenAI writes it; JSON has no infinity.
const LOGPROB_MIN: f32 = -9999.0;

#[derive(Debug, Deserialize)]
pub(crate) struct ChatReply {
    #[serde(default)]
    model: String,
    #[serde(default)]
    system_fingerprint: Option<String>,
    choices: Vec<Choice>,
    #[serde(default)]
    pub usage: Option<UsageBody>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Choice {
    message: Spoken,
    /// Of a prompt that was continued.
    text: Option<String>,
    finish_reason: Option<String>,
    logprobs: Option<Logprobs>,
    /// OpenRouter's, where one choice failed.
    error: Option<Value>,
}

/// What an assistant said; in chunks, what it said more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Spoken {
    content: Option<Content>,
    pub refusal: Option<String>,
    /// DeepSeek's and vLLM's name for it.
    reasoning_content: Option<String>,
    /// OpenRouter's, Groq's, Ollama's and newer vLLM's.
    reasoning: Option<String>,
    pub tool_calls: Option<Vec<Call>>,
}

/// A text, or the parts that Mistral's reasoning models answer in.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContentPart {
    text: Option<String>,
    thinking: Option<Vec<ContentPart>>,
}

impl Spoken {
    /// What it said and what it thought.
    pub fn words(&mut self) -> (String, String) {
        let mut reasoning = self.reasoning_content.take().or(self.reasoning.take()).unwrap_or_default();
        let text = match self.content.take() {
            None => String::new(),
            Some(Content::Text(text)) => text,
            Some(Content::Parts(parts)) => {
                let thoughts = parts.iter().filter_map(|part| part.thinking.as_ref()).flatten();
                reasoning.extend(thoughts.filter_map(|part| part.text.as_deref()));
                parts.into_iter().filter_map(|part| part.text).collect()
            }
        };
        (text, reasoning)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Call {
    pub index: Option<u32>,
    pub id: Option<String>,
    pub function: CalledFunction,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CalledFunction {
    pub name: Option<String>,
    arguments: Option<Value>,
}

impl CalledFunction {
    /// JSON text; some servers send the object itself.
    pub fn arguments(self) -> String {
        match self.arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(object) => object.to_string(),
        }
    }
}

/// Tokens with their probabilities.
type Likeliest = BTreeMap<String, Option<f32>>;

/// Of a conversation in `content`, of a prompt in three lists.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Logprobs {
    content: Option<Vec<Logprob>>,
    tokens: Option<Vec<String>>,
    token_logprobs: Option<Vec<Option<f32>>>,
    top_logprobs: Option<Vec<Option<Likeliest>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Logprob {
    token: String,
    logprob: Option<f32>,
    bytes: Option<Vec<u8>>,
    top_logprobs: Option<Vec<Logprob>>,
}

impl From<Logprob> for TokenLogprob {
    fn from(body: Logprob) -> Self {
        Self {
            bytes: body.bytes.unwrap_or_else(|| body.token.as_bytes().to_vec()),
            token: body.token,
            logprob: body.logprob.unwrap_or(LOGPROB_MIN),
            top: body.top_logprobs.unwrap_or_default().into_iter().map(Self::from).collect(),
        }
    }
}

fn token(token: String, logprob: Option<f32>) -> TokenLogprob {
    TokenLogprob { bytes: token.as_bytes().to_vec(), token, logprob: logprob.unwrap_or(LOGPROB_MIN), top: Vec::new() }
}

pub(super) fn logprobs(body: Option<Logprobs>) -> Vec<TokenLogprob> {
    let Some(body) = body else { return Vec::new() };
    if let Some(content) = body.content {
        return content.into_iter().map(TokenLogprob::from).collect();
    }
    let mut values = body.token_logprobs.unwrap_or_default().into_iter();
    let mut tops = body.top_logprobs.unwrap_or_default().into_iter();
    let tokens = body.tokens.unwrap_or_default().into_iter().map(|text| {
        let mut top: Vec<_> =
            tops.next().flatten().unwrap_or_default().into_iter().map(|(it, p)| token(it, p)).collect();
        top.sort_by(|one, other| other.logprob.total_cmp(&one.logprob));
        TokenLogprob { top, ..token(text, values.next().flatten()) }
    });
    tokens.collect()
}

/// Why an answer ended, in OpenAI's words, whatever the server's are; an error where it was cut short by a failure.
pub(super) fn reason(provider: &str, told: &str) -> Result<String, Error> {
    let reason = match told {
        "" => "",
        "length" | "max_tokens" | "model_length" => "length",
        "tool_calls" | "function_call" | "tool_use" => "tool_calls",
        "content_filter" | "safety" => "content_filter",
        "insufficient_system_resource" => {
            return Err(Error::new(
                ErrorCode::Overloaded,
                format!("provider {provider} ran out of room while it answered"),
            ));
        }
        "error" | "abort" => return Err(broken(provider, "it broke its answer off")),
        _ => "stop",
    };
    Ok(reason.to_owned())
}

/// The name of the model that answered, and of the set-up that it ran in where that is told.
pub(super) fn version(model: String, fingerprint: Option<String>) -> String {
    match fingerprint {
        Some(fingerprint) if !fingerprint.is_empty() && !model.is_empty() => format!("{model}+{fingerprint}"),
        _ => model,
    }
}

/// A name for a call of a tool that its server gave none, by which its result can be told: unique within a tenant's calls.
pub(super) fn call_id(of: &str, choice: usize, index: usize) -> String {
    format!("call_{of}_{choice}_{index}")
}

impl ChatReply {
    /// What answered.
    pub fn version(&mut self) -> String {
        version(std::mem::take(&mut self.model), self.system_fingerprint.take())
    }

    /// The answer of `provider` to the call `of`, with all its choices.
    pub fn output(self, provider: &str, of: &str) -> Result<ChatOutput, Error> {
        let choices = self.choices.into_iter().enumerate().map(|(at, choice)| choice.output(provider, of, at));
        let mut choices = choices.collect::<Result<Vec<_>, _>>()?.into_iter();
        let first = choices.next().ok_or_else(|| broken(provider, "its reply has no choice"))?;
        Ok(ChatOutput { others: choices.collect(), ..first })
    }
}

impl Choice {
    fn output(mut self, provider: &str, of: &str, at: usize) -> Result<ChatOutput, Error> {
        if let Some(error) = self.error.filter(|error| !error.is_null()) {
            return Err(failed_within(provider, &error));
        }
        let (said, reasoning) = self.message.words();
        let calls = self.message.tool_calls.take().unwrap_or_default().into_iter().enumerate();
        let calls = calls.map(|(index, call)| ToolCall {
            id: call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| call_id(of, at, index)),
            name: call.function.name.clone().unwrap_or_default(),
            arguments_json: call.function.arguments(),
        });
        Ok(ChatOutput {
            text: self.text.unwrap_or(said),
            finish_reason: reason(provider, self.finish_reason.as_deref().unwrap_or("stop"))?,
            tool_calls: calls.collect(),
            logprobs: logprobs(self.logprobs),
            refusal: self.message.refusal.take().unwrap_or_default(),
            reasoning,
            ..ChatOutput::default()
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openai::mangled;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(choice: Value) -> Result<ChatOutput, Error> {
        let reply: ChatReply = serde_json::from_value(json!({"choices": [choice]})).unwrap();
        reply.output("p", "dec_1")
    }

    #[test]
    fn what_servers_do_each_in_their_way_is_read() {
        let thoughts = json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "yes"}]);
        for message in [
            json!({"content": "yes", "reasoning_content": "hm"}),
            json!({"content": "yes", "reasoning": "hm"}),
            json!({"content": thoughts}),
        ] {
            let answer = read(json!({"message": message, "finish_reason": "eos"})).unwrap();
            assert_eq!((answer.text.as_str(), answer.reasoning.as_str()), ("yes", "hm"), "{message}");
            assert_eq!(answer.finish_reason, "stop");
        }
        let call = json!({"function": {"name": "f", "arguments": {"a": 1}}});
        let answer =
            read(json!({"message": {"content": null, "tool_calls": [call]}, "finish_reason": "tool_calls"})).unwrap();
        assert_eq!(
            (answer.tool_calls[0].id.as_str(), answer.tool_calls[0].arguments_json.as_str()),
            ("call_dec_1_0_0", "{\"a\":1}")
        );
        assert_eq!(
            read(json!({"finish_reason": "insufficient_system_resource"})).unwrap_err().code,
            ErrorCode::Overloaded
        );
        assert_eq!(read(json!({"error": {"code": 429, "message": "m"}})).unwrap_err().code, ErrorCode::RateLimited);
    }

    #[test]
    fn probabilities_of_a_continued_prompt_are_read() {
        let lists = json!({"tokens": ["a", "b"], "token_logprobs": [null, -0.5], "top_logprobs": [null, {"c": -2.0, "b": -0.5}]});
        let answer = read(json!({"text": "ab", "logprobs": lists})).unwrap();
        assert_eq!(answer.text, "ab");
        assert_eq!(answer.logprobs[0].logprob, LOGPROB_MIN);
        let top: Vec<_> = answer.logprobs[1].top.iter().map(|it| it.token.as_str()).collect();
        assert_eq!((answer.logprobs[1].logprob, top), (-0.5, vec!["b", "c"]));
    }

    const WHOLE: &str = r#"{"model":"m","system_fingerprint":"fp","choices":[{"index":0,"message":{"content":[{"text":"a",
        "thinking":[{"text":"b"}]}],"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop",
        "logprobs":{"content":[{"token":"a","logprob":-0.1,"bytes":[97],"top_logprobs":[]}],"tokens":["a"],"token_logprobs":[null]}}],
        "usage":{"prompt_tokens":1,"completion_tokens":2}}"#;

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(body in mangled(WHOLE)) {
            if let Ok(reply) = serde_json::from_slice::<ChatReply>(&body) {
                let _ = reply.output("p", "c");
            }
        }
    }
}
