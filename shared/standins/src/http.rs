//! What all vendors' servers share: real HTTP/1.1, spoken byte by byte, so that a test decides where a chunk ends and when a
//! connection breaks. A vendor adds how it writes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

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

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// All lines of the head, the first one too.
    pub headers: String,
    /// The body's JSON; null where there is none.
    pub body: Value,
    pub raw: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.lines().skip(1);
        lines
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim())
    }
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

async fn until_closed(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 1];
    match stream.read(&mut rest).await {
        Ok(0) | Err(_) => Err(std::io::ErrorKind::BrokenPipe.into()),
        Ok(_) => Ok(()),
    }
}

fn lines(headers: &[(&str, String)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

async fn head(stream: &mut TcpStream, media_type: &str, headers: &[(&str, String)]) -> std::io::Result<()> {
    let extra = lines(headers);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\n{extra}connection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await
}

async fn chunk(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    if bytes.is_empty() {
        return Ok(()); // an empty chunk would end the body
    }
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    stream.write_all(&framed).await?;
    stream.flush().await
}

async fn plain(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &str) -> std::io::Result<()> {
    let extra = lines(headers);
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{extra}connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let (head_end, length) = loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&part[..read]);
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            break (end + 4, length.map_or(Some(0), |length| length.trim().parse::<usize>().ok())?);
        }
    };
    while bytes.len() < head_end + length {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&part[..read]);
    }
    let headers = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut first = headers.split_whitespace();
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let raw = bytes[head_end..].to_vec();
    let body = if raw.is_empty() { Value::Null } else { serde_json::from_slice(&raw).ok()? };
    Some(Request { method, path, headers, body, raw })
}

/// One server-sent event without a name.
pub fn data(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

/// One server-sent event with the name that stands in its `type`.
pub fn named(value: &Value) -> Vec<u8> {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap()).into_bytes()
}
