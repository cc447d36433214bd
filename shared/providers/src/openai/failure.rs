//! What an OpenAI-like server's failures mean here.

use std::time::Duration;

use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use super::wire::ErrorReply;

const ERROR_BYTES_MAX: usize = 16 << 10;
const ERROR_CHARS_SHOWN: usize = 300;
/// Anthropic's and other servers' "overloaded"; not a registered status.
const SITE_OVERLOADED: u16 = 529;

/// The connection failed before or while a reply came.
pub(super) fn failed_transport(provider: &str, error: &reqwest::Error) -> Error {
    let (code, what) = match () {
        () if error.is_timeout() => (ErrorCode::ModelFailed, "did not answer in time"),
        () if error.is_connect() => (ErrorCode::Unavailable, "cannot be reached"),
        () => (ErrorCode::ModelFailed, "broke the connection"),
    };
    // The cause names the address; the log may, a caller need not know it.
    tracing::debug!(provider, error = %error, "provider transport failed");
    Error::new(code, format!("provider {provider} {what}"))
}

/// The provider's reply breaks its own protocol.
pub(super) fn broken(provider: &str, what: String) -> Error {
    Error::new(ErrorCode::ModelFailed, format!("provider {provider} answered wrongly: {what}"))
}

/// The provider refused.
pub(super) async fn failed_status(provider: &str, response: Response) -> Error {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let code = match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => ErrorCode::InvalidRequest,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
        StatusCode::TOO_MANY_REQUESTS => ErrorCode::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => ErrorCode::Overloaded,
        _ if status.as_u16() == SITE_OVERLOADED => ErrorCode::Overloaded,
        // Our key, our account or our model name is at fault, not the caller's request.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PAYMENT_REQUIRED | StatusCode::NOT_FOUND => {
            ErrorCode::FailedPrecondition
        }
        _ => ErrorCode::ModelFailed,
    };
    let message = match code {
        // Servers repeat part of a wrong key in such messages.
        ErrorCode::FailedPrecondition => "check its key, account and model name".to_owned(),
        _ => message_of(response).await,
    };
    let error = Error::new(code, format!("provider {provider} refused with status {}: {message}", status.as_u16()));
    match retry_after {
        Some(after) => error.retry_after(after),
        None => error,
    }
}

async fn message_of(response: Response) -> String {
    let mut body = response.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(Ok(part)) = body.next().await {
        bytes.extend_from_slice(&part);
        if bytes.len() > ERROR_BYTES_MAX {
            break;
        }
    }
    match serde_json::from_slice::<ErrorReply>(&bytes) {
        Ok(reply) => shown(&reply.error.message),
        Err(_) => "no reason given".to_owned(), // HTML of a proxy and the like
    }
}

/// A provider's text as it may stand in our messages: short and on one line.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(ERROR_CHARS_SHOWN).collect()
}

/// Seconds in `Retry-After`, or OpenAI's milliseconds, which are finer. Dates are not sent by such servers.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |value: Option<&reqwest::header::HeaderValue>| value?.to_str().ok()?.trim().parse::<f64>().ok();
    let milliseconds = number(headers.get("retry-after-ms")).map(|ms| ms / 1000.0);
    let seconds = milliseconds.or_else(|| number(headers.get(RETRY_AFTER)))?;
    Duration::try_from_secs_f64(seconds).ok()
}
