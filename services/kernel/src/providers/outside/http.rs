//! `call: http` (DSL reference, "HTTP Call"), and what every call over HTTP shares: credentials, the idempotency key, what
//! counts as an error, and the shape of the output.

use orrery_types::Sha256Digest;
use reqwest::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
    UPGRADE,
};
use reqwest::{Method, Url};
use serde_json::{Map, Value, json};

use super::content;
use super::exchange::{Request, Response, host};
use super::{Errand, OutwardCalls};
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;

/// Under this key a service can tell a repeated request from a new one.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Headers that belong to the connection.
const BARRED: [HeaderName; 5] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE];
/// Headers that are not shown to the workflow again.
const CREDENTIALS: [HeaderName; 2] = [AUTHORIZATION, COOKIE];
/// How much of an error's content its detail quotes.
const QUOTED_CHARS: usize = 300;

impl OutwardCalls {
    pub(super) async fn http(&self, errand: &Errand<'_>) -> Result<Value, Failure> {
        let arguments = errand.arguments;
        let endpoint = arguments.get("endpoint").unwrap_or(&Value::Null);
        let mut url = url_of(endpoint.get("uri"))?;
        add_query(&mut url, arguments.get("query"))?;
        let mut headers = headers_of(arguments.get("headers"))?;
        let body = content::encode(arguments.get("body").unwrap_or(&Value::Null), &mut headers)?;
        let method = arguments.get("method").and_then(Value::as_str).unwrap_or_default();
        let request = Request { method: method_of(method)?, url, headers, body, redirect: redirects(arguments) };
        self.request(errand, request, endpoint.get("authentication"), method).await
    }

    /// Sends a request with its credentials; the answer becomes the output that the arguments ask for, or an error.
    pub(super) async fn request(
        &self,
        errand: &Errand<'_>,
        mut request: Request,
        authentication: Option<&Value>,
        method: &str,
    ) -> Result<Value, Failure> {
        if !request.method.is_safe() && !request.headers.contains_key(&IDEMPOTENCY_KEY) {
            // The key itself would tell strangers how the workflow is built.
            let key = Sha256Digest::of(errand.call.key.as_bytes()).to_hex();
            request.headers.extend(HeaderValue::from_str(&key).ok().map(|key| (IDEMPOTENCY_KEY, key)));
        }
        let response = self.authenticated(errand, request.clone(), authentication).await?;
        let fine = response.status.is_success() || (request.redirect && response.status.is_redirection());
        if !fine {
            return Err(Failure::last(refused(&request, &response)));
        }
        Ok(match errand.arguments.get("output").and_then(Value::as_str).unwrap_or("content") {
            "raw" => content::raw(&response.body),
            "response" => json!({
                "request": {
                    "method": method,
                    "uri": errand.shown(request.url.as_str()),
                    "headers": shown(errand, &request.headers),
                },
                "statusCode": response.status.as_u16(),
                "headers": map(&response.headers),
                "content": content::decode(&response)?,
            }),
            _ => content::decode(&response)?,
        })
    }
}

/// An answer outside the range that the call takes: "an error of type communication with the status".
pub(super) fn refused(request: &Request, response: &Response) -> Fault {
    let reason = response.status.canonical_reason().unwrap_or("an error");
    let text = match content::decode(response) {
        Ok(Value::Null) | Err(_) => String::new(),
        Ok(value) => format!(": {}", content::plain(&value).chars().take(QUOTED_CHARS).collect::<String>()),
    };
    let status = u64::from(response.status.as_u16());
    let detail = format!("{} answered {status} {reason}{text}", host(&request.url));
    Fault::new(Standard::Communication, detail).with_status(status).titled(reason)
}

/// The URL that an endpoint names.
pub(super) fn url_of(uri: Option<&Value>) -> Result<Url, Failure> {
    let text = uri.and_then(Value::as_str);
    let text = text.ok_or_else(|| Failure::invalid("the endpoint's `uri` must be text"))?;
    text.trim().parse().map_err(|error| Failure::invalid(format!("the endpoint's `uri` is no URL: {error}")))
}

pub(super) fn redirects(arguments: &Value) -> bool {
    arguments.get("redirect").and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn method_of(text: &str) -> Result<Method, Failure> {
    let method = Method::from_bytes(text.to_ascii_uppercase().as_bytes());
    let known = method.ok().filter(|method| *method != Method::CONNECT);
    known.ok_or_else(|| Failure::invalid(format!("{text:?} is not a method that can be called")))
}

/// Adds parameters; null adds none, a list adds one of each.
pub(super) fn add_query(url: &mut Url, query: Option<&Value>) -> Result<(), Failure> {
    let fields = match query {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(Failure::invalid("`query` must be an object")),
    };
    let mut pairs = Vec::new();
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::Array(items) => pairs.extend(items.iter().map(|item| (name, content::plain(item)))),
            value => pairs.push((name, content::plain(value))),
        }
    }
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    Ok(())
}

/// The headers that the arguments give; null gives none.
pub(super) fn headers_of(value: Option<&Value>) -> Result<HeaderMap, Failure> {
    let fields = match value {
        None | Some(Value::Null) => return Ok(HeaderMap::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(Failure::invalid("`headers` must be an object")),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let key = name.parse::<HeaderName>().ok().filter(|name| !BARRED.contains(name));
        let key = key.ok_or_else(|| Failure::invalid(format!("the header {name:?} cannot be set")))?;
        // The value may be a secret and is not quoted.
        let value = HeaderValue::from_str(content::plain(value).trim());
        headers
            .insert(key, value.map_err(|_| Failure::invalid(format!("the value of the header {name:?} is invalid")))?);
    }
    Ok(headers)
}

fn shown(errand: &Errand<'_>, headers: &HeaderMap) -> Value {
    let mut headers = headers.clone();
    for name in CREDENTIALS {
        headers.remove(name);
    }
    match map(&headers) {
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let value = value.as_str().map(|text| errand.shown(text)).unwrap_or_default();
                (name, json!(value))
            };
            Value::Object(fields.into_iter().map(field).collect())
        }
        other => other,
    }
}

/// Headers as an object; several of one name become one, as RFC 9110 section 5.3 has it.
pub(super) fn map(headers: &HeaderMap) -> Value {
    let mut fields = Map::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        fields.insert(name.as_str().to_owned(), json!(values.collect::<Vec<_>>().join(", ")));
    }
    Value::Object(fields)
}
