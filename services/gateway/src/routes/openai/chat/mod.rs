//! Chat completions, whole or streamed. Reading a request and writing an answer are pure; the handler joins them.

mod answer;
mod message;
mod request;
mod stream;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_proto::v1::model_input;

pub use answer::{ChatCompletion, LogprobContent, UsageObject, finish_reason, logprob_content};
pub use message::{detail, read_file};
pub use request::{ChatRequest, StreamOptions};

use crate::http::{Answer, Call, Gateway, body};
use crate::models::{self, MediaRules, Places, Promise};
use crate::routes::streaming;

const PLACES: Places = Places {
    answer: "response_format.json_schema.schema",
    tool: |index| format!("tools[{index}].function.parameters"),
};

/// Answers a chat. With `stream` as Server-Sent Events; a client that leaves stops the model.
///
/// Images, sound and documents come as `data:` URLs or base64; by address only from hosts that the operator allows. An answer
/// that breaks `response_format`, or the schema of a strict tool, is a failure of the model. Parameters that are not known here
/// go to providers that speak OpenAI's dialect; `metadata`, `store`, `service_tier` and hints about caches are taken without
/// effect. Models with a text of their own to tell of their thinking tell it as `reasoning_content`.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = ChatRequest,
    params(
        ("Orrery-Data-Classes" = Option<String>, Header, description = "classes of the data, by commas; `personal` when left out"),
        ("Orrery-Purpose" = Option<String>, Header, description = "what the call is for, for policies"),
        ("Orrery-Cost-Max-Nanos" = Option<u64>, Header, description = "the most that the call may cost"),
        ("Orrery-Session" = Option<String>, Header, description = "calls of one session stay with one deployment"),
        ("Orrery-Priority" = Option<String>, Header, description = "`batch`, `normal` or `interactive`"),
        ("Orrery-Cache" = Option<String>, Header, description = "`off` or `refresh`"),
    ),
    responses((status = 200, content((ChatCompletion = "application/json"), (String = "text/event-stream")))))]
pub async fn complete(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let chat: ChatRequest = body::json(&gateway, &request, payload).await?;
    let (model, streamed, usage) = (chat.model.clone(), chat.stream == Some(true), chat.include_usage());
    let legacy = chat.is_legacy();
    let input = chat.input(MediaRules { hosts: &gateway.config.media_hosts })?;
    let promise = Promise::of(&input, PLACES)?;
    let invoke = models::invocation(&gateway, &call, &request, &model, model_input::Kind::Chat(input))?;
    if streamed {
        let frames = gateway.models.stream(&call, invoke).await?;
        return streaming::answer(frames, promise, stream::Chunks::new(model, usage, legacy)).await;
    }
    let (output, reply) = gateway.models.chat(&call, invoke, &promise).await?;
    let mut response = HttpResponse::Ok();
    models::told(&mut response, &reply);
    Ok(response.json(ChatCompletion::of(output, &reply, &model, legacy)))
}
