//! A request for a message: read, checked, and put into the platform's shape.

use orrery_proto::v1::{self, ChatInput, ResponseFormat, ToolChoice};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::blocks;
use crate::http::Failure;
use crate::models::MediaRules;
use crate::routes::reading::{check_name, count, effort, object, text, tools, within};

const MESSAGES_MAX: usize = 2048;
const STOPS_MAX: usize = 64;
/// The least that a model may be given to think.
const THINKING_TOKENS_MIN: u32 = 1024;

/// What may be sent although it changes nothing about the answer here: notes for the provider's own records, hints about
/// its caches and places, and savings of context, of which the whole is always given.
const WITHOUT_EFFECT: [&str; 7] =
    ["service_tier", "speed", "inference_geo", "cache_control", "context_management", "diagnostics", "betas"];

/// A conversation that a model is to go on with.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MessagesRequest {
    /// A model that `GET /v1/models` lists, or `auto`.
    pub model: String,
    /// What was said so far, 1 to 2048.
    messages: Vec<Turn>,
    /// Tokens to answer with at most.
    max_tokens: Option<u32>,
    /// What the model is told beforehand: a text, or blocks of text.
    #[schema(value_type = Object)]
    system: Option<Value>,
    /// Where to stop, up to 64 texts.
    stop_sequences: Option<Vec<String>>,
    /// Whether the answer comes as Server-Sent Events.
    pub stream: Option<bool>,
    /// 0 to 1.
    temperature: Option<f32>,
    /// 0 to 1.
    top_p: Option<f32>,
    /// Of the likeliest so many tokens.
    top_k: Option<u32>,
    /// Functions that the model may call.
    tools: Option<Vec<Tool>>,
    /// `auto`, `any`, `none`, or a tool by its name.
    tool_choice: Option<Choice>,
    /// Whether, and for how many tokens at most, the model thinks before it answers.
    thinking: Option<Thinking>,
    /// How hard the model tries, and the form of its answer.
    output_config: Option<OutputConfig>,
    /// The older place of `output_config.format`.
    #[schema(value_type = Object)]
    output_format: Option<Value>,
    /// Notes about the request.
    metadata: Option<Metadata>,
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// What someone said.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Turn {
    /// `user` or `assistant`.
    role: String,
    /// A text, or blocks: `text`, `image`, `document`, `tool_use`, `tool_result`, `thinking`.
    #[schema(value_type = Object)]
    content: Value,
}

/// A function that the model may call.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Tool {
    /// `custom` (default); tools that Anthropic runs are refused.
    #[serde(rename = "type")]
    kind: Option<String>,
    name: String,
    description: Option<String>,
    /// JSON Schema of what it is called with.
    #[schema(value_type = Object)]
    input_schema: Option<Value>,
    /// Whether calls keep to the schema.
    strict: Option<bool>,
}

/// Which tool is to be called.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Choice {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    disable_parallel_tool_use: Option<bool>,
}

/// Whether the model thinks before it answers.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Thinking {
    /// `enabled`, `adaptive`, `between_tools` or `disabled`.
    #[serde(rename = "type")]
    kind: String,
    /// From 1024, and below `max_tokens`.
    budget_tokens: Option<u32>,
    #[serde(flatten)]
    #[schema(ignore)]
    _rest: Map<String, Value>,
}

/// How the model answers.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OutputConfig {
    /// `low`, `medium` or `high`; `xhigh` and `max` are taken as `high`.
    effort: Option<String>,
    /// `{"type": "json_schema", "schema": …}`.
    #[schema(value_type = Object)]
    format: Option<Value>,
}

/// Notes about a request.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Metadata {
    /// The caller's own end user.
    user_id: Option<String>,
}

impl MessagesRequest {
    /// Whether the model's thinking is to be told.
    pub fn thinks(&self) -> bool {
        self.thinking.as_ref().is_some_and(|thinking| thinking.kind != "disabled")
    }

    /// In the platform's shape; an error names the parameter.
    pub fn input(self, media: MediaRules<'_>) -> Result<ChatInput, Failure> {
        let max_tokens = count("max_tokens", self.max_tokens, 1, u32::MAX)?.ok_or_else(|| {
            Failure::param("max_tokens", "max_tokens is missing; say how many tokens the answer may have")
        })?;
        let thinking =
            self.thinking.as_ref().map(|thinking| thinking.read(max_tokens)).transpose()?.unwrap_or_default();
        let conversation = self.conversation(media)?;
        let reasoning_effort =
            if thinking.effort.is_empty() { conversation.reasoning_effort.clone() } else { thinking.effort };
        Ok(ChatInput { max_tokens, reasoning_effort, reasoning_tokens_max: thinking.tokens_max, ..conversation })
    }

    /// What is said, without what bounds the answer.
    pub fn conversation(self, media: MediaRules<'_>) -> Result<ChatInput, Failure> {
        let unknown = |(name, value): &(&String, &Value)| !value.is_null() && !WITHOUT_EFFECT.contains(&name.as_str());
        if let Some((name, _)) = self.rest.iter().find(unknown) {
            return Err(Failure::param(name, format!("the parameter {name} is not supported; leave it out")));
        }
        if self.messages.is_empty() || self.messages.len() > MESSAGES_MAX {
            let rule = format!("messages holds {}; send 1 to {MESSAGES_MAX}", self.messages.len());
            return Err(Failure::param("messages", rule));
        }
        let mut messages: Vec<v1::ChatMessage> = blocks::system(self.system.as_ref())?.into_iter().collect();
        for (index, turn) in self.messages.iter().enumerate() {
            messages.extend(blocks::read(&turn.role, &turn.content, &format!("messages[{index}]"), media)?);
        }
        let tools = tools("tools", self.tools.as_deref().unwrap_or_default(), tool)?;
        let parallel = self.tool_choice.as_ref().and_then(|choice| choice.disable_parallel_tool_use).map(|off| !off);
        let stop = self.stop_sequences.unwrap_or_default();
        if stop.len() > STOPS_MAX || stop.iter().any(String::is_empty) {
            let rule = format!("stop_sequences holds up to {STOPS_MAX} texts, none of them empty");
            return Err(Failure::param("stop_sequences", rule));
        }
        let config = self.output_config.unwrap_or(OutputConfig { effort: None, format: None });
        let response_format = match (&config.format, &self.output_format) {
            (Some(format), _) => format_of(format, "output_config.format")?,
            (None, Some(format)) => format_of(format, "output_format")?,
            (None, None) => None,
        };
        Ok(ChatInput {
            messages,
            temperature: within("temperature", self.temperature, 0.0, 1.0)?,
            top_p: within("top_p", self.top_p, 0.0, 1.0)?,
            top_k: count("top_k", self.top_k, 1, u32::MAX)?,
            stop,
            tool_choice: self.tool_choice.map(|choice| choice.read(&tools)).transpose()?,
            tools,
            parallel_tool_calls: parallel,
            response_format,
            reasoning_effort: tried(config.effort.as_deref())?,
            user: self.metadata.and_then(|metadata| metadata.user_id).unwrap_or_default(),
            ..ChatInput::default()
        })
    }
}

#[derive(Debug, Default)]
struct Thought {
    effort: String,
    tokens_max: u32,
}

impl Thinking {
    fn read(&self, max_tokens: u32) -> Result<Thought, Failure> {
        match self.kind.as_str() {
            "disabled" => Ok(Thought { effort: "none".to_owned(), tokens_max: 0 }),
            "adaptive" | "between_tools" => Ok(Thought::default()),
            "enabled" => {
                let param = "thinking.budget_tokens";
                let budget = count(param, self.budget_tokens, THINKING_TOKENS_MIN, u32::MAX)?;
                let budget = budget.ok_or_else(|| Failure::param(param, format!("{param} is missing")))?;
                if budget >= max_tokens {
                    return Err(Failure::param(param, format!("{param} is {budget}; it must be below max_tokens")));
                }
                Ok(Thought { effort: String::new(), tokens_max: budget })
            }
            other => {
                let rule = format!("thinking.type is {other:?}; use enabled, adaptive, between_tools or disabled");
                Err(Failure::param("thinking.type", rule))
            }
        }
    }
}

impl Choice {
    fn read(self, tools: &[v1::Tool]) -> Result<ToolChoice, Failure> {
        let mode = match self.kind.as_str() {
            "auto" => "auto",
            "none" => "none",
            "any" if tools.is_empty() => {
                return Err(Failure::param("tool_choice", "tool_choice is any, but there are no tools"));
            }
            "any" => "required",
            "tool" => {
                let name = self.name.unwrap_or_default();
                if !tools.iter().any(|tool| tool.name == name) {
                    let wrong = format!("tool_choice names {name:?}, which is not among the tools");
                    return Err(Failure::param("tool_choice.name", wrong));
                }
                return Ok(ToolChoice { mode: "tool".to_owned(), name });
            }
            other => {
                let rule = format!("tool_choice.type is {other:?}; use auto, any, tool or none");
                return Err(Failure::param("tool_choice.type", rule));
            }
        };
        Ok(ToolChoice { mode: mode.to_owned(), name: String::new() })
    }
}

fn tool(tool: &Tool, at: &str) -> Result<v1::Tool, Failure> {
    if let Some(kind) = tool.kind.as_ref().filter(|kind| *kind != "custom") {
        let wrong = format!("tools of type {kind:?} are not run here; use custom tools");
        return Err(Failure::param(format!("{at}.type"), wrong));
    }
    check_name(&tool.name, &format!("{at}.name"))?;
    let parameters_json = match &tool.input_schema {
        None | Some(Value::Null) => String::new(),
        Some(schema @ Value::Object(_)) => schema.to_string(),
        Some(_) => {
            let param = format!("{at}.input_schema");
            return Err(Failure::param(&param, format!("{param} is no JSON Schema: it is no object")));
        }
    };
    Ok(v1::Tool {
        name: tool.name.clone(),
        description: tool.description.clone().unwrap_or_default(),
        parameters_json,
        strict: tool.strict.unwrap_or(false),
    })
}

fn format_of(format: &Value, param: &str) -> Result<Option<ResponseFormat>, Failure> {
    if format.is_null() {
        return Ok(None);
    }
    let fields = object(format, param)?;
    let schema = fields.get("schema").filter(|schema| schema.is_object());
    match (text(fields, "type", param)?, schema) {
        (Some("json_schema"), Some(schema)) => Ok(Some(ResponseFormat {
            kind: "json_schema".to_owned(),
            name: "answer".to_owned(),
            schema_json: schema.to_string(),
            strict: true,
        })),
        _ => Err(Failure::param(param, format!("{param} is not of type json_schema with a schema"))),
    }
}

fn tried(effort_asked: Option<&str>) -> Result<String, Failure> {
    match effort_asked {
        Some("xhigh" | "max") => Ok("high".to_owned()),
        other => effort("output_config.effort", other),
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
