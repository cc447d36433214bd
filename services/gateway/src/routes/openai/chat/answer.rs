//! A whole chat completion, as OpenAI writes it.

use orrery_proto::v1::{ChatOutput, InvokeReply, TokenLogprob, ToolCall, Usage};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::unix_seconds;
use crate::models::model_name;

/// A whole answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatCompletion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<Choice>,
    usage: UsageObject,
    system_fingerprint: Option<String>,
}

/// One answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Choice {
    index: u32,
    message: AnswerMessage,
    logprobs: Option<ChoiceLogprobs>,
    /// `stop`, `length`, `tool_calls`, `content_filter` or, in the older form, `function_call`.
    finish_reason: &'static str,
}

/// What was answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerMessage {
    role: &'static str,
    /// Null where tools are called and nothing is said.
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall>,
    /// What the model thought before, where it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
}

/// A call of a tool.
#[derive(Debug, Serialize, ToSchema)]
pub struct CallObject {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: FunctionCall,
}

/// What is called, and with what.
#[derive(Debug, Serialize, ToSchema)]
pub struct FunctionCall {
    name: String,
    /// JSON.
    arguments: String,
}

/// How likely the tokens of a choice were.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChoiceLogprobs {
    /// By token.
    pub content: Vec<LogprobContent>,
    /// Not told.
    pub refusal: Option<String>,
}

/// How likely a token was.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LogprobContent {
    token: String,
    logprob: f32,
    bytes: Option<Vec<u8>>,
    /// The likeliest in its place.
    top_logprobs: Vec<LogprobTop>,
}

/// A token that was likely.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LogprobTop {
    token: String,
    logprob: f32,
    bytes: Option<Vec<u8>>,
}

/// Tokens.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct UsageObject {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

/// Of the prompt.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct PromptDetails {
    /// Read from the provider's cache.
    cached_tokens: u64,
}

/// Of the answer.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct CompletionDetails {
    /// Thought, not said.
    reasoning_tokens: u64,
}

impl From<Usage> for UsageObject {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            prompt_tokens_details: PromptDetails { cached_tokens: usage.cached_input_tokens },
            completion_tokens_details: CompletionDetails { reasoning_tokens: usage.reasoning_tokens },
        }
    }
}

impl ChatCompletion {
    /// Writes an answer; `legacy` calls a tool in the older form.
    pub fn of(mut output: ChatOutput, reply: &InvokeReply, asked: &str, legacy: bool) -> Self {
        let others = std::mem::take(&mut output.others);
        let choices = std::iter::once(output).chain(others);
        Self {
            id: completion_id(),
            object: "chat.completion",
            created: unix_seconds(),
            model: model_name(reply, asked),
            choices: (0_u32..).zip(choices).map(|(index, output)| Choice::of(index, output, legacy)).collect(),
            usage: reply.usage.unwrap_or_default().into(),
            system_fingerprint: None,
        }
    }
}

impl Choice {
    fn of(index: u32, output: ChatOutput, legacy: bool) -> Self {
        let finish_reason = finish_reason(&output, legacy);
        let logprobs = (!output.logprobs.is_empty())
            .then(|| ChoiceLogprobs { content: logprob_content(output.logprobs), refusal: None });
        let silent = output.text.is_empty() && (!output.tool_calls.is_empty() || !output.refusal.is_empty());
        let mut calls = output.tool_calls;
        let function_call = (legacy && !calls.is_empty()).then(|| FunctionCall::from(calls.remove(0)));
        let tool_calls = if legacy { Vec::new() } else { calls.into_iter().map(CallObject::from).collect() };
        let message = AnswerMessage {
            role: "assistant",
            content: (!silent).then_some(output.text),
            refusal: Some(output.refusal).filter(|refusal| !refusal.is_empty()),
            tool_calls,
            function_call,
            reasoning_content: Some(output.reasoning).filter(|reasoning| !reasoning.is_empty()),
        };
        Self { index, message, logprobs, finish_reason }
    }
}

impl From<ToolCall> for FunctionCall {
    fn from(call: ToolCall) -> Self {
        Self { name: call.name, arguments: call.arguments_json }
    }
}

impl From<ToolCall> for CallObject {
    fn from(mut call: ToolCall) -> Self {
        let id = std::mem::take(&mut call.id);
        Self { id, kind: "function", function: call.into() }
    }
}

/// One of the reasons that clients know.
pub fn finish_reason(output: &ChatOutput, legacy: bool) -> &'static str {
    match output.finish_reason.as_str() {
        "length" => "length",
        "content_filter" => "content_filter",
        _ if output.tool_calls.is_empty() => "stop",
        _ if legacy => "function_call",
        _ => "tool_calls",
    }
}

/// How likely tokens were, as OpenAI writes it.
pub fn logprob_content(tokens: Vec<TokenLogprob>) -> Vec<LogprobContent> {
    let bytes = |bytes: Vec<u8>| Some(bytes).filter(|bytes| !bytes.is_empty());
    let top = |top: TokenLogprob| LogprobTop { token: top.token, logprob: top.logprob, bytes: bytes(top.bytes) };
    let content = |token: TokenLogprob| LogprobContent {
        token: token.token,
        logprob: token.logprob,
        bytes: bytes(token.bytes),
        top_logprobs: token.top.into_iter().map(top).collect(),
    };
    tokens.into_iter().map(content).collect()
}

/// A name for an answer.
pub fn completion_id() -> String {
    format!("chatcmpl-{}", Uuid::now_v7().simple())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn output(finish_reason: &str) -> ChatOutput {
        let call = ToolCall { id: "c1".to_owned(), name: "f".to_owned(), arguments_json: "{}".to_owned() };
        ChatOutput { finish_reason: finish_reason.to_owned(), tool_calls: vec![call], ..ChatOutput::default() }
    }

    #[test]
    fn calls_of_tools_are_written_in_both_forms() {
        let written = |legacy| {
            let completion = ChatCompletion::of(output("tool_calls"), &InvokeReply::default(), "m", legacy);
            serde_json::to_value(completion).unwrap()["choices"][0].clone()
        };
        let newer = written(false);
        assert_eq!(newer["message"]["content"], json!(null));
        assert_eq!(
            newer["message"]["tool_calls"],
            json!([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}])
        );
        assert_eq!(newer["finish_reason"], "tool_calls");
        let older = written(true);
        assert_eq!(older["message"]["function_call"], json!({"name": "f", "arguments": "{}"}));
        assert_eq!((&older["finish_reason"], &older["message"]["tool_calls"]), (&json!("function_call"), &json!(null)));
    }

    #[test]
    fn every_choice_and_every_probability_is_told() {
        let likely = TokenLogprob { token: "a".to_owned(), logprob: -0.5, bytes: vec![97], top: Vec::new() };
        let token = TokenLogprob { top: vec![likely.clone()], ..likely };
        let first = ChatOutput { text: "a".to_owned(), logprobs: vec![token], ..ChatOutput::default() };
        let second = ChatOutput { text: "b".to_owned(), finish_reason: "length".to_owned(), ..ChatOutput::default() };
        let both = ChatOutput { others: vec![second], ..first };
        let usage = Usage { input_tokens: 3, output_tokens: 2, cached_input_tokens: 1, ..Usage::default() };
        let reply = InvokeReply { usage: Some(usage), ..InvokeReply::default() };
        let written = serde_json::to_value(ChatCompletion::of(both, &reply, "m", false)).unwrap();
        assert_eq!(
            written["choices"][0]["logprobs"]["content"],
            json!([{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -0.5, "bytes": [97]}]}])
        );
        assert_eq!(
            (&written["choices"][1]["index"], &written["choices"][1]["finish_reason"]),
            (&json!(1), &json!("length"))
        );
        assert_eq!(written["usage"]["prompt_tokens_details"]["cached_tokens"], 1);
    }
}
