//! What a provider's failures mean here.

use std::time::Duration;

use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::quota::{WAIT_MAX, retry_after, span, text};

const ERROR_BYTES_MAX: usize = 16 << 10;
const ERROR_CHARS_SHOWN: usize = 300;
const FAULTS_SHOWN: usize = 8;
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

/// The provider refused. `pause` is what its rate limits say where it names no time itself.
pub(crate) async fn failed_status(provider: &str, response: Response, pause: Option<Duration>) -> Error {
    let status = response.status();
    let kind = text(response.headers(), "x-amzn-errortype").unwrap_or_default();
    let wait = retry_after(response.headers());
    let body = body_of(response).await;
    let told = body.as_ref().map(error_in);
    let code = told.and_then(code_of_word).or_else(|| code_of_kind(&kind)).unwrap_or_else(|| code_of_status(status));
    let wait = wait.or_else(|| retry_delay(told?)).or(pause.filter(|_| status == StatusCode::TOO_MANY_REQUESTS));
    let message = told_caller(code, body.as_ref().and_then(message_in)); // HTML of a proxy and the like tell nothing
    let error = Error::new(code, format!("provider {provider} refused with status {}: {message}", status.as_u16()));
    let error = match told.map(filtered).filter(|filtered| !filtered.is_empty()) {
        Some(filtered) => error.detail(json!({ "content_filter": filtered })),
        None => error,
    };
    match wait {
        Some(after) => error.retry_after(after),
        None => error,
    }
}

/// The provider said in a body of status 200, or in the middle of a stream, that it failed.
pub(crate) fn failed_within(provider: &str, body: &Value) -> Error {
    let told = error_in(body);
    let status = told.get("code").or_else(|| told.get("status")).and_then(|code| match code {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    });
    let status = status.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let code = code_of_word(told).or_else(|| status.map(code_of_status)).unwrap_or(ErrorCode::ModelFailed);
    let error = failed_midway(provider, code, message_in(body));
    match retry_delay(told) {
        Some(after) => error.retry_after(after),
        None => error,
    }
}

/// The same, of a provider whose own words for failures its kind knows. `message` is the provider's.
pub(crate) fn failed_midway(provider: &str, code: ErrorCode, message: Option<String>) -> Error {
    let message = told_caller(code, message);
    Error::new(code, format!("provider {provider} failed while it answered: {message}"))
}

fn told_caller(code: ErrorCode, message: Option<String>) -> String {
    match code {
        // Servers repeat part of a wrong key in such messages.
        ErrorCode::FailedPrecondition => "check its key, account and model name".to_owned(),
        _ => message.map_or_else(|| "no reason given".to_owned(), |message| shown(&message)),
    }
}

/// Whether a reply's body tells of a failure: `error` that is not null, or vLLM's older `"object": "error"`.
pub(crate) fn tells_failure(body: &Value) -> bool {
    body.get("error").is_some_and(|error| !error.is_null()) || body.get("object") == Some(&Value::from("error"))
}

fn code_of_status(status: StatusCode) -> ErrorCode {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => ErrorCode::InvalidRequest,
        _ if status.as_u16() == TOKEN_DENIED => ErrorCode::InvalidRequest,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::PayloadTooLarge,
        StatusCode::TOO_MANY_REQUESTS => ErrorCode::RateLimited,
        StatusCode::SERVICE_UNAVAILABLE => ErrorCode::Overloaded,
        _ if status.as_u16() == SITE_OVERLOADED => ErrorCode::Overloaded,
        // Our key, our account or our model name is at fault, not the caller's request.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PAYMENT_REQUIRED | StatusCode::NOT_FOUND => {
            ErrorCode::FailedPrecondition
        }
        _ => ErrorCode::ModelFailed,
    }
}

/// What a vendor's own word for a failure says better than its status does.
fn code_of_word(error: &Value) -> Option<ErrorCode> {
    let word = |field: &str| error.get(field).and_then(Value::as_str);
    let words = [word("code"), word("type"), word("status")];
    // Google says this with status 400.
    if details(error).any(|detail| detail.get("reason").and_then(Value::as_str) == Some("API_KEY_INVALID")) {
        return Some(ErrorCode::FailedPrecondition);
    }
    words.into_iter().flatten().find_map(|word| match word {
        // Another provider's filter may judge otherwise, so this is not the request's fault for good.
        "content_filter" | "content_policy_violation" | "moderation_blocked" => Some(ErrorCode::PolicyDenied),
        "insufficient_quota" | "billing_hard_limit_reached" => Some(ErrorCode::FailedPrecondition),
        "rate_limit_exceeded" | "rate_limit_error" | "rate_limited" | "RESOURCE_EXHAUSTED" => {
            Some(ErrorCode::RateLimited)
        }
        "overloaded_error" | "overloaded" | "UNAVAILABLE" | "service_unavailable" => Some(ErrorCode::Overloaded),
        "context_length_exceeded" | "string_above_max_length" => Some(ErrorCode::InvalidRequest),
        _ => None,
    })
}

/// AWS's kinds of errors that share status 400 with others.
fn code_of_kind(kind: &str) -> Option<ErrorCode> {
    let is_limit = kind.starts_with("ServiceQuotaExceeded") || kind.starts_with("Throttling");
    is_limit.then_some(ErrorCode::RateLimited)
}

/// Google's details of an error (`google.rpc`).
fn details(error: &Value) -> impl Iterator<Item = &Value> {
    error.get("details").and_then(Value::as_array).into_iter().flatten()
}

/// `google.rpc.RetryInfo`.
fn retry_delay(error: &Value) -> Option<Duration> {
    let delay = details(error).find_map(|detail| span(detail.get("retryDelay")?.as_str()?));
    delay.map(|delay| delay.min(WAIT_MAX))
}

/// Names of what a filter found, where it tells: Azure's `innererror.content_filter_result`.
fn filtered(error: &Value) -> Vec<&str> {
    let result = error.pointer("/innererror/content_filter_result").and_then(Value::as_object);
    let found = result.into_iter().flatten().filter(|(_, found)| found.get("filtered") == Some(&Value::Bool(true)));
    found.map(|(name, _)| name.as_str()).collect()
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

/// The object that tells of the failure; the body itself where it is not set apart.
fn error_in(body: &Value) -> &Value {
    let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
    body.get("error").filter(|error| error.is_object()).unwrap_or(body)
}

/// Where vendors put the message: `{"error":{"message"}}` (OpenAI, Anthropic, Google), `{"error":"…"}` (KServe, Ollama),
/// `{"message"}` (Cohere, AWS, Mistral), `{"detail"}` (FastAPI), or one of these in a list of one (Google, streamed).
/// FastAPI, and Mistral within `message`, list the faults of a request, each with its place.
fn message_in(body: &Value) -> Option<String> {
    let body = body.as_array().and_then(|list| list.first()).unwrap_or(body);
    let error = body.get("error");
    let places = [
        error.and_then(|error| error.get("message")),
        error,
        body.get("message"),
        body.get("Message"),
        body.get("detail"),
        body.pointer("/message/detail"),
    ];
    places.into_iter().flatten().find_map(|told| match told {
        Value::String(text) => Some(shown(text)),
        Value::Array(faults) => faults_in(faults),
        _ => None,
    })
}

fn faults_in(faults: &[Value]) -> Option<String> {
    let fault = |fault: &Value| {
        let what = fault.get("msg").and_then(Value::as_str)?;
        let place = fault.get("loc").and_then(Value::as_array).into_iter().flatten();
        let place: Vec<String> =
            place.map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect();
        Some(if place.is_empty() { what.to_owned() } else { format!("{}: {what}", place.join(".")) })
    };
    let told: Vec<String> = faults.iter().take(FAULTS_SHOWN).filter_map(fault).collect();
    (!told.is_empty()).then(|| shown(&told.join("; ")))
}

/// A provider's text as it may stand in our messages: short and on one line.
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(ERROR_CHARS_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            assert_eq!(message_in(&body).as_deref(), Some("m"), "{body}");
        }
        assert_eq!(message_in(&json!({"detail": [1]})), None);
        let faults = json!([{"loc": ["body", "messages", 0], "msg": "field required"}, {"msg": "no"}]);
        for body in [json!({"detail": faults}), json!({"object": "error", "message": {"detail": faults}})] {
            assert_eq!(message_in(&body).as_deref(), Some("body.messages.0: field required; no"), "{body}");
        }
    }

    #[test]
    fn a_failure_within_a_reply_has_the_code_that_its_body_tells() {
        let table = [
            (json!({"error": {"message": "m", "code": 429}}), ErrorCode::RateLimited),
            (json!({"error": {"message": "m", "code": "503"}}), ErrorCode::Overloaded),
            (json!({"error": {"message": "m", "code": "rate_limit_exceeded"}}), ErrorCode::RateLimited),
            (json!({"error": {"message": "m", "type": "overloaded_error"}}), ErrorCode::Overloaded),
            (json!({"error": {"message": "m", "code": "content_filter"}}), ErrorCode::PolicyDenied),
            (json!({"error": {"message": "m", "code": "insufficient_quota"}}), ErrorCode::FailedPrecondition),
            (json!({"error": {"message": "m", "code": 400}}), ErrorCode::InvalidRequest),
            (json!({"error": "m"}), ErrorCode::ModelFailed),
            (json!({"object": "error", "message": "m", "code": 400}), ErrorCode::InvalidRequest),
        ];
        for (body, code) in table {
            assert_eq!(failed_within("p", &body).code, code, "{body}");
        }
    }

    fn words() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<Option<bool>>().prop_map(|it| json!(it)),
            any::<i64>().prop_map(|it| json!(it)),
            ".{0,8}".prop_map(|it| json!(it)),
        ];
        let key = prop_oneof![
            Just("error".to_owned()),
            Just("message".to_owned()),
            Just("detail".to_owned()),
            Just("code".to_owned()),
            Just("innererror".to_owned()),
            Just("loc".to_owned()),
        ];
        leaf.prop_recursive(4, 32, 4, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::btree_map(key.clone(), inner, 0..4).prop_map(|it| json!(it)),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_body_gives_an_error_of_bounded_length(body in words()) {
            let error = failed_within("p", &body);
            prop_assert!(error.message.chars().count() < ERROR_CHARS_SHOWN + 100);
            prop_assert!(!error.message.chars().any(char::is_control));
        }
    }

    #[test]
    fn google_says_in_details_what_others_say_in_heads() {
        let slow = |delay: &str| {
            let info = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay});
            let details = json!([{"reason": "RATE_LIMIT_EXCEEDED"}, info]);
            json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "m", "details": details}})
        };
        for (body, wait) in [
            (slow("34.5s"), Duration::from_millis(34_500)),
            (json!([slow("1s")]), Duration::from_secs(1)),
            (slow("9999999s"), WAIT_MAX),
        ] {
            let error = failed_within("p", &body);
            assert_eq!((error.code, error.retry_after), (ErrorCode::RateLimited, Some(wait)), "{body}");
        }
        let key = json!({"error": {"code": 400, "message": "key k", "details": [{"reason": "API_KEY_INVALID"}]}});
        let error = failed_within("p", &key);
        assert!(error.code == ErrorCode::FailedPrecondition && !error.message.contains("key k"), "{error}");
        assert_eq!(failed_within("p", &json!({"error": {"details": "x"}})).retry_after, None);
    }
}
