//! A chat request: read, checked, and put into the platform's shape.

use std::collections::BTreeMap;

use orrery_proto::v1::{ChatInput, Tool, ToolChoice};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::parameters::{extra, format, function, seed, stops, tool_choice, unsupported};
use super::message::{self, Message};
use crate::http::Failure;
use crate::models::MediaRules;
use crate::routes::reading::{count, effort, object, text, tools, within};

const CHOICES_MAX: u32 = 128;
const TOP_LOGPROBS_MAX: u32 = 20;
const BIASES_MAX: usize = 1024;

/// A chat.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatRequest {
    /// A model that `GET /v1/models` lists, or `auto`.
    pub model: String,
    /// What was said so far, 1 to 2048.
    messages: Vec<Message>,
    /// Tokens to answer with at most.
    max_tokens: Option<u32>,
    /// The newer name of `max_tokens`; it goes first.
    max_completion_tokens: Option<u32>,
    /// 0 to 2; 0 always takes the likeliest token.
    temperature: Option<f32>,
    /// 0 to 1.
    top_p: Option<f32>,
    /// Of the likeliest so many tokens.
    top_k: Option<u32>,
    /// The same seed gives the same answer.
    seed: Option<i64>,
    /// Where to stop: one text, or up to four.
    #[schema(value_type = Object)]
    stop: Option<Value>,
    /// Choices, 1 to 128.
    n: Option<u32>,
    /// -2 to 2.
    frequency_penalty: Option<f32>,
    /// -2 to 2.
    presence_penalty: Option<f32>,
    /// -100 to 100 by token.
    logit_bias: Option<BTreeMap<String, f32>>,
    /// Whether the answer tells how likely its tokens were.
    logprobs: Option<bool>,
    /// 0 to 20; needs `logprobs`.
    top_logprobs: Option<u32>,
    /// Functions that the model may call.
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Vec<Value>>,
    /// `none`, `auto`, `required`, or a function.
    #[schema(value_type = Object)]
    tool_choice: Option<Value>,
    /// Whether several tools may be called at once.
    parallel_tool_calls: Option<bool>,
    /// The older form of `tools`.
    #[schema(value_type = Option<Vec<Object>>)]
    functions: Option<Vec<Value>>,
    /// The older form of `tool_choice`.
    #[schema(value_type = Object)]
    function_call: Option<Value>,
    /// `text`, `json_object` or `json_schema`, which answers keep to.
    #[schema(value_type = Object)]
    response_format: Option<Value>,
    /// `none`, `minimal`, `low`, `medium` or `high`.
    reasoning_effort: Option<String>,
    /// Only `text`.
    modalities: Option<Vec<String>>,
    /// The caller's own end user.
    user: Option<String>,
    /// Whether the answer comes as Server-Sent Events.
    pub stream: Option<bool>,
    /// Of a streamed answer.
    stream_options: Option<StreamOptions>,
    /// Everything else.
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// Options of a streamed answer.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// A last chunk tells the usage.
    pub include_usage: Option<bool>,
}

impl ChatRequest {
    /// Whether a last chunk tells the usage.
    pub fn include_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false)
    }

    /// Whether tools are asked for in the older form, in which the answer then calls them.
    pub fn is_legacy(&self) -> bool {
        self.functions.is_some()
    }

    /// In the platform's shape; an error names the parameter.
    pub fn input(self, media: MediaRules<'_>) -> Result<ChatInput, Failure> {
        if self.modalities.iter().flatten().any(|modality| modality != "text") {
            return Err(Failure::param("modalities", "answers are text; leave other modalities out"));
        }
        let (tools, tool_choice) = self.tooling()?;
        let max_tokens = match self.max_completion_tokens {
            Some(max) => count("max_completion_tokens", Some(max), 1, u32::MAX)?,
            None => count("max_tokens", self.max_tokens, 1, u32::MAX)?,
        };
        let top_logprobs = count("top_logprobs", self.top_logprobs, 0, TOP_LOGPROBS_MAX)?.unwrap_or(0);
        let logprobs = self.logprobs.unwrap_or(false);
        if top_logprobs > 0 && !logprobs {
            return Err(Failure::param("top_logprobs", "top_logprobs needs logprobs to be true"));
        }
        Ok(ChatInput {
            messages: message::read_all(self.messages, media)?,
            max_tokens: max_tokens.unwrap_or(0),
            temperature: within("temperature", self.temperature, 0.0, 2.0)?,
            top_p: within("top_p", self.top_p, 0.0, 1.0)?,
            top_k: count("top_k", self.top_k, 1, u32::MAX)?,
            seed: seed(self.seed)?,
            stop: stops(self.stop.as_ref())?,
            tools,
            tool_choice,
            parallel_tool_calls: self.parallel_tool_calls,
            response_format: format(self.response_format.as_ref(), "response_format", &["json_schema"])?,
            logprobs,
            top_logprobs,
            n: count("n", self.n, 1, CHOICES_MAX)?.unwrap_or(0),
            frequency_penalty: within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?,
            presence_penalty: within("presence_penalty", self.presence_penalty, -2.0, 2.0)?,
            logit_bias: biases(self.logit_bias)?,
            reasoning_effort: effort("reasoning_effort", self.reasoning_effort.as_deref())?,
            user: self.user.unwrap_or_default(),
            extra_json: extra(self.rest)?,
            ..ChatInput::default()
        })
    }

    fn tooling(&self) -> Result<(Vec<Tool>, Option<ToolChoice>), Failure> {
        match (&self.tools, &self.functions) {
            (Some(_), Some(_)) => Err(Failure::param("functions", "send tools or functions, not both")),
            (None, Some(functions)) => {
                let read = tools("functions", functions, function)?;
                let choice = tool_choice(self.function_call.as_ref(), &read, &["name"])
                    .map_err(|failure| Failure { param: Some("function_call".to_owned()), ..failure })?;
                Ok((read, choice))
            }
            (known, None) => {
                if self.function_call.as_ref().is_some_and(|call| !call.is_null() && call != "none" && call != "auto") {
                    return Err(unsupported("function_call"));
                }
                let read = tools("tools", known.as_deref().unwrap_or_default(), tool)?;
                let choice = tool_choice(self.tool_choice.as_ref(), &read, &["function", "name"])?;
                Ok((read, choice))
            }
        }
    }
}

fn tool(value: &Value, param: &str) -> Result<Tool, Failure> {
    let fields = object(value, param)?;
    match text(fields, "type", param)? {
        Some("function") => function(fields.get("function").unwrap_or(&Value::Null), &format!("{param}.function")),
        other => {
            let wrong = format!("tools of type {:?} are not supported; use function", other.unwrap_or_default());
            Err(Failure::param(format!("{param}.type"), wrong))
        }
    }
}

fn biases(biases: Option<BTreeMap<String, f32>>) -> Result<BTreeMap<String, f32>, Failure> {
    let biases = biases.unwrap_or_default();
    let is_token = |token: &String| !token.is_empty() && token.len() <= 10 && token.bytes().all(|b| b.is_ascii_digit());
    if biases.len() > BIASES_MAX
        || biases.iter().any(|(token, bias)| !is_token(token) || !(-100.0..=100.0).contains(bias))
    {
        let rule = format!("logit_bias holds up to {BIASES_MAX} tokens by number, each with -100 to 100");
        return Err(Failure::param("logit_bias", rule));
    }
    Ok(biases)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
