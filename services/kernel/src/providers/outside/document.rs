//! Documents that describe services: got when a call needs one, kept for a while, and looked into by reference.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orrery_types::Sha256Digest;
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::exchange::{Request, host};
use super::http::url_of;
use super::{Errand, OutwardCalls};
use crate::domain::definition;
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;
use crate::resources::Fetch;

const KEPT_MAX: usize = 64;
/// How long getting what a definition takes from elsewhere may take.
const FETCH: Duration = Duration::from_secs(30);
const KEPT_FOR: Duration = Duration::from_secs(300);
/// References that lead to references.
const HOPS_MAX: usize = 16;
/// All but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A document and where it lies.
#[derive(Debug)]
pub struct Document {
    /// Its content.
    pub root: Value,
    /// From which relative URLs in it start.
    pub url: Url,
}

impl Document {
    /// What a value stands for: itself, or what its `$ref` points to in the same document.
    pub fn resolve<'a>(&'a self, mut value: &'a Value) -> Result<&'a Value, Failure> {
        for _ in 0..HOPS_MAX {
            let Some(reference) = value.get("$ref").and_then(Value::as_str) else { return Ok(value) };
            let found = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            value =
                found.ok_or_else(|| wrong(format!("the document's reference {reference:?} leads nowhere in it")))?;
        }
        Err(wrong("the document's references lead in a circle".to_owned()))
    }
}

/// Documents at hand.
#[derive(Debug, Default)]
pub struct Documents {
    kept: Mutex<HashMap<Sha256Digest, (Instant, Arc<Document>)>>,
}

impl Documents {
    fn get(&self, key: &Sha256Digest) -> Option<Arc<Document>> {
        let kept = self.kept.lock();
        kept.get(key).filter(|(until, _)| *until > Instant::now()).map(|(_, document)| document.clone())
    }

    fn keep(&self, key: Sha256Digest, document: Arc<Document>) {
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, (Instant::now() + KEPT_FOR, document));
    }
}

impl OutwardCalls {
    /// The document at an endpoint. What one tenant's credentials have opened is not shown to another.
    pub(super) async fn document(&self, errand: &Errand<'_>, endpoint: &Value) -> Result<Arc<Document>, Failure> {
        let url = url_of(endpoint.get("uri"))?;
        let key = Sha256Digest::of(json!([errand.tenant, endpoint, errand.secrets]).to_string().as_bytes());
        if let Some(document) = self.documents.get(&key) {
            return Ok(document);
        }
        let response = self.authenticated(errand, Request::get(url.clone()), endpoint.get("authentication")).await?;
        if !response.status.is_success() {
            let status = u64::from(response.status.as_u16());
            let detail = format!("{} gave no document: {}", host(&url), response.status);
            return Err(Failure::last(Fault::new(Standard::Communication, detail).with_status(status)));
        }
        let text = std::str::from_utf8(&response.body).map_err(|_| wrong(format!("{} gave no text", host(&url))))?;
        // JSON may be as long as any answer; YAML is read in the bounds of definitions, since it can grow.
        let root = match serde_json::from_str(text) {
            Ok(root) => root,
            Err(_) => {
                let read = definition::read(text).map_err(|problems| {
                    wrong(format!("the document of {} is neither JSON nor YAML: {problems}", host(&url)))
                })?;
                read.value
            }
        };
        let document = Arc::new(Document { root, url });
        self.documents.keep(key, document.clone());
        Ok(document)
    }
}

/// What definitions take from elsewhere is got once, when they are deployed.
#[async_trait]
impl Fetch for OutwardCalls {
    async fn fetch(&self, uri: &str) -> Result<String, String> {
        let reason = |failure: Failure| failure.fault.detail.unwrap_or(failure.fault.kind);
        let url = url_of(Some(&Value::from(uri))).map_err(reason)?;
        let response = self.exchange.send(Request::get(url.clone()), Instant::now() + FETCH).await.map_err(reason)?;
        if !response.status.is_success() {
            return Err(format!("{} answered {}", host(&url), response.status));
        }
        String::from_utf8(response.body.to_vec()).map_err(|_| format!("{} gave no text", host(&url)))
    }
}

/// A text as one segment of a path. A URL takes the two that are refused for steps up and down, encoded or not.
pub fn escape_path(text: &str) -> Result<String, Failure> {
    match text {
        "." | ".." => Err(Failure::invalid("a parameter in the path may be neither `.` nor `..`")),
        text => Ok(utf8_percent_encode(text, RESERVED).to_string()),
    }
}

fn wrong(detail: String) -> Failure {
    Failure::last(Fault::new(Standard::Configuration, detail))
}
