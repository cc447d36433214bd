//! Messages, whole or streamed. Reading a request and writing an answer are pure; the handler joins them.

mod answer;
mod blocks;
mod request;
mod stream;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_proto::v1::model_input;

pub use answer::Message;
pub use request::MessagesRequest;

use crate::http::{Answer, Call, Gateway, body};
use crate::models::{self, MediaRules, Places, Promise};
use crate::routes::streaming;

const PLACES: Places =
    Places { answer: "output_config.format.schema", tool: |index| format!("tools[{index}].input_schema") };

/// Answers a conversation. With `stream` as Server-Sent Events; a client that leaves stops the model.
///
/// The key comes as `x-api-key` or as a bearer token. Images and documents come as base64; by address only from hosts that the
/// operator allows. Thinking is told where it was asked for, with the provider's signature where it gives one. Tools that
/// Anthropic itself runs, MCP servers and containers are refused by name.
#[utoipa::path(post, path = "/v1/messages", tag = "anthropic", request_body = MessagesRequest,
    responses((status = 200, content((Message = "application/json"), (String = "text/event-stream")))))]
pub async fn create(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let asked: MessagesRequest = body::json(&gateway, &request, payload).await?;
    let (model, streamed, thinks) = (asked.model.clone(), asked.stream == Some(true), asked.thinks());
    let input = asked.input(MediaRules { hosts: &gateway.config.media_hosts })?;
    let promise = Promise::of(&input, PLACES)?;
    let invoke = models::invocation(&gateway, &call, &request, &model, model_input::Kind::Chat(input))?;
    if streamed {
        let frames = gateway.models.stream(&call, invoke).await?;
        return streaming::answer(frames, promise, stream::Blocks::new(model, thinks)).await;
    }
    let (output, reply) = gateway.models.chat(&call, invoke, &promise).await?;
    let mut response = HttpResponse::Ok();
    models::told(&mut response, &reply);
    Ok(response.json(Message::of(output, &reply, &model, thinks)))
}
