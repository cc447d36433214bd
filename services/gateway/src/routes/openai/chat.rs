//! Chat completions, whole or streamed.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatOutput, InvokeReply, Usage, model_input, model_output};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::chat_request::ChatRequest;
use super::{chat_stream, unix_seconds};
use crate::http::{Answer, Call, Failure, Gateway, body};
use crate::models;

/// A whole answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatCompletion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<Choice>,
    usage: UsageObject,
}

/// One answer; there is always exactly one.
#[derive(Debug, Serialize, ToSchema)]
pub struct Choice {
    index: u32,
    message: AnswerMessage,
    logprobs: Option<bool>,
    /// `stop` or `length`.
    finish_reason: String,
}

/// What was answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerMessage {
    role: &'static str,
    content: String,
    refusal: Option<String>,
}

/// Tokens.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct UsageObject {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl From<Usage> for UsageObject {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        }
    }
}

/// Answers a chat. With `stream` as Server-Sent Events; a client that leaves stops the model.
///
/// Not supported and refused by name: tools, images and audio, `response_format` other than text, `n` above 1, `logprobs`,
/// penalties and `logit_bias`. Taken without effect: `user`, `metadata`, `store`, `service_tier` and other notes to a provider.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = ChatRequest,
    params(("Orrery-Data-Classes" = Option<String>, Header, description = "classes of the data, by commas; `personal` when left out")),
    responses((status = 200, content((ChatCompletion = "application/json"), (String = "text/event-stream")))))]
pub async fn complete(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let chat: ChatRequest = body::json(&gateway, &request, payload).await?;
    let invoke = models::invocation(&gateway, &call, &request, &chat.model, model_input::Kind::Chat(chat.input()?))?;
    if chat.stream == Some(true) {
        let frames = gateway.models.stream(&call, invoke).await?;
        return chat_stream::answer(frames, chat.model.clone(), chat.include_usage()).await;
    }
    let reply = gateway.models.invoke(&call, invoke).await?;
    let output = chat_output(&reply)?;
    let usage = reply.usage.unwrap_or_default();
    let message = AnswerMessage { role: "assistant", content: output.text, refusal: None };
    let choice =
        Choice { index: 0, message, logprobs: None, finish_reason: finish_reason(&output.finish_reason).to_owned() };
    let completion = ChatCompletion {
        id: completion_id(),
        object: "chat.completion",
        created: unix_seconds(),
        model: model_name(&reply.models, &chat.model),
        choices: vec![choice],
        usage: usage.into(),
    };
    let mut response = HttpResponse::Ok();
    models::told(&mut response, &reply);
    Ok(response.json(completion))
}

/// The chat in a reply.
pub fn chat_output(reply: &InvokeReply) -> Result<ChatOutput, Failure> {
    match reply.output.as_ref().and_then(|output| output.kind.as_ref()) {
        Some(model_output::Kind::Chat(chat)) => Ok(chat.clone()),
        _ => Err(Error::new(ErrorCode::ModelFailed, "the model answered with something other than a chat").into()),
    }
}

/// The model's own name where it is known, else what was asked for.
pub fn model_name(models: &[orrery_proto::v1::ModelIdentity], asked: &str) -> String {
    models.first().map_or_else(|| asked.to_owned(), |model| model.name.clone())
}

/// One of the reasons that clients know.
pub fn finish_reason(reason: &str) -> &'static str {
    if reason == "length" { "length" } else { "stop" }
}

pub fn completion_id() -> String {
    format!("chatcmpl-{}", Uuid::now_v7().simple())
}
