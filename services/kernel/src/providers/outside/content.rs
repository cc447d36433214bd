//! Between the values of a workflow and the content of requests and answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::exchange::Response;
use crate::providers::Failure;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The media type of a header map, lower case and without parameters.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    media_type == JSON || media_type == "text/json" || media_type.ends_with("+json")
}

/// The content of a request. Text goes as it stands, an object as a form where the headers say so, all else as JSON; what
/// the headers leave open is filled in.
pub fn encode(body: &Value, headers: &mut HeaderMap) -> Result<Option<Bytes>, Failure> {
    let declared = media_type(headers);
    let (content, default) = match body {
        Value::Null => return Ok(None),
        Value::String(text) => (text.clone(), "text/plain; charset=utf-8"),
        Value::Object(fields) if declared == FORM => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            for (name, value) in fields {
                form.append_pair(name, &plain(value));
            }
            (form.finish(), FORM)
        }
        value if declared.is_empty() || is_json(&declared) => (value.to_string(), JSON),
        _ => {
            let detail =
                format!("a body that is no text cannot be sent as {declared:?}: give text, or send JSON or a form");
            return Err(Failure::invalid(detail));
        }
    };
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(default));
    Ok(Some(content.into()))
}

/// A value as a parameter.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The content of an answer: JSON as its value, text as text, all else in base 64; null when there is none.
pub fn decode(response: &Response) -> Result<Value, Failure> {
    if response.body.is_empty() {
        return Ok(Value::Null);
    }
    let media_type = media_type(&response.headers);
    if is_json(&media_type) {
        return serde_json::from_slice(&response.body)
            .map_err(|error| Failure::communication(format!("the answer says that it is JSON, and is not: {error}")));
    }
    Ok(match std::str::from_utf8(&response.body) {
        Ok(text) if !text.contains('\0') => json!(text),
        _ if is_latin_1(&response.headers) => {
            json!(response.body.iter().map(|byte| char::from(*byte)).collect::<String>())
        }
        _ => raw(&response.body),
    })
}

fn is_latin_1(headers: &HeaderMap) -> bool {
    let value =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    value.contains("charset=iso-8859-1") || value.contains("charset=\"iso-8859-1\"")
}

/// Content in base 64; null when there is none.
pub fn raw(body: &[u8]) -> Value {
    match body {
        [] => Value::Null,
        body => json!(STANDARD.encode(body)),
    }
}
