//! Request bodies: bounded in size and in time, and read by type.

use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpMessage as _, HttpRequest};
use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};
use serde::de::DeserializeOwned;

use super::{Failure, Gateway};

/// A client that sends nothing for so long is given up.
pub const IDLE: Duration = Duration::from_secs(15);

/// A body of JSON. The depth is bounded by the parser, at 128.
pub async fn json<T: DeserializeOwned>(
    gateway: &Gateway,
    request: &HttpRequest,
    payload: Payload,
) -> Result<T, Failure> {
    let is_json = |kind: &str| kind == "application/json" || kind.ends_with("+json");
    expect_type(request, "application/json", is_json)?;
    parse(&whole(gateway, request, payload).await?)
}

/// A body of JSON that may be left out.
pub async fn optional_json<T: DeserializeOwned + Default>(
    gateway: &Gateway,
    request: &HttpRequest,
    payload: Payload,
) -> Result<T, Failure> {
    let bytes = whole(gateway, request, payload).await?;
    if bytes.is_empty() { Ok(T::default()) } else { parse(&bytes) }
}

/// Refuses a body of another type, before it is read.
pub fn expect_type(request: &HttpRequest, wanted: &str, fits: impl Fn(&str) -> bool) -> Result<(), Failure> {
    let found = request.content_type().to_ascii_lowercase();
    if fits(&found) {
        return Ok(());
    }
    let found = if found.is_empty() { "nothing" } else { &found };
    let message = format!("the body's Content-Type is {found}; send {wanted}");
    Err(Error::new(ErrorCode::UnsupportedMedia, message).into())
}

/// What is read of a body that is refused, so that its sender gets to see the answer instead of a connection that breaks.
const REFUSED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// And for how long.
const REFUSED_TIME_MAX: Duration = Duration::from_secs(10);

/// The whole body, at most `json_bytes_max`.
pub async fn whole(gateway: &Gateway, request: &HttpRequest, payload: Payload) -> Result<Bytes, Failure> {
    let limit = gateway.config.json_bytes_max;
    let mut payload = payload;
    if let Err(refused) = announced(request, u64::try_from(limit).unwrap_or(u64::MAX)) {
        // What is far too much is not waited for.
        if announced(request, REFUSED_BYTES_MAX).is_ok() {
            pass_over(&mut payload).await;
        }
        return Err(refused);
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = next(&mut payload).await? {
        if body.len() + chunk.len() > limit {
            pass_over(&mut payload).await;
            return Err(too_large(u64::try_from(limit).unwrap_or(u64::MAX)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Reads the rest of a body and keeps nothing of it.
async fn pass_over(payload: &mut Payload) {
    let reading = async {
        let mut left = REFUSED_BYTES_MAX;
        while let Ok(Some(chunk)) = next(payload).await {
            match left.checked_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX)) {
                Some(rest) => left = rest,
                None => break,
            }
        }
    };
    if tokio::time::timeout(REFUSED_TIME_MAX, reading).await.is_err() {
        tracing::debug!("a body that was refused did not end in time");
    }
}

/// The next bytes of a body; none at its end.
pub async fn next(payload: &mut Payload) -> Result<Option<Bytes>, Failure> {
    match tokio::time::timeout(IDLE, payload.next()).await {
        Err(_elapsed) => Err(stalled()),
        Ok(None) => Ok(None),
        Ok(Some(Ok(chunk))) => Ok(Some(chunk)),
        Ok(Some(Err(error))) => Err(Failure::invalid(format!("the body ended early or is damaged: {error}"))),
    }
}

/// Refuses what the client itself says is too much, before a byte of it is read.
pub fn announced(request: &HttpRequest, limit: u64) -> Result<(), Failure> {
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit) { Err(too_large(limit)) } else { Ok(()) }
}

/// More than the limit.
pub fn too_large(limit: u64) -> Failure {
    Error::new(ErrorCode::PayloadTooLarge, format!("the body has more than {limit} bytes, the most that is taken here"))
        .into()
}

/// Nothing came for too long.
pub fn stalled() -> Failure {
    Failure::invalid(format!("nothing of the body came for {} s; send it without pauses", IDLE.as_secs()))
}

/// The media type of the body, without parameters.
pub fn media_type(request: &HttpRequest) -> String {
    let header = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = header.and_then(|value| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    if essence.is_empty() { "application/octet-stream".to_owned() } else { essence }
}

/// JSON by type, with the place of the fault.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    // The path to a fault costs time, so it is looked for only where there is one.
    if let Ok(read) = serde_json::from_slice(bytes) {
        return Ok(read);
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let fault = match serde_path_to_error::deserialize(&mut reader) {
        Ok(read) => return reader.end().map(|()| read).map_err(|fault| unreadable(&fault)),
        Err(fault) => fault,
    };
    let path = fault.path().to_string();
    let fault = fault.into_inner();
    match path.as_str() {
        "" | "." | "?" => Err(unreadable(&fault)),
        _ => Err(Failure::param(&path, format!("{path} is not as expected: {fault}"))),
    }
}

fn unreadable(fault: &serde_json::Error) -> Failure {
    Failure::invalid(format!("the body is not the JSON expected: {fault}"))
}
