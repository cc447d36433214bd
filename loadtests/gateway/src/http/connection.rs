//! The client's end of a kept connection.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use bytes::{Buf as _, BytesMut};
use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Body, HEADERS_MAX};

/// A connection, and what was read from it beyond the last answer.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    unread: BytesMut,
}

/// When parts of an answer came.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The first byte of the body.
    pub first: Instant,
    /// The last.
    pub last: Instant,
}

impl Connection {
    /// Opens one.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: BytesMut::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads the whole answer; its body is then in `content`. Returns its status and when it came.
    pub async fn exchange(&mut self, request: &[u8], content: &mut Vec<u8>) -> anyhow::Result<(u16, Times)> {
        content.clear();
        self.send(request).await?;
        let (status, mut body) = self.head().await?;
        let mut first = None;
        loop {
            let over = body.take(&mut self.unread, content)?;
            if first.is_none() && (over || !content.is_empty()) {
                first = Some(Instant::now());
            }
            if let (true, Some(first)) = (over, first) {
                return Ok((status, Times { first, last: Instant::now() }));
            }
            self.more().await?;
        }
    }

    /// Sends a request.
    pub async fn send(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request).await.context("the connection broke while a request was sent")
    }

    /// Reads of an answer until its body holds so many bytes, or is over. Returns its status and what it holds.
    pub async fn begin(&mut self, bytes: usize) -> anyhow::Result<(u16, Vec<u8>)> {
        let (status, mut body) = self.head().await?;
        let mut content = Vec::new();
        while !body.take(&mut self.unread, &mut content)? && content.len() < bytes {
            self.more().await?;
        }
        Ok((status, content))
    }

    async fn head(&mut self) -> anyhow::Result<(u16, Body)> {
        loop {
            let mut headers = [EMPTY_HEADER; HEADERS_MAX];
            let mut response = Response::new(&mut headers);
            if let Status::Complete(length) = response.parse(&self.unread).context("the answer is no HTTP")? {
                let (status, body) = (response.code.unwrap_or(0), Body::of(response.headers)?);
                self.unread.advance(length);
                return Ok((status, body));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        let count = self.stream.read_buf(&mut self.unread).await.context("the connection broke in an answer")?;
        ensure!(count > 0, "the connection was closed in an answer");
        Ok(())
    }
}
