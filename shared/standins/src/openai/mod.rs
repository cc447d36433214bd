//! A server that speaks OpenAI's wire format, and those of Azure and Mistral where they differ, over real HTTP/1.1.

pub mod answers;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::wire::{chunk, head, plain, read_request, until_closed};

pub use crate::wire::Request;

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Script {
    /// Answers chat and embeddings as OpenAI does, in pieces of one word where it streams; other calls by `answers`.
    Says(&'static str),
    /// A status, headers and a body.
    Refuses(u16, Vec<(&'static str, String)>, String),
    /// This body where it is asked for a whole answer, and these events where it is asked to stream.
    Answers(Value, Vec<Value>),
    /// Exactly these bytes as the body of an event stream, in these parts; then the connection is closed.
    Streams(Vec<Vec<u8>>),
    /// Exactly these bytes as the body of an event stream, in these parts, and its end.
    StreamsWhole(Vec<Vec<u8>>),
    /// Reads and never answers.
    Hangs,
    /// Streams words for ever.
    Babbles,
}

#[derive(Debug)]
pub struct OpenaiServer {
    pub base_url: String,
    pub script: Arc<Mutex<Script>>,
    pub requests: Arc<Mutex<Vec<Request>>>,
    /// Sent with each answer that does not refuse, for example what is left of a rate limit.
    pub headers: Arc<Mutex<Vec<(&'static str, String)>>>,
    /// Connections that the client closed before the answer was complete.
    pub abandoned: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for OpenaiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    script: Arc<Mutex<Script>>,
    requests: Arc<Mutex<Vec<Request>>>,
    headers: Arc<Mutex<Vec<(&'static str, String)>>>,
}

impl OpenaiServer {
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let shared = Shared { script: Arc::new(Mutex::new(script)), requests: Arc::default(), headers: Arc::default() };
        let abandoned: Arc<AtomicUsize> = Arc::default();
        let (given, left) = (shared.clone(), Arc::clone(&abandoned));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, left) = (given.clone(), Arc::clone(&left));
                tokio::spawn(async move {
                    if converse(stream, &shared).await.is_err() {
                        left.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
        });
        let Shared { script, requests, headers } = shared;
        Self { base_url, script, requests, headers, abandoned, task }
    }

    /// Its address without `/v1`, where Azure's paths begin.
    pub fn root(&self) -> &str {
        self.base_url.strip_suffix("/v1").unwrap()
    }

    pub fn becomes(&self, script: Script) {
        *self.script.lock() = script;
    }

    pub fn calls(&self) -> usize {
        self.requests.lock().len()
    }

    /// The newest request.
    pub fn last(&self) -> Request {
        self.requests.lock().last().unwrap().clone()
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

const EVENTS: &str = "text/event-stream";

pub const DONE: &[u8] = b"data: [DONE]\n\n";

/// An error means that the client left early.
async fn converse(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let Some(request) = read_request(&mut stream).await else { return Ok(()) };
    let script = shared.script.lock().clone();
    let headers = shared.headers.lock().clone();
    let streamed = request.body["stream"] == json!(true);
    let other = answers::to(&request, &script);
    shared.requests.lock().push(request);
    match script {
        Script::Says(_) | Script::Answers(..) if other.is_some() => {
            plain(&mut stream, 200, &headers, &other.unwrap().to_string()).await
        }
        Script::Says(text) if streamed => {
            let words: Vec<Value> = text.split_inclusive(' ').map(delta).collect();
            let count = u64::try_from(words.len()).unwrap();
            events(&mut stream, &headers, words.into_iter().chain([finish(), usage(3, count)])).await
        }
        Script::Says(text) => {
            let words = text.split_whitespace().count();
            let body = json!({"id": "c1", "object": "chat.completion", "model": "m-2026",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 3, "completion_tokens": words, "total_tokens": words + 3}});
            plain(&mut stream, 200, &headers, &body.to_string()).await
        }
        Script::Answers(_, chunks) if streamed => events(&mut stream, &headers, chunks).await,
        Script::Answers(whole, _) => plain(&mut stream, 200, &headers, &whole.to_string()).await,
        Script::Refuses(status, headers, body) => plain(&mut stream, status, &headers, &body).await,
        Script::Streams(parts) => {
            head(&mut stream, EVENTS, &headers).await?;
            for part in parts {
                chunk(&mut stream, &part).await?;
            }
            Ok(()) // no last chunk: the connection breaks
        }
        Script::StreamsWhole(parts) => {
            head(&mut stream, EVENTS, &headers).await?;
            for part in parts {
                chunk(&mut stream, &part).await?;
            }
            stream.write_all(b"0\r\n\r\n").await
        }
        Script::Hangs => until_closed(&mut stream).await,
        Script::Babbles => {
            head(&mut stream, EVENTS, &headers).await?;
            loop {
                chunk(&mut stream, &event(&delta("word "))).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

async fn events(
    stream: &mut TcpStream,
    headers: &[(&str, String)],
    chunks: impl IntoIterator<Item = Value>,
) -> std::io::Result<()> {
    head(stream, EVENTS, headers).await?;
    for value in chunks {
        chunk(stream, &event(&value)).await?;
    }
    chunk(stream, DONE).await?;
    stream.write_all(b"0\r\n\r\n").await
}
