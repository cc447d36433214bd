//! Every request passes here first: trace, route, key, role, deadline. It waits for nothing but the handler (G-1), and it
//! gives every failure the shape that the route promises (G-3).

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ALLOW, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue, WWW_AUTHENTICATE,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, web};
use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;
use tracing::Instrument as _;
use uuid::Uuid;

use super::call::{self, Call};
use super::failure::Dialect;
use super::in_flight::Tracked;
use super::room::{PRIORITY, Place, Priority};
use super::table::{self, Route, Routed};
use super::{Failure, Gateway};
use crate::actors::{Cause, Denied};
use crate::domain::api_key::ApiKey;
use crate::domain::directory::{Denial, Identity};
use crate::domain::role::Access;

const TRACE_HEADER: HeaderName = HeaderName::from_static("orrery-trace-id");
/// Where clients of Anthropic's interface put the key.
const KEY_HEADER: &str = "x-api-key";

/// The middleware around all routes.
pub async fn admit(
    gateway: web::Data<Gateway>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Tracked>, actix_web::Error> {
    let token = gateway.in_flight.enter();
    let started = Instant::now();
    let routed = table::route(&request);
    let pattern = routed.pattern();
    let method = request.method().clone();
    let span = tracing::info_span!(
        "http.request",
        otel.kind = "server",
        otel.name = format!("{method} {pattern}"),
        http.request.method = %method,
        http.route = pattern,
    );
    let head = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    if let Some(parent) = head("traceparent") {
        orrery_telemetry::extract_http(parent, head("tracestate").unwrap_or_default(), &span);
    }
    let trace_id = orrery_telemetry::trace_id(&span);
    let request_id = trace_id.clone().unwrap_or_else(|| Uuid::now_v7().simple().to_string());
    let dialect = routed.dialect(request.path());

    let mut caller = None;
    let mut place = None;
    let admitted = check(&gateway, &request, &routed).and_then(|call| {
        caller = call.as_ref().map(|call| call.identity.clone());
        place = make_room(&gateway, &request, &routed, dialect)?;
        Ok(call)
    });
    let answered = match admitted {
        Ok(call) => {
            call.into_iter().for_each(|call| drop(request.extensions_mut().insert(call)));
            next.call(request).instrument(span.clone()).await?.map_into_boxed_body()
        }
        Err(failure) => request.error_response(failure),
    };
    if let (Routed::Found(route), Some(caller), Some(code)) = (&routed, &caller, error_code(&answered)) {
        refused(&gateway, route, caller, code);
    }
    let mut response = in_dialect(answered, dialect, trace_id.as_deref());
    decorate(&mut response, &routed, trace_id.as_deref());
    identify(&mut response, dialect, &request_id);

    let status = response.status().as_u16();
    orrery_telemetry::annotate(&span, "http.response.status_code", i64::from(status));
    metrics::histogram!(
        "http_server_request_duration_seconds",
        "http_route" => pattern, "http_request_method" => method.to_string(), "http_response_status_code" => status.to_string()
    )
    .record(started.elapsed().as_secs_f64());
    Ok(response.map_body(|_, body| Tracked::new(body, token, place)))
}

/// A place for a call to a model, before its body is read; none for other requests.
fn make_room(
    gateway: &Gateway,
    request: &ServiceRequest,
    routed: &Routed,
    dialect: Dialect,
) -> Result<Option<Place>, Failure> {
    if !routed.asks_a_model(dialect) {
        return Ok(None);
    }
    let head = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    // Files go through the disk, and a body of unknown length may be as long as any.
    let most = u64::try_from(gateway.config.json_bytes_max).unwrap_or(u64::MAX);
    let length = head(CONTENT_LENGTH.as_str()).and_then(|value| value.parse().ok()).unwrap_or(most);
    gateway.room.enter(Priority::of(head(PRIORITY)), length.min(most)).map(Some)
}

fn check(gateway: &Gateway, request: &ServiceRequest, routed: &Routed) -> Result<Option<Call>, Failure> {
    let route = match routed {
        Routed::Found(route) => *route,
        Routed::WrongMethod { pattern, allowed } => {
            let message = format!("{} is not possible on {pattern}; it takes {allowed}", request.method());
            return Err(Error::new(ErrorCode::MethodNotAllowed, message).into());
        }
        Routed::Nothing => {
            let message = "there is no such path; /openapi.json lists all";
            return Err(Error::new(ErrorCode::NotFound, message).into());
        }
    };
    if let Some(encoding) = request.headers().get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        // A few bytes may stand for gigabytes.
        let message = format!("the body's Content-Encoding is {encoding:?}; send it as it is, not compressed");
        return Err(Error::new(ErrorCode::UnsupportedMedia, message).into());
    }
    if route.access == Access::Public {
        return Ok(None);
    }
    let identity = authenticate(gateway, request, route)?;
    if !route.access.allows(&identity.roles) {
        deny(gateway, route, Denial::Role, Some(&identity), Some(&identity.key_id));
        let message = format!(
            "this needs the role {}; the key of {} has {}",
            route.access.needed(),
            identity.principal,
            identity.roles.join(", ")
        );
        return Err(Error::new(ErrorCode::Forbidden, message).into());
    }
    let patience = request.headers().get(call::DEADLINE_HEADER).map(|value| value.to_str().unwrap_or("not text"));
    Ok(Some(Call::new(identity, call::deadline(patience)?)))
}

fn authenticate(
    gateway: &Gateway,
    request: &ServiceRequest,
    route: &Route,
) -> Result<std::sync::Arc<Identity>, Failure> {
    let token = token(request);
    let directory = gateway.directory.load();
    let outcome = match token {
        None => Err(Denial::Missing),
        Some(token) => directory.authenticate(token, UnixMillis::now()),
    };
    outcome.map_err(|denial| {
        let key_id = token.and_then(ApiKey::parse).map(|key| key.id().to_owned());
        // Only one who holds the key may have the denial written into its tenant's log.
        let owner = match denial {
            Denial::Expired | Denial::Revoked => key_id.as_deref().and_then(|id| directory.owner(id)),
            Denial::Missing | Denial::Malformed | Denial::Unknown | Denial::Role => None,
        };
        deny(gateway, route, denial, owner.map(AsRef::as_ref), key_id.as_deref());
        let message = match denial {
            Denial::Missing => "there is no API key; send the header `Authorization: Bearer ok_…`",
            _ => "the API key is not valid; it is unknown, expired or revoked",
        };
        Error::new(ErrorCode::Unauthenticated, message).into()
    })
}

/// The key in the head: a bearer token, or in the header of Anthropic's clients.
fn token(request: &ServiceRequest) -> Option<&str> {
    let headers = request.headers();
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.or_else(|| headers.get(KEY_HEADER)?.to_str().ok().map(str::trim))
}

fn deny(gateway: &Gateway, route: &Route, denial: Denial, owner: Option<&Identity>, key_id: Option<&str>) {
    let denied = Denied {
        tenant: owner.map(|identity| identity.tenant.to_string()),
        principal: owner.map(|identity| identity.principal.to_string()),
        key_id: owner.and(key_id).map(str::to_owned),
        cause: Cause::Denied(denial),
        route: format!("{} {}", route.method, route.pattern),
    };
    record(gateway, denied);
}

/// Work that a known caller asked for in vain leaves a trace in the tenant's log; reading in vain does not.
fn refused(gateway: &Gateway, route: &Route, identity: &Identity, code: ErrorCode) {
    if route.method == "GET" {
        return;
    }
    record(
        gateway,
        Denied {
            tenant: Some(identity.tenant.to_string()),
            principal: Some(identity.principal.to_string()),
            key_id: Some(identity.key_id.clone()),
            cause: Cause::Refused(code),
            route: format!("{} {}", route.method, route.pattern),
        },
    );
}

fn record(gateway: &Gateway, denied: Denied) {
    if let Err(error) = gateway.denials.try_send(denied) {
        metrics::counter!("orrery_gateway_denials_unrecorded_total").increment(1);
        tracing::debug!(%error, "a denial was not recorded");
    }
}

fn error_code(response: &ServiceResponse<BoxBody>) -> Option<ErrorCode> {
    response.response().error()?.as_error::<Failure>().map(|failure| failure.error.code)
}

fn in_dialect(
    response: ServiceResponse<BoxBody>,
    dialect: Dialect,
    trace_id: Option<&str>,
) -> ServiceResponse<BoxBody> {
    let Some(error) = response.response().error() else { return response };
    let rendered = match error.as_error::<Failure>() {
        Some(failure) => failure.response(dialect, trace_id),
        None => {
            let status = error.as_response_error().status_code();
            let code = if status.is_client_error() { ErrorCode::InvalidRequest } else { ErrorCode::Internal };
            tracing::warn!(%error, "a request failed outside its handler");
            Failure::from(Error::new(code, format!("the request cannot be handled: {error}")))
                .response(dialect, trace_id)
        }
    };
    if rendered.status().is_server_error() {
        tracing::warn!(%error, "request failed");
    }
    response.into_response(rendered)
}

/// The name of the request, in the header where clients of the dialect look for it.
fn identify(response: &mut ServiceResponse<BoxBody>, dialect: Dialect, request_id: &str) {
    let Ok(value) = HeaderValue::from_str(request_id) else { return };
    let headers = response.headers_mut();
    if dialect == Dialect::Anthropic {
        headers.insert(HeaderName::from_static("request-id"), value.clone());
    }
    headers.insert(HeaderName::from_static("x-request-id"), value);
}

fn decorate(response: &mut ServiceResponse<BoxBody>, routed: &Routed, trace_id: Option<&str>) {
    let status = response.status().as_u16();
    let headers = response.headers_mut();
    if let Some(value) = trace_id.and_then(|id| HeaderValue::from_str(id).ok()) {
        headers.insert(TRACE_HEADER, value);
    }
    if let Routed::WrongMethod { allowed, .. } = routed
        && let Ok(value) = HeaderValue::from_str(allowed)
    {
        headers.insert(ALLOW, value);
    }
    if status == ErrorCode::Unauthenticated.http_status() {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}
