//! `call: mcp` (DSL reference, "MCP Call"): a server of the Model Context Protocol over streamable HTTP.

use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::http::{headers_of, url_of};
use super::jsonrpc::Peer;
use super::{Errand, OutwardCalls};
use crate::domain::definition::duration;
use crate::providers::Failure;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const VERSION_DEFAULT: &str = "2025-06-18";

impl OutwardCalls {
    pub(super) async fn mcp(&self, errand: &Errand<'_>) -> Result<Value, Failure> {
        let arguments = errand.arguments;
        let deadline = match arguments.get("timeout") {
            None => errand.deadline,
            Some(timeout) => {
                let timeout = duration::parse(timeout).map_err(|error| Failure::invalid(error.to_string()))?;
                errand.deadline.min(Instant::now() + timeout)
            }
        };
        let errand = &Errand { deadline, ..*errand };
        let endpoint = arguments.get("endpoint").unwrap_or(&Value::Null);
        let url = url_of(endpoint.get("uri"))?;
        let headers = headers_of(arguments.get("headers"))?;
        let mut peer = Peer { url, authentication: endpoint.get("authentication"), headers };
        self.initialize(errand, &mut peer).await?;
        let method = arguments.get("method").and_then(Value::as_str).unwrap_or_default();
        let params = arguments.get("parameters").cloned().unwrap_or_default();
        let mut results = self.rpc(errand, &peer, method, &params).await?.results;
        Ok(results.pop().unwrap_or_default())
    }

    /// "Before making any MCP requests, runtimes **must** first send an `initialize` call to establish the connection."
    async fn initialize(&self, errand: &Errand<'_>, peer: &mut Peer<'_>) -> Result<(), Failure> {
        let wanted = errand.arguments.get("protocolVersion").and_then(Value::as_str).unwrap_or(VERSION_DEFAULT);
        let own = json!({ "name": "orrery", "version": env!("CARGO_PKG_VERSION") });
        let client = errand.arguments.get("client").cloned().unwrap_or(own);
        let params = json!({ "protocolVersion": wanted, "capabilities": {}, "clientInfo": client });
        let answer = self.rpc(errand, peer, "initialize", &params).await?;
        let spoken = answer.results.last().and_then(|it| it.get("protocolVersion")).and_then(Value::as_str);
        let version = HeaderValue::from_str(spoken.unwrap_or(wanted));
        peer.headers.extend(version.ok().map(|version| (VERSION, version)));
        peer.headers.extend(answer.headers.get(&SESSION).map(|session| (SESSION, session.clone())));
        self.notify(errand, peer, "notifications/initialized").await
    }
}
