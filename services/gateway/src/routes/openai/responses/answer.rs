//! A whole response, as OpenAI writes it.

use orrery_errors::ErrorCode;
use orrery_proto::v1::{ChatOutput, InvokeReply, ToolCall, Usage};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::super::chat::{LogprobContent, logprob_content};
use super::super::unix_seconds;
use super::request::Echo;
use crate::http::Failure;
use crate::models::model_name;

/// A response.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ResponseObject {
    pub(super) id: String,
    object: &'static str,
    created_at: u64,
    /// `in_progress`, `completed`, `incomplete` or `failed`.
    pub(super) status: &'static str,
    background: bool,
    error: Option<ResponseError>,
    incomplete_details: Option<IncompleteDetails>,
    model: String,
    pub(super) output: Vec<Item>,
    /// Always null: nothing is kept.
    previous_response_id: Option<String>,
    /// Always false.
    store: bool,
    truncation: &'static str,
    usage: Option<ResponseUsage>,
    #[serde(flatten)]
    echo: Echo,
}

/// Why a response failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ResponseError {
    code: &'static str,
    message: String,
}

/// Why a response is not complete.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncompleteDetails {
    /// `max_output_tokens` or `content_filter`.
    reason: &'static str,
}

/// Something that a model gave.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    /// What it thought before.
    Reasoning {
        /// Of the item.
        id: String,
        /// Always empty.
        #[schema(value_type = Vec<Object>)]
        summary: Vec<Part>,
        /// The text.
        content: Vec<Part>,
        /// `in_progress` or `completed`.
        status: &'static str,
    },
    /// What it said.
    Message {
        /// Of the item.
        id: String,
        /// `in_progress`, `completed` or `incomplete`.
        status: &'static str,
        /// Always `assistant`.
        role: &'static str,
        /// The text, or why there is none.
        content: Vec<Part>,
    },
    /// A call of a tool.
    FunctionCall {
        /// Of the item.
        id: String,
        /// Of the call.
        call_id: String,
        /// Of the tool.
        name: String,
        /// JSON.
        arguments: String,
        /// `in_progress` or `completed`.
        status: &'static str,
    },
}

/// A part of an item.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// What was said.
    OutputText {
        /// The text.
        text: String,
        /// Always empty.
        #[schema(value_type = Vec<Object>)]
        annotations: Vec<String>,
        /// By token, where it was asked for.
        logprobs: Vec<LogprobContent>,
    },
    /// Why nothing was said.
    Refusal {
        /// The text.
        refusal: String,
    },
    /// What was thought.
    ReasoningText {
        /// The text.
        text: String,
    },
}

/// Tokens.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ResponseUsage {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

/// Of the input.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct InputDetails {
    /// Read from the provider's cache.
    cached_tokens: u64,
    /// Written to it.
    cache_write_tokens: u64,
}

/// Of the output.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<Usage> for ResponseUsage {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            input_tokens_details: InputDetails {
                cached_tokens: usage.cached_input_tokens,
                cache_write_tokens: usage.cache_write_tokens,
            },
            output_tokens: usage.output_tokens,
            output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning_tokens },
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        }
    }
}

impl ResponseObject {
    /// Before anything is there.
    pub fn begun(model: String, echo: Echo) -> Self {
        Self {
            id: id("resp"),
            object: "response",
            created_at: unix_seconds(),
            status: "in_progress",
            background: false,
            error: None,
            incomplete_details: None,
            model,
            output: Vec::new(),
            previous_response_id: None,
            store: false,
            truncation: "disabled",
            usage: None,
            echo,
        }
    }

    /// With all that the model gave.
    pub fn completed(mut self, output: ChatOutput, reply: &InvokeReply) -> Self {
        let finish_reason = output.finish_reason.clone();
        if !output.reasoning.is_empty() {
            self.output.push(Item::reasoning(id("rs"), output.reasoning));
        }
        if !output.refusal.is_empty() {
            self.output.push(Item::message(id("msg"), Part::Refusal { refusal: output.refusal }));
        }
        if !output.text.is_empty() {
            let logprobs = logprob_content(output.logprobs);
            let said = Part::OutputText { text: output.text, annotations: Vec::new(), logprobs };
            self.output.push(Item::message(id("msg"), said));
        }
        self.output.extend(output.tool_calls.into_iter().map(|call| Item::call(id("fc"), call)));
        self.ended(&finish_reason, reply)
    }

    /// With its output in place: why it ended and what was used.
    pub fn ended(mut self, finish_reason: &str, reply: &InvokeReply) -> Self {
        let reason = match finish_reason {
            "length" => Some("max_output_tokens"),
            "content_filter" => Some("content_filter"),
            _ => None,
        };
        self.status = if reason.is_some() { "incomplete" } else { "completed" };
        self.incomplete_details = reason.map(|reason| IncompleteDetails { reason });
        self.model = model_name(reply, &self.model);
        self.usage = Some(reply.usage.unwrap_or_default().into());
        self
    }

    /// It broke off.
    pub fn failed(mut self, failure: &Failure) -> Self {
        self.status = "failed";
        let code = match failure.error.code {
            ErrorCode::RateLimited => "rate_limit_exceeded",
            code => code.as_str(),
        };
        self.error = Some(ResponseError { code, message: failure.error.message.clone() });
        self
    }
}

impl Item {
    pub(super) fn reasoning(id: String, text: String) -> Self {
        Self::Reasoning { id, summary: Vec::new(), content: vec![Part::ReasoningText { text }], status: "completed" }
    }

    pub(super) fn message(id: String, part: Part) -> Self {
        Self::Message { id, status: "completed", role: "assistant", content: vec![part] }
    }

    pub(super) fn call(id: String, call: ToolCall) -> Self {
        let (call_id, name, arguments) = (call.id, call.name, call.arguments_json);
        Self::FunctionCall { id, call_id, name, arguments, status: "completed" }
    }
}

/// A name, of the kind that `prefix` says.
pub fn id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::now_v7().simple())
}
