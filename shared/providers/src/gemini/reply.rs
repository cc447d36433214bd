//! Gemini's answers to a conversation. A stream's events have the shape of whole answers, so both are read alike.

use std::collections::BTreeMap;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, ChatOutput, TokenLogprob, ToolCallDelta, Usage};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::request::SIGNATURE_MARK;
use crate::assembly::Assembly;
use crate::chat_stream::{Frames, Said};
use crate::failure::{broken, failed_midway, failed_within};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Reply {
    candidates: Vec<Candidate>,
    prompt_feedback: Option<PromptFeedback>,
    usage_metadata: Option<UsageBody>,
    model_version: String,
    error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PromptFeedback {
    block_reason: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct UsageBody {
    prompt_token_count: u64,
    cached_content_token_count: u64,
    candidates_token_count: u64,
    tool_use_prompt_token_count: u64,
    thoughts_token_count: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate {
    content: Content,
    finish_reason: Option<String>,
    finish_message: String,
    index: u32,
    logprobs_result: Option<LogprobsResult>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Content {
    parts: Vec<Part>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Part {
    text: String,
    thought: bool,
    thought_signature: String,
    function_call: Option<FunctionCall>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FunctionCall {
    id: String,
    name: String,
    args: Map<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct LogprobsResult {
    chosen_candidates: Vec<Logprob>,
    top_candidates: Vec<TopLogprobs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TopLogprobs {
    candidates: Vec<Logprob>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Logprob {
    token: String,
    log_probability: f32,
}

impl From<Logprob> for TokenLogprob {
    fn from(body: Logprob) -> Self {
        let bytes = body.token.as_bytes().to_vec();
        Self { token: body.token, logprob: body.log_probability, bytes, top: Vec::new() }
    }
}

impl LogprobsResult {
    fn tokens(self) -> Vec<TokenLogprob> {
        let mut tops = self.top_candidates.into_iter();
        let token = |chosen: Logprob| {
            let top = tops.next().unwrap_or_default().candidates.into_iter().map(TokenLogprob::from).collect();
            TokenLogprob { top, ..TokenLogprob::from(chosen) }
        };
        self.chosen_candidates.into_iter().map(token).collect()
    }
}

impl Reply {
    pub fn version(&self) -> String {
        self.model_version.clone()
    }

    /// The vendor counts thoughts beside what was said; here they are part of the output.
    pub fn usage(&self) -> Option<Usage> {
        self.usage_metadata.map(|body| Usage {
            input_tokens: body.prompt_token_count.saturating_add(body.tool_use_prompt_token_count),
            output_tokens: body.candidates_token_count.saturating_add(body.thoughts_token_count),
            cached_input_tokens: body.cached_content_token_count,
            reasoning_tokens: body.thoughts_token_count,
            ..Usage::default()
        })
    }
}

/// Reads answers; knows which calls each choice has made so far.
#[derive(Debug)]
pub(super) struct Events {
    provider: String,
    call_id: String,
    calls: BTreeMap<u32, u32>,
}

impl Events {
    pub fn new(provider: &str, call_id: &str) -> Self {
        Self { provider: provider.to_owned(), call_id: call_id.to_owned(), calls: BTreeMap::new() }
    }

    /// A whole answer.
    pub fn whole(&mut self, reply: Reply) -> Result<ChatOutput, Error> {
        let deltas = self.deltas(reply)?;
        if deltas.is_empty() {
            return Err(broken(&self.provider, "its reply has no candidate"));
        }
        let mut assembly = Assembly::default();
        for delta in &deltas {
            assembly.add(delta).map_err(|error| broken(&self.provider, error))?;
        }
        Ok(assembly.finish())
    }

    fn deltas(&mut self, reply: Reply) -> Result<Vec<ChatDelta>, Error> {
        if let Some(error) = reply.error {
            return Err(failed_within(&self.provider, &serde_json::json!({ "error": error })));
        }
        let blocked = reply.prompt_feedback.and_then(|feedback| feedback.block_reason);
        if let Some(reason) = blocked.filter(|_| reply.candidates.is_empty()) {
            let refusal = format!("the prompt was blocked: {}", crate::failure::shown(&reason));
            let finish_reason = "content_filter".to_owned();
            return Ok(vec![ChatDelta { refusal, finish_reason, ..ChatDelta::default() }]);
        }
        let deltas = reply.candidates.into_iter().map(|candidate| self.delta(candidate));
        deltas.filter_map(Result::transpose).collect()
    }

    fn delta(&mut self, candidate: Candidate) -> Result<Option<ChatDelta>, Error> {
        let Candidate { content, finish_reason, finish_message, index, logprobs_result } = candidate;
        let mut delta = ChatDelta { index, ..ChatDelta::default() };
        for part in content.parts {
            if part.thought {
                delta.reasoning.push_str(&part.text);
            } else {
                delta.text.push_str(&part.text);
            }
            if let Some(call) = part.function_call {
                delta.tool_calls.push(self.call(index, call, &part.thought_signature));
            }
        }
        delta.logprobs = logprobs_result.map(LogprobsResult::tokens).unwrap_or_default();
        let called = self.calls.contains_key(&index);
        delta.finish_reason = match finish_reason.as_deref() {
            None => String::new(),
            Some("MAX_TOKENS") => "length".to_owned(),
            Some(
                "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY",
            ) => "content_filter".to_owned(),
            Some(
                reason @ ("MALFORMED_FUNCTION_CALL"
                | "UNEXPECTED_TOOL_CALL"
                | "TOO_MANY_TOOL_CALLS"
                | "MALFORMED_RESPONSE"),
            ) => {
                return Err(failed_midway(
                    &self.provider,
                    ErrorCode::ModelFailed,
                    Some(format!("{reason} {finish_message}")),
                ));
            }
            Some(_) if called => "tool_calls".to_owned(),
            Some(_) => "stop".to_owned(),
        };
        let nothing = ChatDelta { index, ..ChatDelta::default() };
        Ok((delta != nothing).then_some(delta))
    }

    /// A call comes whole. One without an id gets one that no other call of the conversation has.
    fn call(&mut self, choice: u32, call: FunctionCall, signature: &str) -> ToolCallDelta {
        let made = self.calls.entry(choice).or_default();
        let index = *made;
        *made = made.saturating_add(1);
        let mut id = if call.id.is_empty() { format!("{}-{choice}-{index}", self.call_id) } else { call.id };
        if !signature.is_empty() {
            id = format!("{id}{SIGNATURE_MARK}{signature}");
        }
        ToolCallDelta { index, id, name: call.name, arguments: Value::Object(call.args).to_string() }
    }
}

impl Frames for Events {
    fn take(&mut self, frame: &str) -> Result<Said, Error> {
        let reply: Reply = serde_json::from_str(frame)
            .map_err(|error| broken(&self.provider, format!("an event does not read: {error}")))?;
        let (usage, version) = (reply.usage(), Some(reply.version()).filter(|version| !version.is_empty()));
        Ok(Said { deltas: self.deltas(reply)?, usage, version, ended: false })
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
                    (any::<u32>(), ".*", "(STOP|SAFETY|MAX_TOKENS|X)").prop_map(|(index, text, reason)| serde_json::json!({
                        "candidates": [{"index": index, "finishReason": reason, "content": {"parts": [{"text": text},
                            {"functionCall": {"name": text}, "thoughtSignature": text}]}}],
                        "usageMetadata": {"promptTokenCount": u64::MAX, "toolUsePromptTokenCount": index}}).to_string()),
                ],
                0..16,
            ),
        ) {
            let mut events = Events::new("p", "c");
            for frame in frames {
                if events.take(&frame).is_err() {
                    break;
                }
            }
        }
    }
}
