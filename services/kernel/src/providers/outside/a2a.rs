//! `call: a2a` (DSL reference, "A2A Call"): an agent, by its card or its address, over JSON-RPC.

use orrery_types::Sha256Digest;
use reqwest::Url;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::document::Document;
use super::http::url_of;
use super::jsonrpc::Peer;
use super::{Errand, OutwardCalls};
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;

/// Methods whose answer is a stream: "the output is a sequentially ordered array of all the result objects".
const STREAMED: [&str; 2] = ["message/stream", "tasks/resubscribe"];
/// Methods that take a message.
const SENDING: [&str; 2] = ["message/send", "message/stream"];
/// The transport that is spoken here, by its name in a card.
const JSONRPC: &str = "JSONRPC";

impl OutwardCalls {
    pub(super) async fn a2a(&self, errand: &Errand<'_>) -> Result<Value, Failure> {
        let arguments = errand.arguments;
        let (url, authentication) = match arguments.get("agentCard") {
            Some(card) => {
                let document = self.document(errand, card).await?;
                (address(&document)?, card.get("authentication"))
            }
            None => {
                let server = arguments.get("server").unwrap_or(&Value::Null);
                (url_of(server.get("uri"))?, server.get("authentication"))
            }
        };
        let method = arguments.get("method").and_then(Value::as_str).unwrap_or_default();
        let mut params = arguments.get("parameters").cloned().unwrap_or_default();
        if SENDING.contains(&method) {
            complete(&mut params, &errand.call.key)?;
        }
        let peer = Peer { url, authentication, headers: HeaderMap::new() };
        let mut results = self.rpc(errand, &peer, method, &params).await?.results;
        Ok(match STREAMED.contains(&method) {
            true => Value::Array(results),
            false => results.pop().unwrap_or_default(),
        })
    }
}

/// "Runtimes must default `message.messageId` to a uuid and `message.role` to `user`." The id follows from the call's key, so
/// that a message that is sent again is known as the same.
fn complete(params: &mut Value, key: &str) -> Result<(), Failure> {
    let message = params.get_mut("message").and_then(Value::as_object_mut);
    let message = message.ok_or_else(|| Failure::invalid("`parameters` must hold a `message`"))?;
    message.entry("kind").or_insert_with(|| json!("message"));
    message.entry("role").or_insert_with(|| json!("user"));
    message.entry("messageId").or_insert_with(|| {
        let digest = Sha256Digest::of(key.as_bytes());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest.as_bytes()).for_each(|(to, from)| *to = *from);
        json!(uuid::Builder::from_custom_bytes(bytes).into_uuid().hyphenated().to_string())
    });
    Ok(())
}

/// Where the agent of a card is spoken to.
fn address(card: &Document) -> Result<Url, Failure> {
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let preferred = text(&card.root, "preferredTransport").unwrap_or_else(|| JSONRPC.to_owned());
    let others = card.root.get("additionalInterfaces").and_then(Value::as_array);
    let mut others = others.into_iter().flatten().filter(|it| text(it, "transport").as_deref() == Some(JSONRPC));
    let url = match preferred == JSONRPC {
        true => text(&card.root, "url"),
        false => others.find_map(|it| text(it, "url")),
    };
    let wrong = |detail: &str| Failure::last(Fault::new(Standard::Configuration, detail));
    let url = url.ok_or_else(|| wrong("the agent card names no `url` for JSON-RPC"))?;
    card.url.join(&url).map_err(|error| wrong(&format!("the agent card's `url` is no URL: {error}")))
}
