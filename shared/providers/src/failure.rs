//! What a provider's failures mean here.

use std::time::Duration;

use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::quota::{retry_after, span, text};

const ERROR_BYTES_MAX: usize = 16 << 10;
const ERROR_CHARS_SHOWN: usize = 300;
/// Anthropic's and other servers' "overloaded"; not a registered status.
const SITE_OVERLOADED: u16 = 529;
/// Cohere's "a deny-listed token in the request"; not a registered status.
const TOKEN_DENIED: u16 = 498;

/// The connection failed before or while a reply came.
pub(crate) fn failed_transport(provider: &str, error: &reqwest::Error) -> Error {
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
pub(crate) fn broken(provider: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorCode::ModelFailed, format!("provider {provider} answered wrongly: {what}"))
}

/// The order asks for something that this provider's dialect has no word for.
pub(crate) fn unsupported(provider: &str, what: &str) -> Error {
    Error::new(
        ErrorCode::UnsupportedMedia,
        format!("provider {provider} does not take {what}; leave it out or ask another model"),
    )
}

/// The provider refused.
pub(crate) async fn failed_status(provider: &str, response: Response) -> Error {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let kind = text(response.headers(), "x-amzn-errortype").unwrap_or_default();
    let body = body_of(response).await.unwrap_or_default();
    let code = match status {
        // Google says so with status 400, and AWS with a kind of error that has the same.
        _ if is_key_invalid(&body) => ErrorCode::FailedPrecondition,
        _ if kind.starts_with("ServiceQuotaExceeded") || kind.starts_with("Throttling") => ErrorCode::RateLimited,
        _ if status.as_u16() == TOKEN_DENIED => ErrorCode::InvalidRequest,
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
        _ => message_in(&body).map_or_else(|| "no reason given".to_owned(), shown), // HTML of a proxy and the like
    };
    let error = Error::new(code, format!("provider {provider} refused with status {}: {message}", status.as_u16()));
    match retry_after.or_else(|| retry_delay(&body)) {
        Some(after) => error.retry_after(after),
        None => error,
    }
}

/// The provider failed when its answer had begun. `message` is its own.
pub(crate) fn failed_midway(provider: &str, code: ErrorCode, message: &str) -> Error {
    Error::new(code, format!("provider {provider} failed while it answered: {}", shown(message)))
}

/// Google's details of an error (`google.rpc`).
fn details(body: &Value) -> impl Iterator<Item = &Value> {
    let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
    body.get("error").and_then(|error| error.get("details")).and_then(Value::as_array).into_iter().flatten()
}

fn is_key_invalid(body: &Value) -> bool {
    details(body).any(|detail| detail.get("reason").and_then(Value::as_str) == Some("API_KEY_INVALID"))
}

/// `google.rpc.RetryInfo`.
pub(crate) fn retry_delay(body: &Value) -> Option<Duration> {
    details(body).find_map(|detail| span(detail.get("retryDelay")?.as_str()?))
}

async fn body_of(response: Response) -> Option<Value> {
    let mut body = response.bytes_stream();
    let mut bytes = Vec::new();
    while let Some(Ok(part)) = body.next().await {
        bytes.extend_from_slice(&part);
        if bytes.len() > ERROR_BYTES_MAX {
            break;
        }
    }
    serde_json::from_slice(&bytes).ok()
}

/// Where vendors put the message: `{"error":{"message"}}` (OpenAI, Anthropic, Google), `{"error":"…"}` (KServe, Ollama),
/// `{"message"}` (Cohere, AWS, Mistral), `{"detail"}` (FastAPI), or one of these in a list of one (Google, streamed).
fn message_in(body: &Value) -> Option<&str> {
    let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
    let error = body.get("error");
    let places = [
        error.and_then(|error| error.get("message")),
        error,
        body.get("message"),
        body.get("Message"),
        body.get("detail"),
    ];
    places.into_iter().flatten().find_map(Value::as_str)
}

/// A provider's text as it may stand in our messages: short and on one line.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(ERROR_CHARS_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_message_is_found_where_each_vendor_puts_it() {
        let bodies = [
            json!({"error": {"message": "m", "code": 1}}),
            json!({"error": "m"}),
            json!({"message": "m"}),
            json!({"detail": "m"}),
            json!([{"error": {"message": "m"}}]),
        ];
        for body in bodies {
            assert_eq!(message_in(&body), Some("m"), "{body}");
        }
        assert_eq!(message_in(&json!({"detail": [1]})), None);
    }

    #[test]
    fn google_says_in_details_what_others_say_in_heads() {
        let info = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"});
        let body = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{"reason": "RATE_LIMIT_EXCEEDED"}, info]}});
        assert_eq!(retry_delay(&body), Some(Duration::from_millis(34_500)));
        assert_eq!(retry_delay(&json!([body])), Some(Duration::from_millis(34_500)));
        assert!(!is_key_invalid(&body));
        assert!(is_key_invalid(&json!({"error": {"code": 400, "details": [{"reason": "API_KEY_INVALID"}]}})));
        assert_eq!(retry_delay(&json!({"error": {"details": "x"}})), None);
    }
}
