//! What the heads of requests and answers say of a call to a model, in every dialect alike.

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use orrery_proto::v1::{InvokeReply, InvokeRequest, ModelInput, model_input};
use serde::{Deserialize, Serialize};

use crate::http::{Call, Failure, Gateway, PRIORITY, call};

const CLASSES: &str = "Orrery-Data-Classes";
const PURPOSE: &str = "Orrery-Purpose";
const COST_MAX: &str = "Orrery-Cost-Max-Nanos";
const SESSION: &str = "Orrery-Session";
/// Of requests: what the cache may do. Of answers: what it did.
const CACHE: &str = "Orrery-Cache";

/// Of answers: what the call cost.
const COST: HeaderName = HeaderName::from_static("orrery-cost-nanos");
/// Of answers: which model answered, with its version.
const MODEL: HeaderName = HeaderName::from_static("orrery-model");
/// Of answers: the id of the route decision in the record.
const DECISION: HeaderName = HeaderName::from_static("orrery-decision");
const CACHED: HeaderName = HeaderName::from_static("orrery-cache");

/// Of work that nobody waits for.
const BATCH: &str = "batch";
const CLASSES_MAX: usize = 16;
const SESSION_BYTES_MAX: usize = 128;
const PURPOSE_BYTES_MAX: usize = 256;

/// What the head of a request says of the calls to models that it asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    data_classes: Vec<String>,
    purpose: String,
    cost_nanos_max: u64,
    session: String,
    priority: String,
    cache: String,
    /// How long one call may take, in milliseconds; none: as usual. Only of work that nobody waits for: who waits says it
    /// with each call.
    pub deadline_ms: Option<u64>,
}

impl Terms {
    /// Reads and checks them.
    pub fn read(gateway: &Gateway, request: &HttpRequest) -> Result<Self, Failure> {
        let cost_nanos_max = match plain(request, COST_MAX)? {
            None => 0,
            Some(text) => text
                .parse()
                .map_err(|_| Failure::invalid(format!("{COST_MAX} is {text:?}; it holds whole nano-units")))?,
        };
        let purpose = plain(request, PURPOSE)?.unwrap_or_default();
        if purpose.len() > PURPOSE_BYTES_MAX {
            return Err(Failure::invalid(format!("{PURPOSE} is longer than {PURPOSE_BYTES_MAX} bytes")));
        }
        Ok(Self {
            data_classes: data_classes(gateway, request)?,
            purpose: purpose.to_owned(),
            cost_nanos_max,
            session: session(request)?,
            priority: one_of(request, PRIORITY, &[BATCH, "normal", "interactive"])?,
            cache: one_of(request, CACHE, &["off", "refresh"])?,
            deadline_ms: None,
        })
    }

    /// The same for work that nobody waits for, of which each call may take as long as was said of this one.
    #[must_use]
    pub fn in_batch(self, call: &Call) -> Self {
        let deadline_ms = call.deadline().map(|deadline| u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX));
        Self { priority: BATCH.to_owned(), deadline_ms, ..self }
    }

    /// A call on these terms.
    pub fn invocation(&self, call: &Call, model: &str, input: model_input::Kind) -> InvokeRequest {
        InvokeRequest {
            caller: call.caller(),
            model: model.to_owned(),
            data_classes: self.data_classes.clone(),
            purpose: self.purpose.clone(),
            cost_nanos_max: self.cost_nanos_max,
            input: Some(ModelInput { kind: Some(input) }),
            session: self.session.clone(),
            priority: self.priority.clone(),
            cache: self.cache.clone(),
            ..InvokeRequest::default()
        }
    }
}

/// The call that a request asks for: what its head says, and the input.
pub fn invocation(
    gateway: &Gateway,
    call: &Call,
    request: &HttpRequest,
    model: &str,
    input: model_input::Kind,
) -> Result<InvokeRequest, Failure> {
    Ok(Terms::read(gateway, request)?.invocation(call, model, input))
}

/// A whole answer, in the shape of its dialect, and the reply that it was made from.
#[derive(Debug)]
pub struct Whole<T> {
    /// What the client reads.
    pub body: T,
    /// Who answered, for what.
    pub reply: InvokeReply,
}

impl<T: Serialize> Whole<T> {
    /// As the answer of a request.
    pub fn respond(self) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        told(&mut response, &self.reply);
        response.json(self.body)
    }
}

/// Tells in the head of an answer who gave it, what it cost and how it came about.
pub fn told(response: &mut HttpResponseBuilder, reply: &InvokeReply) {
    let mut tell = |name: HeaderName, value: &str| {
        // A name that no header can hold is left out rather than failing an answer that is there.
        if let Ok(value) = HeaderValue::from_str(value) {
            response.insert_header((name, value));
        }
    };
    tell(COST, &reply.usage.unwrap_or_default().cost_nanos.to_string());
    if let Some(model) = answered_by(reply) {
        tell(MODEL, &model);
    }
    if let Some(decision) = reply.decision.as_ref().filter(|decision| !decision.id.is_empty()) {
        tell(DECISION, &decision.id);
    }
    match reply.cache.as_str() {
        "exact" => tell(CACHED, "hit-exact"),
        "semantic" => tell(CACHED, "hit-semantic"),
        "miss" => tell(CACHED, "miss"),
        "stale" => tell(CACHED, "stale"),
        // No cache took part.
        _ => {}
    }
}

/// The model that answered, with its version where it has one.
fn answered_by(reply: &InvokeReply) -> Option<String> {
    let model = reply.models.first()?;
    Some(if model.version.is_empty() { model.name.clone() } else { format!("{}:{}", model.name, model.version) })
}

/// The classes of the data in the call. Unless the caller says otherwise it is what the configuration says, which by
/// default keeps it on local models (G-5).
fn data_classes(gateway: &Gateway, request: &HttpRequest) -> Result<Vec<String>, Failure> {
    let Some(text) = plain(request, CLASSES)? else {
        return Ok(gateway.config.direct_data_classes.clone());
    };
    let classes: Vec<String> =
        text.split(',').map(str::trim).filter(|class| !class.is_empty()).map(str::to_owned).collect();
    let is_name = |class: &String| {
        class.len() <= 64 && class.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    if classes.len() > CLASSES_MAX || !classes.iter().all(is_name) {
        return Err(Failure::invalid(format!("{CLASSES} holds at most {CLASSES_MAX} names separated by commas")));
    }
    Ok(classes)
}

fn session(request: &HttpRequest) -> Result<String, Failure> {
    let session = plain(request, SESSION)?.unwrap_or_default();
    if session.len() > SESSION_BYTES_MAX {
        return Err(Failure::invalid(format!("{SESSION} is longer than {SESSION_BYTES_MAX} bytes")));
    }
    Ok(session.to_owned())
}

fn one_of(request: &HttpRequest, name: &str, allowed: &[&str]) -> Result<String, Failure> {
    match plain(request, name)? {
        None | Some("") => Ok(String::new()),
        Some(value) if allowed.contains(&value) => Ok(value.to_owned()),
        Some(other) => Err(Failure::invalid(format!("{name} is {other:?}; use {}", allowed.join(", ")))),
    }
}

fn plain<'a>(request: &'a HttpRequest, name: &str) -> Result<Option<&'a str>, Failure> {
    if !request.headers().contains_key(name) {
        return Ok(None);
    }
    call::header(request, name).map(Some).ok_or_else(|| Failure::invalid(format!("{name} is not plain text")))
}
