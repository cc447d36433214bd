//! How many tokens a conversation has, estimated.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_proto::v1::{ChatInput, ContentPart, content_part};
use serde::Serialize;
use utoipa::ToSchema;

use super::messages::MessagesRequest;
use crate::http::{Answer, Call, Gateway, body};
use crate::models::{self, MediaRules};

/// Around each message, for its role and its bounds.
const TOKENS_PER_MESSAGE: u64 = 4;
/// Of an image whose size nobody looked at: about a million pixels at the 750 of one token, as Anthropic's guide has it.
const TOKENS_PER_IMAGE: u64 = 1_400;
/// Of other files by size: about three pages of text or sound in 100 KiB.
const BYTES_PER_TOKEN: usize = 64;

/// Tokens of a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenCount {
    input_tokens: u64,
}

/// Estimates how many tokens a conversation has, with its tools. No model is asked: texts are counted in the vocabulary o200k,
/// images at a flat rate and other files by their size. The usage of an answer tells what the model itself counted.
#[utoipa::path(post, path = "/v1/messages/count_tokens", tag = "anthropic", request_body = MessagesRequest,
    responses((status = 200, body = TokenCount)))]
pub async fn count(gateway: Data<Gateway>, _call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let asked: MessagesRequest = body::json(&gateway, &request, payload).await?;
    let (texts, rest) = split(asked.conversation(MediaRules { hosts: &gateway.config.media_hosts })?);
    let input_tokens = models::count(texts).await?.saturating_add(rest);
    Ok(HttpResponse::Ok().json(TokenCount { input_tokens }))
}

/// The texts of a conversation, and the tokens of everything else.
fn split(input: ChatInput) -> (Vec<String>, u64) {
    let mut texts = Vec::new();
    let mut rest = 0_u64;
    for message in input.messages {
        rest += TOKENS_PER_MESSAGE;
        texts.extend([message.content, message.reasoning]);
        texts.extend(message.tool_calls.into_iter().flat_map(|call| [call.name, call.arguments_json]));
        for part in message.parts {
            rest = rest.saturating_add(measure(part, &mut texts));
        }
    }
    texts.extend(input.tools.into_iter().flat_map(|tool| [tool.name, tool.description, tool.parameters_json]));
    texts.extend(input.response_format.map(|format| format.schema_json));
    (texts, rest)
}

fn measure(part: ContentPart, texts: &mut Vec<String>) -> u64 {
    match part.kind {
        Some(content_part::Kind::Text(text)) => {
            texts.push(text);
            0
        }
        Some(content_part::Kind::Image(_)) => TOKENS_PER_IMAGE,
        Some(content_part::Kind::Document(file)) if file.media_type.starts_with("text/") => {
            texts.push(String::from_utf8_lossy(&file.data).into_owned());
            0
        }
        Some(content_part::Kind::Document(file) | content_part::Kind::Audio(file)) => {
            u64::try_from(file.data.len() / BYTES_PER_TOKEN).unwrap_or(u64::MAX).max(TOKENS_PER_IMAGE)
        }
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[actix_web::test]
    async fn texts_tools_and_files_count() {
        let count = |body: serde_json::Value| async move {
            let request: MessagesRequest = serde_json::from_value(body).unwrap();
            let (texts, rest) = split(request.conversation(MediaRules { hosts: &[] }).unwrap());
            models::count(texts).await.unwrap() + rest
        };
        let said = json!({"model": "m", "messages": [{"role": "user", "content": "hello world"}]});
        assert_eq!(count(said.clone()).await, 2 + TOKENS_PER_MESSAGE);
        let mut with_tool = said;
        with_tool["tools"] = json!([{"name": "f", "input_schema": {"type": "object"}}]);
        assert!(count(with_tool).await > 2 + TOKENS_PER_MESSAGE);
        let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}});
        let seen = json!({"model": "m", "messages": [{"role": "user", "content": [image]}]});
        assert_eq!(count(seen).await, TOKENS_PER_IMAGE + TOKENS_PER_MESSAGE);
    }
}
