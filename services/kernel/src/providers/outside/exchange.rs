//! One HTTP exchange in bounds: the time that is left, 8 MiB of content whether packed or not, ten redirects.

use std::io::Read as _;

use bytes::{Bytes, BytesMut};
use flate2::read::{GzDecoder, ZlibDecoder};
use orrery_errors::{Error, ErrorCode};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
    USER_AGENT,
};
use reqwest::{Client, Method, StatusCode, Url};
use tokio::time::{Instant, timeout_at};

use super::network::{self, Network, NetworkConfig, refusal};
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;

/// Largest content of an answer, unpacked.
pub const CONTENT_BYTES_MAX: usize = 8 * 1024 * 1024;
const CONNECT: std::time::Duration = std::time::Duration::from_secs(10);
const REDIRECTS_MAX: usize = 10;
/// What goes along to another origin: nothing that could identify or authorise.
const HARMLESS: [reqwest::header::HeaderName; 4] = [ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT];

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its content.
    pub body: Option<Bytes>,
    /// Whether redirects are followed.
    pub redirect: bool,
}

impl Request {
    /// A request without content.
    pub fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: None, redirect: true }
    }

    /// Whether sending it again does no more than sending it once (RFC 9110, section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }
}

/// An answer, complete and unpacked.
#[derive(Debug, Clone)]
pub struct Response {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its content.
    pub body: Bytes,
}

/// Sends requests.
#[derive(Debug)]
pub struct Exchange {
    client: Client,
    network: Network,
}

impl Exchange {
    /// Within these rules.
    pub fn new(config: &NetworkConfig) -> Result<Self, Error> {
        let network = Network::new(config, network::SETTING);
        let client = Client::builder()
            .dns_resolver(network.clone())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .referer(false)
            .user_agent(concat!("orrery/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Error::internal(&error))?;
        Ok(Self { client, network })
    }

    /// The rules within which it works.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Sends, follows redirects if the request says so, and reads the answer to its end.
    pub async fn send(&self, mut request: Request, deadline: Instant) -> Result<Response, Failure> {
        for _ in 0..=REDIRECTS_MAX {
            let response = match timeout_at(deadline, self.once(&request)).await {
                Ok(response) => response?,
                Err(_) => return Err(late(&request.url).briefly_if(false)),
            };
            match next_hop(&request, &response)? {
                Some(next) => request = next,
                None => return Ok(response),
            }
        }
        Err(Failure::communication(format!("{} redirects more than {REDIRECTS_MAX} times", host(&request.url))))
    }

    async fn once(&self, request: &Request) -> Result<Response, Failure> {
        self.network.admit(&request.url).map_err(|error| Failure::last(error.into()))?;
        let mut sending =
            self.client.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if !request.headers.contains_key(ACCEPT_ENCODING) {
            sending = sending.header(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(body) = &request.body {
            sending = sending.body(body.clone());
        }
        let failed = |error: reqwest::Error| failed(request, &error);
        let mut response = sending.send().await.map_err(failed)?;
        let too_large = || {
            let detail = format!("{} sent more than {} MiB", host(&request.url), CONTENT_BYTES_MAX >> 20);
            let fault = Fault::new(Standard::Communication, detail).titled(ErrorCode::PayloadTooLarge.as_str());
            Failure::last(fault)
        };
        if response.content_length().is_some_and(|length| length > CONTENT_BYTES_MAX as u64) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > CONTENT_BYTES_MAX {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        let (status, mut headers) = (response.status(), response.headers().clone());
        let body = match unpack(&headers, body.freeze()) {
            Ok(Some(body)) => body,
            Ok(None) => return Err(too_large()),
            Err(error) => {
                let detail = format!("{} sent content that cannot be unpacked: {error}", host(&request.url));
                return Err(Failure::communication(detail));
            }
        };
        if headers.remove(CONTENT_ENCODING).is_some() {
            headers.remove(CONTENT_LENGTH);
        }
        Ok(Response { status, headers, body })
    }
}

/// The content without its packing; none: it grows beyond the limit.
fn unpack(headers: &HeaderMap, body: Bytes) -> std::io::Result<Option<Bytes>> {
    let encoding = headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut unpacked = Vec::new();
    let limit = CONTENT_BYTES_MAX as u64 + 1;
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(Some(body)),
        _ if body.is_empty() => return Ok(Some(body)),
        "gzip" | "x-gzip" => GzDecoder::new(body.as_ref()).take(limit).read_to_end(&mut unpacked)?,
        "deflate" => ZlibDecoder::new(body.as_ref()).take(limit).read_to_end(&mut unpacked)?,
        other => return Err(std::io::Error::other(format!("the encoding {other:?} is not known"))),
    };
    Ok((unpacked.len() <= CONTENT_BYTES_MAX).then(|| unpacked.into()))
}

/// The request that a redirect asks for (RFC 9110, section 15.4).
fn next_hop(request: &Request, response: &Response) -> Result<Option<Request>, Failure> {
    let location = response.headers.get(LOCATION).filter(|_| request.redirect && response.status.is_redirection());
    let Some(location) = location else { return Ok(None) };
    let unreadable = || Failure::communication(format!("{} redirects to what is no URL", host(&request.url)));
    let location = location.to_str().map_err(|_| unreadable())?;
    let url = request.url.join(location).map_err(|_| unreadable())?;
    let mut next = Request { url, ..request.clone() };
    if next.url.origin() != request.url.origin() {
        if request.url.scheme() == "https" && next.url.scheme() != "https" {
            let detail = format!("{} redirects from https to {}", host(&request.url), next.url.scheme());
            return Err(Failure::communication(detail));
        }
        next.headers = request.headers.iter().filter(|(name, _)| HARMLESS.contains(name)).map(owned).collect();
    }
    let becomes_get = match response.status {
        StatusCode::SEE_OTHER => request.method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => request.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        next.method = Method::GET;
        next.body = None;
        next.headers.remove(CONTENT_TYPE);
    }
    Ok(Some(next))
}

fn owned((name, value): (&reqwest::header::HeaderName, &HeaderValue)) -> (reqwest::header::HeaderName, HeaderValue) {
    (name.clone(), value.clone())
}

/// What an error may say of a URL: its path and query may hold anything.
pub fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => "the endpoint".to_owned(),
    }
}

fn late(url: &Url) -> Failure {
    let detail = format!("{} did not answer within the step's time", host(url));
    Failure::last(Fault::new(Standard::Timeout, detail).titled(ErrorCode::DeadlineExceeded.as_str()))
}

fn failed(request: &Request, error: &reqwest::Error) -> Failure {
    if let Some(refused) = refusal(error) {
        return Failure::last(Fault::from(refused));
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    // The innermost cause is the system's or the protocol's own; the outer ones name the URL.
    let detail = format!("{} cannot be reached: {cause}", host(&request.url));
    let fault = Fault::new(Standard::Communication, detail).titled(ErrorCode::Unavailable.as_str());
    // What never connected was never sent.
    Failure::last(fault).briefly_if(request.is_idempotent() || error.is_connect())
}
