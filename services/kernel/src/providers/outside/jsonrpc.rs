//! JSON-RPC 2.0 over HTTP, as agents and tool servers speak it: one request, answered by a JSON document or by a stream of
//! server-sent events, which is read to its end.

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::content;
use super::exchange::{Request, Response, host};
use super::http::refused;
use super::{Errand, OutwardCalls};
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;

const EVENTS: &str = "text/event-stream";

/// Whom a call goes to.
pub struct Peer<'a> {
    /// Where it is.
    pub url: Url,
    /// How to authenticate.
    pub authentication: Option<&'a Value>,
    /// Headers of every request.
    pub headers: HeaderMap,
}

/// What came back.
pub struct Answer {
    /// The results, in their order.
    pub results: Vec<Value>,
    /// The headers of the answer.
    pub headers: HeaderMap,
}

impl OutwardCalls {
    /// Calls a method; an error of the other side is one here.
    pub(super) async fn rpc(
        &self,
        errand: &Errand<'_>,
        peer: &Peer<'_>,
        method: &str,
        params: &Value,
    ) -> Result<Answer, Failure> {
        const ID: u64 = 1;
        let mut message = json!({ "jsonrpc": "2.0", "id": ID, "method": method });
        if let Some(fields) = message.as_object_mut().filter(|_| !params.is_null()) {
            fields.insert("params".to_owned(), params.clone());
        }
        let response = self.post(errand, peer, &message).await?;
        let mut results = Vec::new();
        for message in messages(&response)? {
            // A server may send requests and notifications of its own on the way.
            if message.get("id").and_then(Value::as_u64) != Some(ID) {
                continue;
            }
            match (message.get("result"), message.get("error")) {
                (Some(result), _) => results.push(result.clone()),
                (None, Some(error)) => return Err(Failure::last(erred(&peer.url, method, error))),
                (None, None) => {}
            }
        }
        if results.is_empty() {
            return Err(Failure::communication(format!("{} did not answer {method}", host(&peer.url))));
        }
        Ok(Answer { results, headers: response.headers })
    }

    /// Says something that is not answered.
    pub(super) async fn notify(&self, errand: &Errand<'_>, peer: &Peer<'_>, method: &str) -> Result<(), Failure> {
        self.post(errand, peer, &json!({ "jsonrpc": "2.0", "method": method })).await.map(|_| ())
    }

    async fn post(&self, errand: &Errand<'_>, peer: &Peer<'_>, message: &Value) -> Result<Response, Failure> {
        let mut headers = peer.headers.clone();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json, text/event-stream"));
        let body = content::encode(message, &mut headers)?;
        let request = Request { method: Method::POST, url: peer.url.clone(), headers, body, redirect: false };
        let response = self.authenticated(errand, request.clone(), peer.authentication).await?;
        if !response.status.is_success() {
            return Err(Failure::last(refused(&request, &response)));
        }
        Ok(response)
    }
}

/// The messages of an answer.
fn messages(response: &Response) -> Result<Vec<Value>, Failure> {
    let unreadable = |error: serde_json::Error| Failure::communication(format!("the answer is no JSON-RPC: {error}"));
    if content::media_type(&response.headers) != EVENTS {
        return serde_json::from_slice(&response.body).map(|message| vec![message]).map_err(unreadable);
    }
    let text = String::from_utf8_lossy(&response.body);
    let data = events(&text).into_iter().filter(|data| !data.trim().is_empty());
    data.map(|data| serde_json::from_str(&data).map_err(unreadable)).collect()
}

/// The data of each server-sent event (HTML standard, "Interpreting an event stream").
fn events(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let event = |event: &str| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
    };
    text.split("\n\n").map(event).collect()
}

/// "On failure runtimes must raise an error with type runtime".
fn erred(url: &Url, method: &str, error: &Value) -> Fault {
    let text = error.get("message").and_then(Value::as_str).unwrap_or("it gave no reason");
    let code = error.get("code").map(Value::to_string).unwrap_or_default();
    Fault::new(Standard::Runtime, format!("{} refused {method} with the error {code}: {text}", host(url)))
}

#[cfg(test)]
mod tests {
    use super::events;

    #[test]
    fn events_are_read_line_by_line() {
        let text = ": hello\r\nevent: message\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\ndata:2\n\nid: 3\n\n";
        assert_eq!(events(text), ["{\"a\":\n1}", "2", "", ""]);
    }
}
