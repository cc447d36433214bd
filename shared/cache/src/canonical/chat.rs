//! The canonical form of a conversation.

use orrery_proto::v1::{
    ChatInput, ChatMessage, ContentPart, Media, ResponseFormat, Tool, ToolCall, ToolChoice, content_part::Kind,
};
use orrery_types::Sha256Digest;

use super::{Form, blob};

pub(super) fn input(form: &mut Form, input: &ChatInput) {
    let ChatInput {
        messages,
        max_tokens,
        temperature,
        top_p,
        seed,
        stop,
        tools,
        tool_choice,
        parallel_tool_calls,
        response_format,
        logprobs,
        top_logprobs,
        n,
        frequency_penalty,
        presence_penalty,
        logit_bias,
        top_k,
        reasoning_effort,
        user: _,
        raw,
        extra_json,
        reasoning_tokens_max,
    } = input;
    form.list("messages", messages, message).number("max_tokens", u64::from(*max_tokens));
    form.float("temperature", *temperature).float("top_p", *top_p).optional("seed", *seed);
    form.texts("stop", stop).list("tools", tools, tool);
    if let Some(ToolChoice { mode, name }) = tool_choice.as_ref().filter(|choice| choice.mode != "auto") {
        form.text("tool_choice", mode).text("tool_name", name);
    }
    form.optional("parallel_tool_calls", parallel_tool_calls.map(u64::from));
    let format = response_format.as_ref().filter(|format| !matches!(format.kind.as_str(), "" | "text"));
    if let Some(ResponseFormat { kind, name, schema_json, strict }) = format {
        form.text("format", kind).text("format_name", name).json("format_schema", schema_json);
        form.flag("format_strict", *strict);
    }
    form.flag("logprobs", *logprobs).number("top_logprobs", u64::from(*top_logprobs)).number("n", u64::from(*n).max(1));
    form.float("frequency_penalty", *frequency_penalty).float("presence_penalty", *presence_penalty);
    let mut biases: Vec<_> = logit_bias.iter().collect();
    biases.sort_by_key(|(token, _)| token.as_str());
    form.list("logit_bias", &biases, |form, (token, bias)| {
        form.text("token", token).float("bias", Some(**bias));
    });
    form.optional("top_k", top_k.map(u64::from)).text("reasoning_effort", reasoning_effort).flag("raw", *raw);
    form.json("extra", extra_json).number("reasoning_tokens_max", u64::from(*reasoning_tokens_max));
}

fn message(form: &mut Form, message: &ChatMessage) {
    let ChatMessage {
        role,
        content,
        parts,
        tool_calls,
        tool_call_id,
        tool_failed,
        name,
        reasoning,
        reasoning_signature,
    } = message;
    form.text("role", role);
    match sole_text(content, parts) {
        Some(text) => form.text("content", text),
        None => form.text("content", content).list("parts", parts, part),
    };
    form.list("tool_calls", tool_calls, |form, ToolCall { id, name, arguments_json }| {
        form.text("id", id).text("name", name).json("arguments", arguments_json);
    });
    form.text("tool_call_id", tool_call_id).flag("tool_failed", *tool_failed);
    form.text("name", name).text("reasoning", reasoning).text("reasoning_signature", reasoning_signature);
}

/// The text of a message that has nothing but one.
fn sole_text<'a>(content: &'a str, parts: &'a [ContentPart]) -> Option<&'a str> {
    match parts {
        [] => Some(content),
        [ContentPart { kind: Some(Kind::Text(text)) }] if content.is_empty() => Some(text),
        _ => None,
    }
}

fn part(form: &mut Form, part: &ContentPart) {
    let ContentPart { kind } = part;
    match kind {
        None => form,
        Some(Kind::Text(text)) => form.text("text", text),
        Some(Kind::Image(media)) => form.inner("image", |form| self::media(form, media)),
        Some(Kind::Audio(media)) => form.inner("audio", |form| self::media(form, media)),
        Some(Kind::Document(media)) => form.inner("document", |form| self::media(form, media)),
    };
}

fn media(form: &mut Form, media: &Media) {
    let Media { media_type, data, url, detail, name, blob } = media;
    form.text("media_type", media_type).text("url", url).text("detail", detail).text("name", name);
    if !data.is_empty() {
        form.text("data", &Sha256Digest::of(data).to_hex());
    }
    if let Some(blob) = blob {
        form.inner("blob", |form| self::blob(form, blob));
    }
}

fn tool(form: &mut Form, tool: &Tool) {
    let Tool { name, description, parameters_json, strict } = tool;
    form.text("name", name).text("description", description).json("parameters", parameters_json);
    form.flag("strict", *strict);
}

/// The conversation without the text of its last turn, and that text: what must match exactly for a semantic answer, and what
/// may be said in other words. `None` where the last turn is not a user's text alone.
pub(crate) fn with_last_turn_left_out(input: &ChatInput) -> Option<(ChatInput, &str)> {
    let last = input.messages.last().filter(|last| last.role == "user" && last.tool_calls.is_empty())?;
    let text = sole_text(&last.content, &last.parts).filter(|text| !text.trim().is_empty())?;
    let mut rest = input.clone();
    if let Some(last) = rest.messages.last_mut() {
        last.content.clear();
        last.parts.clear();
    }
    Some((rest, text))
}
