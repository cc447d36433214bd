//! One admitted request: who asks, how long they wait, and what is read from its head.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::Caller;
use serde::de::DeserializeOwned;

use super::Failure;
use crate::domain::directory::Identity;

/// Header: milliseconds from now that the caller will wait.
pub const DEADLINE_HEADER: &str = "Orrery-Deadline-Ms";
const DEADLINE_MS_MAX: u64 = 600_000;
const DEADLINE: Duration = Duration::from_secs(30);
/// Models take their time.
const MODEL_DEADLINE: Duration = Duration::from_secs(120);
/// Longest name in a path.
const NAME_BYTES_MAX: usize = 128;

/// What admission found out. Handlers take it as an argument; on a public route there is none.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who asks.
    pub identity: Arc<Identity>,
    deadline: Option<Duration>,
    key: Option<String>,
}

impl Call {
    pub(super) fn new(identity: Arc<Identity>, deadline: Option<Duration>) -> Self {
        Self { identity, deadline, key: None }
    }

    /// One that no request asks for directly: calls to models with the same `key` have one effect.
    pub fn keyed(identity: Arc<Identity>, deadline: Duration, key: String) -> Self {
        Self { identity, deadline: Some(deadline), key: Some(key) }
    }

    /// As services are told.
    pub fn caller(&self) -> Option<Caller> {
        Some(Caller {
            tenant: self.identity.tenant.to_string(),
            principal: self.identity.principal.to_string(),
            roles: self.identity.roles.clone(),
            team: self.identity.team.clone(),
            key_id: self.identity.key_id.clone(),
        })
    }

    /// For a call to a service.
    pub fn context(&self) -> CallContext {
        CallContext::within(self.deadline.unwrap_or(DEADLINE))
    }

    /// For a call that a model answers.
    pub fn model_context(&self) -> CallContext {
        let context = CallContext::within(self.deadline.unwrap_or(MODEL_DEADLINE));
        match &self.key {
            Some(key) => context.with_key(key.clone()),
            None => context,
        }
    }

    /// How long the caller said that they wait.
    pub fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Name of who asks, for records.
    pub fn principal(&self) -> String {
        self.identity.principal.to_string()
    }
}

impl FromRequest for Call {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let call = request.extensions().get::<Self>().cloned();
        ready(call.ok_or_else(|| Error::new(ErrorCode::Internal, "the request was not admitted").into()))
    }
}

/// Reads the caller's patience.
pub(super) fn deadline(header: Option<&str>) -> Result<Option<Duration>, Failure> {
    let Some(text) = header else { return Ok(None) };
    match text.parse::<u64>() {
        Ok(millis @ 1..=DEADLINE_MS_MAX) => Ok(Some(Duration::from_millis(millis))),
        _ => Err(Failure::invalid(format!(
            "{DEADLINE_HEADER} is {text:?}; it holds the milliseconds that you will wait, 1 to {DEADLINE_MS_MAX}"
        ))),
    }
}

/// A header's value, when it is there and plain text.
pub fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The query, with unknown parameters refused by its type.
pub fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Failure> {
    let query = actix_web::web::Query::<T>::from_query(request.query_string());
    query
        .map(actix_web::web::Query::into_inner)
        .map_err(|error| Failure::invalid(format!("the query is invalid: {error}")))
}

/// A part of the path that names something: 1 to 128 of `A-Z a-z 0-9 . _ -`, not beginning with a dot.
pub fn name(request: &HttpRequest, part: &'static str) -> Result<String, Failure> {
    let value = request.match_info().get(part).unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if value.is_empty() || value.len() > NAME_BYTES_MAX || value.starts_with('.') || !value.bytes().all(allowed) {
        return Err(Failure::param(
            part,
            format!("the {part} in the path is no name: use 1 to {NAME_BYTES_MAX} of A-Z, a-z, 0-9, '.', '_' and '-'"),
        ));
    }
    Ok(value.to_owned())
}
