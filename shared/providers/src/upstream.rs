//! HTTP to a provider: one client each, bounded replies, typed failures. Follows no redirects, so that a key never travels
//! to another host.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use orrery_bus::Bus;
use orrery_config::Secret;
use orrery_errors::Error;
use orrery_routing::catalogue::{Provider as Entry, SecretRef};
use orrery_types::UnixMillis;
use parking_lot::RwLock;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{broken, failed_status, failed_transport, failed_within, shown, tells_failure};
use crate::quota::text;
use crate::{Quota, Secrets, SetupError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Silence on an open connection for so long means that the provider is gone.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections that are kept open between calls, to each provider.
const IDLE_CONNECTIONS_MAX: usize = 256;
/// Addresses that are remembered; beyond, all are forgotten.
const URLS_MAX: usize = 256;
/// A reply larger than this is broken: 2,048 embeddings of 3,072 numbers as text stay below.
const REPLY_BYTES_MAX: usize = 128 << 20;

/// What providers are made from, beside their entries.
#[derive(Debug, Clone)]
pub struct Setup {
    /// To the services, and to payloads in the object store.
    pub bus: Bus,
    /// Where keys are found.
    pub secrets: Arc<dyn Secrets>,
}

impl Setup {
    /// A secret of an entry.
    pub(crate) fn secret(&self, entry: &Entry, reference: &SecretRef) -> Result<Secret, SetupError> {
        let missing = |source| SetupError::Secret { name: entry.name.clone(), source };
        self.secrets.find(reference).map_err(missing)
    }

    /// The key of an entry, where it names one.
    pub(crate) fn api_key(&self, entry: &Entry) -> Result<Option<Secret>, SetupError> {
        let Some(reference) = &entry.api_key else { return Ok(None) };
        let key = self.secret(entry, reference)?;
        if HeaderValue::from_str(key.expose()).is_err() {
            return Err(SetupError::entry(entry, "its key is no line of plain text; store it as its provider gave it"));
        }
        Ok(Some(key))
    }
}

/// One provider's HTTP interface.
pub(crate) struct Upstream {
    /// The provider's name in the catalogue.
    pub name: String,
    /// Without a slash at its end.
    pub base_url: String,
    client: Client,
    /// Addresses by path: reading one costs as much as writing the request.
    urls: RwLock<HashMap<String, Url>>,
    quota: fn(&HeaderMap) -> Option<Quota>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("name", &self.name).field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl Upstream {
    /// At the entry's `base_url`, or else at `default_url`. `quota` reads what is left of the rate limits.
    pub fn new(
        entry: &Entry,
        default_url: Option<&str>,
        quota: fn(&HeaderMap) -> Option<Quota>,
    ) -> Result<Self, SetupError> {
        let base_url = entry.base_url.as_deref().or(default_url);
        let base_url = base_url
            .ok_or_else(|| SetupError::entry(entry, format!("kind {:?} needs a base_url", entry.kind)))?
            .trim_end_matches('/')
            .to_owned();
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("orrery/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| SetupError::entry(entry, error.to_string()))?;
        Ok(Self { name: entry.name.clone(), base_url, client, urls: RwLock::default(), quota })
    }

    /// A POST to a path below the base.
    pub fn post(&self, path: &str, deadline: UnixMillis) -> RequestBuilder {
        self.request(Method::POST, path, deadline)
    }

    /// A GET of a path below the base.
    pub fn get(&self, path: &str, deadline: UnixMillis) -> RequestBuilder {
        self.request(Method::GET, path, deadline)
    }

    fn request(&self, method: Method, path: &str, deadline: UnixMillis) -> RequestBuilder {
        let known = self.urls.read().get(path).cloned();
        let request = match known.map_or_else(|| self.url(path), Ok) {
            Ok(url) => self.client.request(method, url),
            // The client tells what is wrong with it when it is sent.
            Err(text) => self.client.request(method, text),
        };
        request.timeout(deadline.since(UnixMillis::now()))
    }

    /// Reads an address, once for each path; the text where it is none.
    fn url(&self, path: &str) -> Result<Url, String> {
        let text = format!("{}/{path}", self.base_url);
        let Ok(url) = Url::parse(&text) else { return Err(text) };
        let mut urls = self.urls.write();
        if urls.len() >= URLS_MAX {
            urls.clear();
        }
        urls.insert(path.to_owned(), url.clone());
        Ok(url)
    }

    /// Sends; a refusal is an error.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|error| failed_transport(&self.name, &error))?;
        if !response.status().is_success() {
            let pause = self.quota(&response).and_then(|quota| quota.pause());
            return Err(failed_status(&self.name, response, pause).await);
        }
        match text(response.headers(), CONTENT_ENCODING.as_str()) {
            Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
                let encoding = shown(&encoding);
                Err(broken(&self.name, format!("its reply is encoded as {encoding}, which nobody asked for")))
            }
            _ => Ok(response),
        }
    }

    /// What is left of the rate limits, as this reply tells.
    pub fn quota(&self, response: &Response) -> Option<Quota> {
        (self.quota)(response.headers())
    }

    /// Sends and reads the whole reply.
    pub async fn exchange_bytes(&self, request: RequestBuilder) -> Result<(Bytes, Option<Quota>), Error> {
        let response = self.send(request).await?;
        let quota = self.quota(&response);
        Ok((self.whole(response).await?, quota))
    }

    /// The whole body of a reply.
    pub async fn whole(&self, response: Response) -> Result<Bytes, Error> {
        let too_long = || broken(&self.name, format!("its reply is longer than {REPLY_BYTES_MAX} bytes"));
        if response.content_length().is_some_and(|length| length > REPLY_BYTES_MAX as u64) {
            return Err(too_long());
        }
        let mut body = self.body(response);
        let mut bytes = BytesMut::new();
        while let Some(part) = body.try_next().await? {
            if bytes.len() + part.len() > REPLY_BYTES_MAX {
                return Err(too_long());
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes.freeze())
    }

    /// Sends and reads the reply's JSON.
    pub async fn exchange<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<(T, Option<Quota>), Error> {
        let (bytes, quota) = self.exchange_bytes(request).await?;
        Ok((self.read(&bytes)?, quota))
    }

    /// The JSON of a whole reply. One that tells of a failure although its status said that all was well is that failure.
    pub fn read<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(bytes).map_err(|error| match serde_json::from_slice::<Value>(bytes) {
            Ok(body) if tells_failure(&body) => failed_within(&self.name, &body),
            _ => broken(&self.name, format!("its reply does not read: {}", shown(&error.to_string()))),
        })
    }

    /// A reply's bytes as they come.
    pub fn body(&self, response: Response) -> BoxStream<'static, Result<Bytes, Error>> {
        let name = self.name.clone();
        response.bytes_stream().map_err(move |error| failed_transport(&name, &error)).boxed()
    }
}
