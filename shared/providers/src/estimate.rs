//! What is said for a provider that does not say it: counts of tokens, and which model answered.

use orrery_proto::v1::{ChatInput, ModelIdentity, Usage, content_part, model_input};

use crate::Order;

/// English text has about four bytes to a token.
const BYTES_PER_TOKEN: usize = 4;

/// Usage of a chat by the bytes of its texts, so that no call is free by omission.
pub(crate) fn chat(order: &Order, output_bytes: usize) -> Usage {
    let input_bytes = match order.input.kind.as_ref() {
        Some(model_input::Kind::Chat(input)) => chat_bytes(input),
        _ => 0,
    };
    texts(input_bytes, output_bytes)
}

/// Usage by bytes of text.
pub(crate) fn texts(input_bytes: usize, output_bytes: usize) -> Usage {
    let tokens = |bytes: usize| u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX);
    Usage { input_tokens: tokens(input_bytes), output_tokens: tokens(output_bytes), ..Usage::default() }
}

fn chat_bytes(input: &ChatInput) -> usize {
    let parts = |message: &orrery_proto::v1::ChatMessage| -> usize {
        let texts = message.parts.iter().map(|part| match &part.kind {
            Some(content_part::Kind::Text(text)) => text.len(),
            _ => 0,
        });
        texts.sum()
    };
    let calls = |message: &orrery_proto::v1::ChatMessage| -> usize {
        message.tool_calls.iter().map(|call| call.name.len() + call.arguments_json.len()).sum()
    };
    let messages = input.messages.iter().map(|message| message.content.len() + parts(message) + calls(message));
    let tools = input.tools.iter().map(|tool| tool.description.len() + tool.parameters_json.len());
    messages.sum::<usize>() + tools.sum::<usize>()
}

/// What the provider says answered is the closest to a version that it gives.
pub(crate) fn identity(provider: &str, order: &Order, version: String) -> ModelIdentity {
    let version = if version.is_empty() { order.upstream.clone() } else { version };
    ModelIdentity { name: order.model.clone(), version, digest: String::new(), provider: provider.to_owned() }
}
