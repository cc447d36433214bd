//! Responses, OpenAI's newer call, whole or streamed. Nothing is kept: a conversation is sent whole each time. Reading a
//! request and writing an answer are pure; the handler joins them.

mod answer;
mod items;
mod request;
mod stream;

use actix_web::HttpRequest;
use actix_web::web::{Data, Payload};
use orrery_proto::v1::{InvokeRequest, model_input};

pub use answer::ResponseObject;
pub use request::ResponsesRequest;

use crate::http::{Answer, Call, Failure, Gateway, body};
use crate::models::{MediaRules, Places, Promise, Terms, Whole};
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
    let wanted: ResponsesRequest = body::json(&gateway, &request, payload).await?;
    let terms = Terms::read(&gateway, &request)?;
    if wanted.stream != Some(true) {
        return Ok(whole(&gateway, &call, &terms, wanted).await?.respond());
    }
    let (invoke, promise, begun) = asked(&gateway, &call, &terms, wanted)?;
    let frames = gateway.models.stream(&call, invoke).await?;
    streaming::answer(frames, promise, stream::Items::new(begun)).await
}

/// The whole response to a conversation.
pub async fn whole(
    gateway: &Gateway,
    call: &Call,
    terms: &Terms,
    wanted: ResponsesRequest,
) -> Result<Whole<ResponseObject>, Failure> {
    let (invoke, promise, begun) = asked(gateway, call, terms, wanted)?;
    let (output, reply) = gateway.models.chat(call, invoke, &promise).await?;
    Ok(Whole { body: begun.completed(output, &reply), reply })
}

fn asked(
    gateway: &Gateway,
    call: &Call,
    terms: &Terms,
    wanted: ResponsesRequest,
) -> Result<(InvokeRequest, Promise, ResponseObject), Failure> {
    let (model, echo) = (wanted.model.clone(), wanted.echo());
    let input = wanted.input(MediaRules { hosts: &gateway.config.media_hosts })?;
    let promise = Promise::of(&input, PLACES)?;
    let invoke = terms.invocation(call, &model, model_input::Kind::Chat(input));
    Ok((invoke, promise, ResponseObject::begun(model, echo)))
}
