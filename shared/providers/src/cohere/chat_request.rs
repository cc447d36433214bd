//! A conversation in Cohere's words.

use orrery_errors::Error;
use orrery_proto::v1::{ChatInput, ChatMessage, Tool, ToolCall, content_part};
use serde_json::{Value, json};

use crate::conversation::{fields, json_in, number, refuse};
use crate::failure::unsupported;
use crate::media;

/// The body of a request.
pub(super) fn body(provider: &str, model: &str, input: &ChatInput, stream: bool) -> Result<Value, Error> {
    refuse(
        provider,
        &[
            (input.n > 1, "more than one choice (n)"),
            (input.logprobs, "log probabilities (logprobs)"),
            (!input.logit_bias.is_empty(), "a bias on tokens (logit_bias)"),
            (input.parallel_tool_calls == Some(false), "only one tool call at a time (parallel_tool_calls)"),
            (input.raw, "a prompt without a conversation (raw)"),
            (!input.extra_json.is_empty(), "parameters of another vendor (extra_json)"),
        ],
    )?;
    let messages = input.messages.iter().map(|message| self::message(provider, message));
    let real = |value: Option<f32>| value.map(|value| json!(number(value)));
    let tools = input.tools.iter().map(tool).collect::<Result<Vec<_>, Error>>()?;
    let response_format = match &input.response_format {
        Some(format) if format.kind == "json_object" => Some(json!({"type": "json_object"})),
        Some(format) if format.kind == "json_schema" => {
            let schema = json_in("response_format", &format.schema_json)?;
            Some(json!({"type": "json_object", "json_schema": schema}))
        }
        _ => None,
    };
    let body = fields([
        ("model", Some(json!(model))),
        ("messages", Some(Value::Array(messages.collect::<Result<_, _>>()?))),
        ("strict_tools", input.tools.iter().any(|tool| tool.strict).then(|| json!(true))),
        ("tools", (!tools.is_empty()).then_some(Value::Array(tools))),
        ("tool_choice", tool_choice(provider, input)?),
        ("response_format", response_format),
        ("max_tokens", (input.max_tokens > 0).then(|| json!(input.max_tokens))),
        ("temperature", real(input.temperature)),
        ("p", real(input.top_p)),
        ("k", input.top_k.map(Value::from)),
        ("seed", input.seed.map(Value::from)),
        ("stop_sequences", (!input.stop.is_empty()).then(|| json!(input.stop))),
        ("frequency_penalty", real(input.frequency_penalty)),
        ("presence_penalty", real(input.presence_penalty)),
        ("thinking", thinking(provider, input)?),
        ("stream", Some(json!(stream))),
    ]);
    Ok(Value::Object(body))
}

fn message(provider: &str, message: &ChatMessage) -> Result<Value, Error> {
    if !message.name.is_empty() && message.role != "tool" {
        return Err(unsupported(provider, "the name of who speaks (messages.name)"));
    }
    if !["system", "user", "assistant", "tool"].contains(&message.role.as_str()) {
        return Err(unsupported(provider, &format!("messages of the role {:?}", message.role)));
    }
    let mut content = if message.parts.is_empty() {
        Some(json!(message.content)).filter(|_| !message.content.is_empty())
    } else {
        let parts = message.parts.iter().map(|part| self::part(provider, part.kind.as_ref()));
        Some(Value::Array(parts.collect::<Result<_, _>>()?))
    };
    let calls: Vec<Value> = message.tool_calls.iter().map(call).collect();
    let reasoning = Some(message.reasoning.as_str()).filter(|text| !text.is_empty());
    let plan = reasoning.filter(|_| !calls.is_empty());
    if let Some(thinking) = reasoning.filter(|_| calls.is_empty()) {
        let mut parts = vec![json!({"type": "thinking", "thinking": thinking})];
        match content {
            Some(Value::Array(said)) => parts.extend(said),
            Some(text) => parts.push(json!({"type": "text", "text": text})),
            None => {}
        }
        content = Some(Value::Array(parts));
    }
    Ok(Value::Object(fields([
        ("role", Some(json!(message.role))),
        ("content", content.or_else(|| calls.is_empty().then(|| json!("")))),
        ("tool_plan", plan.map(Value::from)),
        ("tool_calls", (!calls.is_empty()).then_some(Value::Array(calls))),
        ("tool_call_id", (!message.tool_call_id.is_empty()).then(|| json!(message.tool_call_id))),
    ])))
}

fn part(provider: &str, kind: Option<&content_part::Kind>) -> Result<Value, Error> {
    match kind {
        Some(content_part::Kind::Text(text)) => Ok(json!({"type": "text", "text": text})),
        Some(content_part::Kind::Image(image)) => {
            let detail = (!image.detail.is_empty()).then(|| json!(image.detail));
            let url = json!(media::url(provider, "an image", image)?);
            Ok(json!({"type": "image_url", "image_url": fields([("url", Some(url)), ("detail", detail)])}))
        }
        Some(content_part::Kind::Audio(_)) => Err(unsupported(provider, "sound in a message")),
        Some(content_part::Kind::Document(_)) => Err(unsupported(provider, "a document in a message")),
        None => Err(unsupported(provider, "a content part without content")),
    }
}

fn call(call: &ToolCall) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}})
}

fn tool(tool: &Tool) -> Result<Value, Error> {
    let parameters = match tool.parameters_json.as_str() {
        "" => json!({"type": "object"}),
        text => json_in("tools", text)?,
    };
    let description = (!tool.description.is_empty()).then(|| json!(tool.description));
    let function =
        fields([("name", Some(json!(tool.name))), ("description", description), ("parameters", Some(parameters))]);
    Ok(json!({"type": "function", "function": function}))
}

fn tool_choice(provider: &str, input: &ChatInput) -> Result<Option<Value>, Error> {
    match input.tool_choice.as_ref().map(|choice| choice.mode.as_str()) {
        None | Some("auto") => Ok(None),
        Some("none") => Ok(Some(json!("NONE"))),
        Some("required") => Ok(Some(json!("REQUIRED"))),
        Some("tool") => Err(unsupported(provider, "the choice of one tool by its name (tool_choice)")),
        Some(other) => Err(unsupported(provider, &format!("the tool choice {other:?}"))),
    }
}

fn thinking(provider: &str, input: &ChatInput) -> Result<Option<Value>, Error> {
    let on = match input.reasoning_effort.as_str() {
        "none" => return Ok(Some(json!({"type": "disabled"}))),
        "" => input.reasoning_tokens_max > 0,
        "minimal" | "low" | "medium" | "high" => true,
        other => return Err(unsupported(provider, &format!("the reasoning effort {other:?}"))),
    };
    let budget = (input.reasoning_tokens_max > 0).then(|| json!(input.reasoning_tokens_max));
    Ok(on.then(|| Value::Object(fields([("type", Some(json!("enabled"))), ("token_budget", budget)]))))
}
