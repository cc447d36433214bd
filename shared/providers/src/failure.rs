//! What a provider's failures mean here.

use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::quota::retry_after;

const ERROR_BYTES_MAX: usize = 16 << 10;
const ERROR_CHARS_SHOWN: usize = 300;
/// Anthropic's and other servers' "overloaded"; not a registered status.
const SITE_OVERLOADED: u16 = 529;

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
    let told = serde_json::from_slice::<Value>(&bytes).ok().and_then(|body| message_in(&body).map(shown));
    told.unwrap_or_else(|| "no reason given".to_owned()) // HTML of a proxy and the like
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
}
