//! A server that speaks OpenAI's wire format over real HTTP/1.1, byte by byte, so that a test decides where a chunk ends
//! and when a connection breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Script {
    /// Answers chat and embeddings as OpenAI does, in pieces of one word where it streams.
    Says(&'static str),
    /// A status, headers and a body.
    Refuses(u16, Vec<(&'static str, String)>, String),
    /// Exactly these bytes as the body of an event stream, in these parts; then the connection is closed.
    Streams(Vec<Vec<u8>>),
    /// Reads and never answers.
    Hangs,
    /// Streams words for ever.
    Babbles,
}

#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: String,
    pub body: Value,
}

#[derive(Debug)]
pub struct OpenaiServer {
    pub base_url: String,
    pub script: Arc<Mutex<Script>>,
    pub requests: Arc<Mutex<Vec<Request>>>,
    /// Connections that the client closed before the answer was complete.
    pub abandoned: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for OpenaiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl OpenaiServer {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (script, requests) = (Arc::new(Mutex::new(script)), Arc::default());
        let abandoned: Arc<AtomicUsize> = Arc::default();
        let (scripts, log, left) = (script.clone(), Arc::clone(&requests), Arc::clone(&abandoned));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (scripts, log, left) = (scripts.clone(), Arc::clone(&log), Arc::clone(&left));
                tokio::spawn(async move {
                    if converse(stream, &scripts, &log).await.is_err() {
                        left.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        Self { base_url, script, requests, abandoned, task }
    }

    pub fn becomes(&self, script: Script) {
        *self.script.lock() = script;
    }

    pub fn calls(&self) -> usize {
        self.requests.lock().len()
    }
}

/// One event of a chat stream.
pub fn event(value: &Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

pub fn delta(text: &str) -> Value {
    json!({"id": "c1", "object": "chat.completion.chunk", "model": "m-2026", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
}

pub fn finish() -> Value {
    json!({"id": "c1", "object": "chat.completion.chunk", "model": "m-2026", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
}

/// The last chunk with `include_usage`: no choice, only the count.
pub fn usage(input: u64, output: u64) -> Value {
    json!({"id": "c1", "object": "chat.completion.chunk", "model": "m-2026", "choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output}})
}

pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// An error means that the client left early.
async fn converse(mut stream: TcpStream, script: &Mutex<Script>, log: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let Some(request) = read_request(&mut stream).await else { return Ok(()) };
    let script = script.lock().clone();
    let streamed = request.body["stream"] == json!(true);
    let embedding = request.path.ends_with("/embeddings");
    let texts = request.body["input"].as_array().map_or(0, Vec::len);
    log.lock().push(request);
    match script {
        Script::Says(text) if embedding => {
            // Out of order, as the interface allows, and not of unit length.
            let data: Vec<Value> = (0..texts)
                .rev()
                .map(|at| json!({"object": "embedding", "index": at, "embedding": [3.0, 4.0 + at as f64]}))
                .collect();
            let body = json!({"object": "list", "model": text, "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}});
            plain(&mut stream, 200, &[], &body.to_string()).await
        }
        Script::Says(text) if streamed => {
            let mut parts: Vec<Vec<u8>> = text.split_inclusive(' ').map(|word| event(&delta(word))).collect();
            let words = u64::try_from(parts.len()).unwrap();
            parts.extend([event(&finish()), event(&usage(3, words)), DONE.to_vec()]);
            head(&mut stream).await?;
            for part in parts {
                chunk(&mut stream, &part).await?;
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Script::Says(text) => {
            let words = text.split_whitespace().count();
            let body = json!({"id": "c1", "object": "chat.completion", "model": "m-2026",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": words, "total_tokens": words + 3}});
            plain(&mut stream, 200, &[], &body.to_string()).await
        }
        Script::Refuses(status, headers, body) => plain(&mut stream, status, &headers, &body).await,
        Script::Streams(parts) => {
            head(&mut stream).await?;
            for part in parts {
                chunk(&mut stream, &part).await?;
            }
            Ok(()) // no last chunk: the connection breaks
        }
        Script::Hangs => until_closed(&mut stream).await,
        Script::Babbles => {
            head(&mut stream).await?;
            loop {
                chunk(&mut stream, &event(&delta("word "))).await?;
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

async fn head(stream: &mut TcpStream) -> std::io::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).await
}

async fn chunk(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    stream.write_all(&framed).await?;
    stream.flush().await
}

async fn plain(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &str) -> std::io::Result<()> {
    let extra: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
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
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse::<usize>().ok()?;
            break (end + 4, length);
        }
    };
    while bytes.len() < head_end + length {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.ok()?;
        bytes.extend_from_slice(&part[..read]);
    }
    let headers = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let path = headers.split_whitespace().nth(1)?.to_owned();
    let body = serde_json::from_slice(&bytes[head_end..]).ok()?;
    Some(Request { path, headers, body })
}
