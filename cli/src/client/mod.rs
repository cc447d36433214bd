//! Calls to a running gateway. Knows HTTP and the documented error shape, never what a command shows.

mod events;
mod uploads;

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::Value;

use crate::cli::Globals;
use crate::error::{ApiError, usage};
use crate::system::SystemFile;
pub use events::{Event, is_final};
pub use uploads::{Attachment, Submission, media_type};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// No single call takes longer; streams are not bound by it.
pub const CALL_WITHIN: Duration = Duration::from_secs(150);

/// A gateway and the key to use there.
#[derive(Debug, Clone)]
pub struct Gateway {
    http: reqwest::Client,
    base: Url,
    key: String,
}

/// Where and as whom commands act: flags, then the environment, then the system that runs on the data folder.
pub fn connect(globals: &Globals) -> Result<Gateway> {
    use orrery_config::env;
    let file = SystemFile::read(&crate::system::data_folder(globals))?;
    let named = globals.url.clone().or_else(|| env::read(env::URL));
    let url = named.clone().or_else(|| file.as_ref().map(|file| file.gateway_url.clone()));
    let url = url.with_context(|| {
        format!("no system is running on {}: start one with `orrery up`, or name one with --url", data(globals))
    })?;
    // The local admin key opens the local system only.
    let local = file.filter(|file| file.gateway_url == url).map(|file| file.api_key);
    let key = globals.api_key.clone().or_else(|| env::read(env::API_KEY)).or(local);
    let key = key.ok_or_else(|| usage(format!("no API key for {url}: give one with --api-key or {}", env::API_KEY)))?;
    Gateway::new(&url, &key)
}

fn data(globals: &Globals) -> String {
    crate::system::data_folder(globals).display().to_string()
}

impl Gateway {
    /// At `url`, acting as `key`.
    pub fn new(url: &str, key: &str) -> Result<Self> {
        let base = Url::parse(url).map_err(|error| usage(format!("{url:?} is no URL: {error}")))?;
        if base.cannot_be_a_base() || !matches!(base.scheme(), "http" | "https") {
            return Err(usage(format!("{url:?} is no http or https URL")));
        }
        let http = reqwest::Client::builder().connect_timeout(CONNECT_WITHIN).build()?;
        Ok(Self { http, base, key: key.to_owned() })
    }

    /// The same gateway as someone else.
    pub fn acting_as(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// A request to `/v1/<segments>`; each segment is escaped.
    pub fn request(&self, method: Method, segments: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v1").extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.http.request(method, url).bearer_auth(&self.key)
    }

    /// Sends and checks the status.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request
            .send()
            .await
            .with_context(|| format!("cannot reach the gateway at {}; `orrery status` shows what runs", self.base))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await.into()) }
    }

    async fn json(&self, request: RequestBuilder) -> Result<Value> {
        let response = self.send(request.timeout(CALL_WITHIN)).await?;
        response.json().await.context("the gateway's answer is not JSON; is this URL an Orrery gateway?")
    }

    /// GET.
    pub async fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Value> {
        self.json(self.request(Method::GET, segments, query)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, segments: &[&str], body: &Value) -> Result<Value> {
        self.json(self.request(Method::POST, segments, &[]).json(body)).await
    }

    /// POST with a JSON body and, if given, a key that makes doing it twice the same.
    pub async fn post_once(&self, segments: &[&str], body: &Value, key: Option<&str>) -> Result<Value> {
        let mut request = self.request(Method::POST, segments, &[]).json(body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        self.json(request).await
    }

    /// DELETE.
    pub async fn delete(&self, segments: &[&str]) -> Result<Value> {
        self.json(self.request(Method::DELETE, segments, &[])).await
    }

    /// Sends bytes of a media type.
    pub async fn send_bytes(
        &self,
        method: Method,
        segments: &[&str],
        media_type: &str,
        body: Vec<u8>,
    ) -> Result<Value> {
        let request = self.request(method, segments, &[]).header(reqwest::header::CONTENT_TYPE, media_type);
        self.json(request.body(body)).await
    }

    /// All pages of a list, at most `limit` rows.
    pub async fn list(&self, segments: &[&str], query: &[(&str, &str)], limit: usize) -> Result<Value> {
        let mut rows: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page_size = (limit - rows.len()).min(100).to_string();
            let mut page_query = query.to_vec();
            page_query.push(("limit", &page_size));
            if let Some(cursor) = &cursor {
                page_query.push(("cursor", cursor));
            }
            let mut page = self.get(segments, &page_query).await?;
            if let Some(Value::Array(found)) = page.get_mut("data").map(Value::take) {
                rows.extend(found);
            }
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || rows.len() >= limit {
                rows.truncate(limit);
                return Ok(serde_json::json!({ "data": rows }));
            }
        }
    }

    /// The proof file of an outcome.
    pub async fn proof(&self, task: &str) -> Result<Vec<u8>> {
        let request = self.request(Method::GET, &["audit", "tasks", task, "proof"], &[]).timeout(CALL_WITHIN);
        Ok(self.send(request).await?.bytes().await.context("the proof did not arrive whole")?.to_vec())
    }

    /// The key that the log's checkpoints are signed with.
    pub async fn verifier_key(&self) -> Result<String> {
        let request = self.request(Method::GET, &["audit", "checkpoint"], &[]).timeout(CALL_WITHIN);
        let response = self.send(request).await?;
        let header = response.headers().get("orrery-verifier-key").and_then(|value| value.to_str().ok());
        Ok(header.context("the gateway did not name the log's key")?.to_owned())
    }
}

/// Reads the documented error shape, or says what came instead.
async fn refusal(response: Response) -> ApiError {
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    let error = body.get("error").cloned().unwrap_or_default();
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    ApiError {
        code: text("code").unwrap_or_else(|| status.as_str().to_owned()),
        message: text("message").unwrap_or_else(|| format!("the gateway answered {status}")),
        help: text("help"),
        detail: error.get("detail").filter(|detail| !detail.is_null()).cloned(),
        trace_id: text("trace_id"),
        retry_after_ms: error.get("retry_after_ms").and_then(Value::as_u64),
    }
}
