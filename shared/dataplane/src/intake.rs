//! Requests into the data plane's own terms. Everything that comes in is checked here and nowhere else.

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    Caller, ChatInput, InvokeRequest, Media, ModelInput, Tool, ToolCall, content_part, model_input,
};
use orrery_routing::catalogue::Capability;
use orrery_routing::request::{RequestFacts, Size};
use orrery_types::{PrincipalId, Sha256Digest, TenantId, UnixMillis};
use prost::Message as _;
use uuid::Uuid;

use crate::calls::Call;

const NAME_BYTES_MAX: usize = 256;
const LIST_MAX: usize = 64;
const MESSAGES_MAX: usize = 10_000;
const TEXTS_MAX: usize = 2_048;
const LABELS_MAX: usize = 1_000;

/// A call, checked.
pub fn accept(request: InvokeRequest, context: &CallContext) -> Result<Call, Error> {
    let id = format!("dec_{}", Uuid::now_v7().simple());
    // Only a keyed call is compared with another one.
    let keyed = context.idempotency_key.as_ref().is_some_and(|key| !key.is_empty());
    let request_digest = if keyed { Sha256Digest::of(&request.encode_to_vec()).to_string() } else { String::new() };
    let cache = request.cache.parse().map_err(|error: orrery_cache::UnknownWish| invalid(error.to_string()))?;
    let caller = caller(request.caller)?;
    for (field, value) in [
        ("task_id", &request.task_id),
        ("step", &request.step),
        ("model", &request.model),
        ("purpose", &request.purpose),
        ("the idempotency key", context.idempotency_key.as_ref().unwrap_or(&String::new())),
    ] {
        if value.len() > NAME_BYTES_MAX || value.chars().any(char::is_control) {
            return Err(invalid(format!("{field} is longer than {NAME_BYTES_MAX} bytes or holds control characters")));
        }
    }
    let input = request.input.ok_or_else(|| invalid("input is missing: say what the model is to do"))?;
    let (capability, media_type, size) = measure(&input)?;
    let mut data_classes = names("data_classes", request.data_classes)?;
    data_classes.sort();
    data_classes.dedup();
    let facts = RequestFacts {
        tenant: caller.tenant.clone(),
        principal: caller.principal.clone(),
        roles: names("caller.roles", caller.roles.clone())?,
        model: request.model,
        capability,
        media_type,
        data_classes,
        purpose: request.purpose,
        cost_nanos_max: request.cost_nanos_max,
        session: request.session,
        size,
    };
    Ok(Call {
        id,
        caller,
        task_id: request.task_id,
        step: request.step,
        facts,
        input,
        cache,
        key: context.idempotency_key.clone().filter(|key| !key.is_empty()),
        request_digest,
        deadline: context.deadline,
        started: UnixMillis::now(),
    })
}

/// Who asks, checked.
pub fn caller(caller: Option<Caller>) -> Result<Caller, Error> {
    let caller = caller.ok_or_else(|| invalid("caller is missing"))?;
    TenantId::new(&caller.tenant).map_err(|error| invalid(error.to_string()))?;
    PrincipalId::new(&caller.principal).map_err(|error| invalid(error.to_string()))?;
    Ok(caller)
}

fn names(field: &str, values: Vec<String>) -> Result<Vec<String>, Error> {
    let good = |value: &String| !value.is_empty() && value.len() <= NAME_BYTES_MAX;
    if values.len() > LIST_MAX || !values.iter().all(good) {
        return Err(invalid(format!("{field}: at most {LIST_MAX} names of 1 to {NAME_BYTES_MAX} bytes")));
    }
    Ok(values)
}

/// What is asked and how much of it there is.
fn measure(input: &ModelInput) -> Result<(Capability, Option<String>, Size), Error> {
    let count = |field: &str, length: usize, max: usize| match length {
        0 => Err(invalid(format!("{field} is empty"))),
        length if length > max => {
            Err(Error::new(ErrorCode::PayloadTooLarge, format!("{field} has {length} entries, the limit is {max}")))
        }
        length => Ok(wide(length)),
    };
    let size = |text_bytes: usize, items: u64| Size { text_bytes: wide(text_bytes), items, ..Size::default() };
    match input.kind.as_ref() {
        None => Err(invalid("input is empty: chat, embed, read, extract or classify")),
        Some(model_input::Kind::Chat(chat)) => {
            let items = count("messages", chat.messages.len(), MESSAGES_MAX)?;
            check_chat(chat)?;
            Ok((Capability::Chat, None, chat_size(chat, items)))
        }
        Some(model_input::Kind::Embed(embed)) => {
            let items = count("texts", embed.texts.len(), TEXTS_MAX)?;
            Ok((Capability::Embed, None, size(embed.texts.iter().map(String::len).sum(), items)))
        }
        Some(model_input::Kind::Read(read)) => {
            let blob = read.blob.as_ref().ok_or_else(|| invalid("read: blob is missing"))?;
            let size = Size { blob_bytes: blob.size_bytes, ..size(read.schema_json.len(), 0) };
            let capability = if read.translate { Capability::Translate } else { Capability::Read };
            Ok((capability, Some(blob.media_type.to_ascii_lowercase()), size))
        }
        Some(model_input::Kind::Rerank(rerank)) => {
            let items = count("documents", rerank.documents.len(), TEXTS_MAX)?;
            let documents: usize = rerank.documents.iter().map(String::len).sum();
            Ok((Capability::Rerank, None, size(rerank.query.len() * rerank.documents.len() + documents, items)))
        }
        Some(model_input::Kind::Moderate(moderate)) => {
            let items = count("texts", moderate.texts.len(), TEXTS_MAX)?;
            Ok((Capability::Moderate, None, size(moderate.texts.iter().map(String::len).sum(), items)))
        }
        Some(model_input::Kind::Image(image)) => {
            let size = Size { images: u64::from(image.n.max(1)), ..size(image.prompt.len(), 1) };
            Ok((Capability::Image, None, size))
        }
        Some(model_input::Kind::Extract(extract)) => {
            let items = count("contents", extract.contents_json.len(), TEXTS_MAX)?;
            let bytes: usize = extract.contents_json.iter().map(String::len).sum();
            Ok((Capability::Extract, None, size(bytes + extract.schema_json.len(), items)))
        }
        Some(model_input::Kind::Classify(classify)) => {
            let items = count("labels", classify.labels.len(), LABELS_MAX)?;
            let labels: usize = classify.labels.iter().map(|label| label.name.len() + label.description.len()).sum();
            Ok((Capability::Classify, None, size(classify.text.len() + labels, items)))
        }
    }
}

/// All that a model reads as text counts byte for byte, whatever field it stands in, so that nothing is read unpaid.
fn chat_size(chat: &ChatInput, messages: u64) -> Size {
    let call = |call: &ToolCall| call.id.len() + call.name.len() + call.arguments_json.len();
    let media = |media: &Media| {
        media.data.len() + media.blob.as_ref().map_or(0, |blob| usize::try_from(blob.size_bytes).unwrap_or(usize::MAX))
    };
    let (mut bytes, mut images) = (0usize, 0u64);
    for message in &chat.messages {
        let texts = [&message.role, &message.content, &message.tool_call_id, &message.name, &message.reasoning];
        bytes = bytes.saturating_add(texts.iter().map(|text| text.len()).sum::<usize>());
        bytes = bytes.saturating_add(message.tool_calls.iter().map(call).sum::<usize>());
        for part in &message.parts {
            match &part.kind {
                Some(content_part::Kind::Text(text)) => bytes = bytes.saturating_add(text.len()),
                Some(content_part::Kind::Image(_)) => images += 1,
                Some(content_part::Kind::Audio(it) | content_part::Kind::Document(it)) => {
                    bytes = bytes.saturating_add(media(it));
                }
                None => {}
            }
        }
    }
    let tool = |tool: &Tool| tool.name.len() + tool.description.len() + tool.parameters_json.len();
    bytes = bytes.saturating_add(chat.tools.iter().map(tool).sum::<usize>());
    bytes = bytes.saturating_add(chat.response_format.as_ref().map_or(0, |it| it.name.len() + it.schema_json.len()));
    Size {
        text_bytes: wide(bytes),
        items: messages + wide(chat.tools.len()),
        output_tokens: u64::from(chat.max_tokens),
        images_read: images,
        choices: u64::from(chat.n),
        ..Size::default()
    }
}

fn check_chat(chat: &ChatInput) -> Result<(), Error> {
    if let Some(message) =
        chat.messages.iter().find(|m| !matches!(m.role.as_str(), "system" | "user" | "assistant" | "tool"))
    {
        let role: String = message.role.chars().take(32).collect();
        return Err(invalid(format!("role {role:?} is none of system, user, assistant, tool")));
    }
    let within = |value: Option<f32>, max: f32| value.is_none_or(|value| (0.0..=max).contains(&value));
    if !within(chat.temperature, 2.0) || !within(chat.top_p, 1.0) {
        return Err(invalid("temperature lies between 0 and 2, top_p between 0 and 1"));
    }
    Ok(())
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_proto::v1::{BlobRef, ChatMessage, ContentPart, ResponseFormat};

    /// R-1 rests on it: a field that is not counted would be read by the model and paid by nobody.
    #[test]
    fn everything_that_a_model_reads_is_counted() {
        let part = |kind| ContentPart { kind: Some(kind) };
        let media = |bytes: usize, blob: u64| Media {
            data: vec![0; bytes],
            blob: Some(BlobRef { size_bytes: blob, ..BlobRef::default() }),
            ..Media::default()
        };
        let text = |length: usize| "x".repeat(length);
        let message = ChatMessage {
            role: text(1),
            content: text(10),
            parts: vec![
                part(content_part::Kind::Text(text(100))),
                part(content_part::Kind::Image(media(7, 7))),
                part(content_part::Kind::Audio(media(1_000, 0))),
                part(content_part::Kind::Document(media(0, 10_000))),
            ],
            tool_calls: vec![ToolCall { id: text(2), name: text(20), arguments_json: text(200) }],
            tool_call_id: text(2_000),
            name: text(20_000),
            reasoning: text(100_000),
            ..ChatMessage::default()
        };
        let chat = ChatInput {
            messages: vec![message],
            max_tokens: 5,
            tools: vec![Tool { name: text(3), description: text(30), parameters_json: text(300), strict: true }],
            response_format: Some(ResponseFormat {
                name: text(3_000),
                schema_json: text(30_000),
                ..Default::default()
            }),
            n: 4,
            ..ChatInput::default()
        };
        let expected = Size {
            text_bytes: 111_111 + 22_222 + 33_333,
            items: 2,
            output_tokens: 5,
            images_read: 1,
            choices: 4,
            ..Size::default()
        };
        assert_eq!(chat_size(&chat, 1), expected);
    }
}
