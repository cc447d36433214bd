//! The router's own terms as wire messages.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{CatalogueModel, SpendRow};
use orrery_routing::catalogue::{Catalogue, Model};
use orrery_types::UnixMillis;

use crate::store::SpendLine;

/// A model as lists show it.
pub fn model(catalogue: &Catalogue, model: &Model, healthy: bool) -> CatalogueModel {
    let price = model.price.at(UnixMillis::now());
    CatalogueModel {
        name: model.name.clone(),
        provider: model.provider.clone(),
        location: catalogue.location_of(model).as_str().to_owned(),
        capabilities: model.capabilities.iter().map(ToString::to_string).collect(),
        data_classes: model.data_classes.clone(),
        input_nanos_per_token: price.input_token,
        output_nanos_per_token: price.output_token,
        created: model.created,
        healthy,
    }
}

/// A line of the spend report.
pub fn spend_row(line: SpendLine) -> SpendRow {
    let count = |value: i64| u64::try_from(value).unwrap_or(0);
    SpendRow {
        model: line.model,
        provider: line.provider,
        calls: count(line.calls),
        input_tokens: count(line.input_tokens),
        output_tokens: count(line.output_tokens),
        cost_nanos: count(line.cost_nanos),
        latency_ms_p50: count(line.latency_ms_p50),
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
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
