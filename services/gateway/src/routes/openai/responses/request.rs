//! A request for a response: read, checked, and put into the platform's shape.

use orrery_proto::v1::{ChatInput, ChatMessage, Tool};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::parameters::{extra, format, function, tool_choice, unsupported};
use super::items;
use crate::http::Failure;
use crate::models::MediaRules;
use crate::routes::reading::{count, effort, object, text, tools, within};

const TOP_LOGPROBS_MAX: u32 = 20;
/// What names something that is kept elsewhere; here nothing is.
const KEPT: [&str; 3] = ["previous_response_id", "conversation", "prompt"];
/// What asks for more than there is, or shows things that are not there.
const WITHOUT_EFFECT: [&str; 2] = ["include", "max_tool_calls"];

/// A conversation that a model is to go on with.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ResponsesRequest {
    /// A model that `GET /v1/models` lists, or `auto`.
    pub model: String,
    /// A text, or items: `message`, `function_call`, `function_call_output`, `reasoning`.
    #[schema(value_type = Object)]
    input: Value,
    /// What the model is told beforehand.
    instructions: Option<String>,
    /// Tokens to answer with at most.
    max_output_tokens: Option<u32>,
    /// 0 to 2.
    temperature: Option<f32>,
    /// 0 to 1.
    top_p: Option<f32>,
    /// 0 to 20.
    top_logprobs: Option<u32>,
    /// Functions that the model may call.
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Vec<Value>>,
    /// `none`, `auto`, `required`, or a function.
    #[schema(value_type = Object)]
    tool_choice: Option<Value>,
    /// Whether several tools may be called at once.
    parallel_tool_calls: Option<bool>,
    /// The form of the answer: `{"format": {"type": "json_schema", …}}`.
    #[schema(value_type = Object)]
    text: Option<Value>,
    /// How hard the model thinks: `{"effort": …}`.
    #[schema(value_type = Object)]
    reasoning: Option<Value>,
    /// Whether the answer comes as Server-Sent Events.
    pub stream: Option<bool>,
    /// Refused when true.
    background: Option<bool>,
    /// Only `disabled`: a conversation that is too long is an error.
    truncation: Option<String>,
    /// Notes, which come back.
    #[schema(value_type = Object)]
    metadata: Option<Map<String, Value>>,
    /// The caller's own end user.
    user: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// What of a request comes back with its answer.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Echo {
    instructions: Option<String>,
    max_output_tokens: Option<u32>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    #[schema(value_type = Vec<Object>)]
    tools: Vec<Value>,
    #[schema(value_type = Object)]
    tool_choice: Value,
    parallel_tool_calls: bool,
    #[schema(value_type = Object)]
    text: Value,
    #[schema(value_type = Object)]
    reasoning: Value,
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    user: Option<String>,
}

impl ResponsesRequest {
    /// What comes back with the answer.
    pub fn echo(&self) -> Echo {
        let given = |value: &Option<Value>| value.clone().filter(|value| !value.is_null());
        Echo {
            instructions: self.instructions.clone(),
            max_output_tokens: self.max_output_tokens,
            temperature: self.temperature,
            top_p: self.top_p,
            tools: self.tools.clone().unwrap_or_default(),
            tool_choice: given(&self.tool_choice).unwrap_or_else(|| "auto".into()),
            parallel_tool_calls: self.parallel_tool_calls.unwrap_or(true),
            text: given(&self.text).unwrap_or_else(|| serde_json::json!({"format": {"type": "text"}})),
            reasoning: given(&self.reasoning).unwrap_or_else(|| serde_json::json!({"effort": null, "summary": null})),
            metadata: self.metadata.clone().unwrap_or_default(),
            user: self.user.clone(),
        }
    }

    /// In the platform's shape; an error names the parameter.
    pub fn input(mut self, media: MediaRules<'_>) -> Result<ChatInput, Failure> {
        self.refuse_what_is_kept()?;
        self.rest.retain(|name, _| !WITHOUT_EFFECT.contains(&name.as_str()));
        let mut messages = Vec::new();
        if let Some(instructions) = self.instructions.filter(|instructions| !instructions.is_empty()) {
            messages.push(ChatMessage { role: "system".to_owned(), content: instructions, ..ChatMessage::default() });
        }
        messages.extend(items::read(&self.input, media)?);
        let tools = tools("tools", self.tools.as_deref().unwrap_or_default(), tool)?;
        let choice = tool_choice(self.tool_choice.as_ref(), &tools, &["name"])?;
        let shape = self.text.as_ref().filter(|text| !text.is_null()).map(|text| object(text, "text")).transpose()?;
        let response_format = format(shape.and_then(|text| text.get("format")), "text.format", &[])?;
        if let Some(verbosity) = shape.and_then(|text| text.get("verbosity")).filter(|verbosity| !verbosity.is_null()) {
            self.rest.insert("verbosity".to_owned(), verbosity.clone());
        }
        let top_logprobs = count("top_logprobs", self.top_logprobs, 0, TOP_LOGPROBS_MAX)?.unwrap_or(0);
        Ok(ChatInput {
            messages,
            max_tokens: count("max_output_tokens", self.max_output_tokens, 1, u32::MAX)?.unwrap_or(0),
            temperature: within("temperature", self.temperature, 0.0, 2.0)?,
            top_p: within("top_p", self.top_p, 0.0, 1.0)?,
            tools,
            tool_choice: choice,
            parallel_tool_calls: self.parallel_tool_calls,
            response_format,
            logprobs: top_logprobs > 0,
            top_logprobs,
            reasoning_effort: thought(self.reasoning.as_ref())?,
            user: self.user.unwrap_or_default(),
            extra_json: extra(self.rest)?,
            ..ChatInput::default()
        })
    }

    fn refuse_what_is_kept(&self) -> Result<(), Failure> {
        for name in KEPT {
            if self.rest.get(name).is_some_and(|value| !value.is_null()) {
                let message = format!(
                    "{name} names something kept earlier, and nothing is kept here; send the whole conversation as input"
                );
                return Err(Failure::param(name, message));
            }
        }
        if self.background == Some(true) {
            return Err(unsupported("background"));
        }
        match self.truncation.as_deref() {
            None | Some("disabled") => Ok(()),
            Some(_) => Err(Failure::param("truncation", "conversations are never cut; leave truncation out")),
        }
    }
}

fn tool(value: &Value, param: &str) -> Result<Tool, Failure> {
    let fields = object(value, param)?;
    match text(fields, "type", param)? {
        Some("function") => function(value, param),
        other => {
            let wrong = format!("tools of type {:?} are not run here; use function", other.unwrap_or_default());
            Err(Failure::param(format!("{param}.type"), wrong))
        }
    }
}

fn thought(reasoning: Option<&Value>) -> Result<String, Failure> {
    match reasoning {
        None | Some(Value::Null) => Ok(String::new()),
        Some(reasoning) => {
            let fields = object(reasoning, "reasoning")?;
            effort("reasoning.effort", text(fields, "effort", "reasoning")?)
        }
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
