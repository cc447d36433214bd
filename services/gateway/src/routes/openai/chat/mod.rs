//! Chat completions, whole or streamed. Reading a request and writing an answer are pure; the handler joins them.

mod answer;
mod message;
mod request;
mod stream;

use actix_web::HttpRequest;
use actix_web::web::{Data, Payload};
use orrery_proto::v1::{InvokeRequest, model_input};

pub use answer::{ChatCompletion, LogprobContent, UsageObject, finish_reason, logprob_content};
pub use message::{detail, read_file};
pub use request::{ChatRequest, StreamOptions};

use crate::http::{Answer, Call, Failure, Gateway, body};
use crate::models::{MediaRules, Places, Promise, Terms, Whole};
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
    let terms = Terms::read(&gateway, &request)?;
    if chat.stream != Some(true) {
        return Ok(whole(&gateway, &call, &terms, chat).await?.respond());
    }
    let chunks = stream::Chunks::new(chat.model.clone(), chat.include_usage(), chat.is_legacy());
    let (invoke, promise) = asked(&gateway, &call, &terms, chat)?;
    let frames = gateway.models.stream(&call, invoke).await?;
    streaming::answer(frames, promise, chunks).await
}

/// The whole answer of a chat.
pub async fn whole(
    gateway: &Gateway,
    call: &Call,
    terms: &Terms,
    chat: ChatRequest,
) -> Result<Whole<ChatCompletion>, Failure> {
    let (model, legacy) = (chat.model.clone(), chat.is_legacy());
    let (invoke, promise) = asked(gateway, call, terms, chat)?;
    let (output, reply) = gateway.models.chat(call, invoke, &promise).await?;
    Ok(Whole { body: ChatCompletion::of(output, &reply, &model, legacy), reply })
}

fn asked(
    gateway: &Gateway,
    call: &Call,
    terms: &Terms,
    chat: ChatRequest,
) -> Result<(InvokeRequest, Promise), Failure> {
    let model = chat.model.clone();
    let input = chat.input(MediaRules { hosts: &gateway.config.media_hosts })?;
    let promise = Promise::of(&input, PLACES)?;
    Ok((terms.invocation(call, &model, model_input::Kind::Chat(input)), promise))
}
