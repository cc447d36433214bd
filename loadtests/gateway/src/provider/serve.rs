//! One connection of the stand-in.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::{Buf as _, BytesMut};
use httparse::{EMPTY_HEADER, Request, Status};
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::answers::json_answer;
use super::{FACTS_PATH, Facts, LEAVER, Left, Provider, now_us, tokens};
use crate::http::{Body, HEADERS_MAX};

const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Message>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct Message {
    /// Text, or parts of it.
    content: Value,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// The caller has closed the connection.
struct Gone;

/// Answers one request after the other until the caller closes the connection or sends what is no request.
pub async fn connection(mut stream: TcpStream, provider: &Provider) {
    let (mut unread, mut content) = (BytesMut::with_capacity(16 * 1024), Vec::new());
    while let Ok(path) = request(&mut stream, &mut unread, &mut content).await {
        let answered = match path.as_str() {
            path if path.ends_with("/chat/completions") => chat(&mut stream, provider, &content).await,
            path if path.ends_with("/models") => send(&mut stream, &provider.answers.models()).await,
            FACTS_PATH => send(&mut stream, &facts(provider)).await,
            "/health" => send(&mut stream, &json_answer(&Value::Null)).await,
            _ => send(&mut stream, NOT_FOUND).await,
        };
        if answered.is_err() {
            return;
        }
    }
}

fn facts(provider: &Provider) -> Vec<u8> {
    let facts = Facts { calls: provider.calls.load(Ordering::Relaxed), left: provider.left.lock().clone() };
    json_answer(&serde_json::to_value(facts).unwrap_or_default())
}

/// Reads a request: its path, and the body into `content`.
async fn request(stream: &mut TcpStream, unread: &mut BytesMut, content: &mut Vec<u8>) -> anyhow::Result<String> {
    let (path, mut body) = loop {
        let mut headers = [EMPTY_HEADER; HEADERS_MAX];
        let mut request = Request::new(&mut headers);
        if let Status::Complete(length) = request.parse(unread)? {
            let (path, body) =
                (request.path.context("a request without a path")?.to_owned(), Body::of(request.headers)?);
            unread.advance(length);
            break (path, body);
        }
        ensure!(stream.read_buf(unread).await? > 0, "closed");
    };
    content.clear();
    while !body.take(unread, content)? {
        ensure!(stream.read_buf(unread).await? > 0, "closed");
    }
    Ok(path)
}

async fn chat(stream: &mut TcpStream, provider: &Provider, body: &[u8]) -> Result<(), Gone> {
    let Ok(chat) = serde_json::from_slice::<Chat>(body) else {
        return send(stream, b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
    };
    provider.calls.fetch_add(1, Ordering::Relaxed);
    let answered = answer(stream, provider, &chat).await;
    let number = |message: &Message| message.content.as_str()?.strip_prefix(LEAVER)?.split(' ').next()?.parse().ok();
    if let (Err(Gone), Some(number)) = (&answered, chat.messages.iter().find_map(number)) {
        provider.left.lock().push(Left { number, at_us: now_us() });
    }
    answered
}

async fn answer(stream: &mut TcpStream, provider: &Provider, chat: &Chat) -> Result<(), Gone> {
    let input_tokens = chat.messages.iter().map(|message| message.content.as_str().map_or(0, tokens)).sum();
    pause(stream, provider.delay).await?;
    if chat.stream != Some(true) {
        return send(stream, &provider.answers.plain(input_tokens)).await;
    }
    for part in provider.answers.parts() {
        send(stream, part).await?;
        pause(stream, provider.pause).await?;
    }
    let with_usage = chat.stream_options.as_ref().is_some_and(|it| it.include_usage);
    send(stream, &provider.answers.end(input_tokens, with_usage)).await
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), Gone> {
    stream.write_all(bytes).await.map_err(|_| Gone)
}

/// Waits, but no longer than the caller does.
async fn pause(stream: &TcpStream, time: Duration) -> Result<(), Gone> {
    if time.is_zero() {
        return Ok(());
    }
    let mut byte = [0];
    let closed = async {
        match stream.peek(&mut byte).await {
            // The next request is here early; only its end would tell, and that comes with the next read.
            Ok(count) if count > 0 => std::future::pending().await,
            _ => Gone,
        }
    };
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        gone = closed => Err(gone),
    }
}
