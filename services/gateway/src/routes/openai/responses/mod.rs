//! Responses, OpenAI's newer call, whole or streamed. Nothing is kept: a conversation is sent whole each time. Reading a
//! request and writing an answer are pure; the handler joins them.

mod answer;
mod items;
mod request;
mod stream;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_proto::v1::model_input;

pub use answer::ResponseObject;
pub use request::ResponsesRequest;

use crate::http::{Answer, Call, Gateway, body};
use crate::models::{self, MediaRules, Places, Promise};
use crate::routes::streaming;

const PLACES: Places = Places { answer: "text.format.schema", tool: |index| format!("tools[{index}].parameters") };

/// Answers a conversation. With `stream` as Server-Sent Events; a client that leaves stops the model.
///
/// Nothing is kept, as with `store` false: `previous_response_id`, `conversation`, `background`, stored prompts and references
/// to items are refused by name, and so are tools that OpenAI itself runs. Images, sound and documents come as `data:` URLs or
/// base64; by address only from hosts that the operator allows.
#[utoipa::path(post, path = "/v1/responses", tag = "openai", request_body = ResponsesRequest,
    responses((status = 200, content((ResponseObject = "application/json"), (String = "text/event-stream")))))]
pub async fn create(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let asked: ResponsesRequest = body::json(&gateway, &request, payload).await?;
    let (model, streamed, echo) = (asked.model.clone(), asked.stream == Some(true), asked.echo());
    let input = asked.input(MediaRules { hosts: &gateway.config.media_hosts })?;
    let promise = Promise::of(&input, PLACES)?;
    let invoke = models::invocation(&gateway, &call, &request, &model, model_input::Kind::Chat(input))?;
    let begun = ResponseObject::begun(model, echo);
    if streamed {
        let frames = gateway.models.stream(&call, invoke).await?;
        return streaming::answer(frames, promise, stream::Items::new(begun)).await;
    }
    let (output, reply) = gateway.models.chat(&call, invoke, &promise).await?;
    let mut response = HttpResponse::Ok();
    models::told(&mut response, &reply);
    Ok(response.json(begun.completed(output, &reply)))
}
