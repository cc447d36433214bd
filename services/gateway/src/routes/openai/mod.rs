//! The calls of OpenAI's interface, such that its own packages work unchanged. What cannot be done is refused by name,
//! never ignored in silence; what changes nothing about an answer may be sent and is not used.

pub mod chat;
mod chat_request;
mod chat_stream;
pub mod embeddings;
pub mod models;
mod parameters;
mod subtitles;
pub mod transcriptions;

use actix_web::HttpRequest;
use orrery_proto::v1::{InvokeReply, InvokeRequest, ModelInput, model_input};
use orrery_types::UnixMillis;

use crate::http::{Call, Failure, Gateway, call};

const CLASSES_HEADER: &str = "Orrery-Data-Classes";
const PURPOSE_HEADER: &str = "Orrery-Purpose";
const COST_MAX_HEADER: &str = "Orrery-Cost-Max-Nanos";
/// Header of answers: what the call cost.
const COST_HEADER: &str = "Orrery-Cost-Nanos";
/// Header of answers: which model answered, with its version.
const MODEL_HEADER: &str = "Orrery-Model";
const CLASSES_MAX: usize = 16;

/// The call to the router: what the head of the request says, and the input.
fn invocation(
    gateway: &Gateway,
    call: &Call,
    request: &HttpRequest,
    model: &str,
    input: model_input::Kind,
) -> Result<InvokeRequest, Failure> {
    let cost_nanos_max = match call::header(request, COST_MAX_HEADER) {
        None => 0,
        Some(text) => text
            .parse()
            .map_err(|_| Failure::invalid(format!("{COST_MAX_HEADER} is {text:?}; it holds whole nano-units")))?,
    };
    Ok(InvokeRequest {
        caller: call.caller(),
        model: model.to_owned(),
        data_classes: data_classes(gateway, request)?,
        purpose: call::header(request, PURPOSE_HEADER).unwrap_or_default().to_owned(),
        cost_nanos_max,
        input: Some(ModelInput { kind: Some(input) }),
        ..InvokeRequest::default()
    })
}

/// The classes of the data in the call. Unless the caller says otherwise it is what the configuration says, which by
/// default keeps it on local models (G-5).
fn data_classes(gateway: &Gateway, request: &HttpRequest) -> Result<Vec<String>, Failure> {
    let Some(value) = request.headers().get(CLASSES_HEADER) else {
        return Ok(gateway.config.direct_data_classes.clone());
    };
    let text = value.to_str().map_err(|_| Failure::invalid(format!("{CLASSES_HEADER} is not plain text")))?;
    let classes: Vec<String> =
        text.split(',').map(str::trim).filter(|class| !class.is_empty()).map(str::to_owned).collect();
    let is_name = |class: &String| {
        class.len() <= 64 && class.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    if classes.len() > CLASSES_MAX || !classes.iter().all(is_name) {
        return Err(Failure::invalid(format!(
            "{CLASSES_HEADER} holds at most {CLASSES_MAX} names separated by commas"
        )));
    }
    Ok(classes)
}

/// The model that answered, for the header.
fn answered_by(reply: &InvokeReply) -> String {
    reply.models.first().map(|model| format!("{}:{}", model.name, model.version)).unwrap_or_default()
}

fn unix_seconds() -> u64 {
    UnixMillis::now().0 / 1000
}
