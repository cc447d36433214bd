//! What the servers of vendors share that have an interface of their own: what a test has them do. A vendor adds how it writes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{chunk, head, plain, read_request, until_closed};

pub use crate::wire::Request;

/// Headers of an answer.
pub type Headers = Vec<(&'static str, String)>;

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Script {
    /// Answers as the vendor does, in pieces of one word where it streams.
    Says(&'static str),
    /// Exactly this status, these headers and this body.
    Answers(u16, Headers, String),
    /// Exactly these bytes as the body of a stream, in these parts; then the connection breaks.
    Breaks(Vec<Vec<u8>>),
    /// The same, but the body ends as HTTP wants it.
    Ends(Headers, Vec<Vec<u8>>),
    /// Reads and never answers.
    Hangs,
    /// Streams words for ever.
    Babbles,
}

/// How a vendor writes.
#[derive(Clone, Copy)]
pub struct Vendor {
    /// What stands between the host and a method's own path.
    pub prefix: &'static str,
    /// Media type of its streams.
    pub stream_type: &'static str,
    /// Whether it lets a request in; a status and a body otherwise.
    pub admits: fn(&Request) -> Result<(), (u16, Value)>,
    /// Whether a request asks for a stream.
    pub streams: fn(&Request) -> bool,
    /// The whole answer with this text.
    pub answers: fn(&Request, &str) -> Value,
    /// What a stream begins with.
    pub opens: fn() -> Vec<u8>,
    /// One more word.
    pub word: fn(&str) -> Vec<u8>,
    /// What a stream of so many words ends with.
    pub closes: fn(u64) -> Vec<u8>,
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vendor").field("stream_type", &self.stream_type).finish_non_exhaustive()
    }
}

/// A vendor's server.
#[derive(Debug)]
pub struct Server {
    pub base_url: String,
    pub vendor: Vendor,
    script: Arc<Mutex<Script>>,
    requests: Arc<Mutex<Vec<Request>>>,
    abandoned: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(vendor: Vendor, script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base_url = format!("http://{}{}", listener.local_addr().unwrap(), vendor.prefix);
        let script = Arc::new(Mutex::new(script));
        let (requests, abandoned): (Arc<Mutex<Vec<Request>>>, Arc<AtomicUsize>) = Default::default();
        let (scripts, log, left) = (script.clone(), requests.clone(), abandoned.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (scripts, log, left) = (scripts.clone(), log.clone(), left.clone());
                tokio::spawn(async move {
                    if converse(stream, vendor, &scripts, &log).await.is_err() {
                        left.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { base_url, vendor, script, requests, abandoned, task }
    }

    pub fn becomes(&self, script: Script) {
        *self.script.lock() = script;
    }

    /// Requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }

    /// Connections that the client closed before the answer was complete.
    pub fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::SeqCst)
    }
}

/// An error means that the client left early.
async fn converse(
    mut stream: TcpStream,
    vendor: Vendor,
    script: &Mutex<Script>,
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let Some(request) = read_request(&mut stream).await else { return Ok(()) };
    let script = script.lock().clone();
    log.lock().push(request.clone());
    if let Err((status, body)) = (vendor.admits)(&request) {
        return plain(&mut stream, status, &[], &body.to_string()).await;
    }
    match script {
        Script::Says(text) if (vendor.streams)(&request) => {
            let words: Vec<&str> = text.split_inclusive(' ').collect();
            head(&mut stream, vendor.stream_type, &[]).await?;
            chunk(&mut stream, &(vendor.opens)()).await?;
            for word in &words {
                chunk(&mut stream, &(vendor.word)(word)).await?;
            }
            chunk(&mut stream, &(vendor.closes)(u64::try_from(words.len()).unwrap())).await?;
            stream.write_all(b"0\r\n\r\n").await
        }
        Script::Says(text) => plain(&mut stream, 200, &[], &(vendor.answers)(&request, text).to_string()).await,
        Script::Answers(status, headers, body) => plain(&mut stream, status, &headers, &body).await,
        Script::Breaks(parts) => {
            head(&mut stream, vendor.stream_type, &[]).await?;
            for part in parts {
                chunk(&mut stream, &part).await?;
            }
            Ok(())
        }
        Script::Ends(headers, parts) => {
            head(&mut stream, vendor.stream_type, &headers).await?;
            for part in parts {
                chunk(&mut stream, &part).await?;
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Script::Hangs => until_closed(&mut stream).await,
        Script::Babbles => {
            head(&mut stream, vendor.stream_type, &[]).await?;
            chunk(&mut stream, &(vendor.opens)()).await?;
            loop {
                chunk(&mut stream, &(vendor.word)("word ")).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// One server-sent event without a name.
pub fn data(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

/// One server-sent event with the name that stands in its `type`.
pub fn named(value: &Value) -> Vec<u8> {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap()).into_bytes()
}
