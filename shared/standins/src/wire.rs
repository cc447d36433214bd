//! HTTP/1.1 byte by byte, so that a test decides where a chunk ends and when a connection breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// With its query.
    pub path: String,
    /// Request line and headers.
    pub headers: String,
    /// Null where it is no JSON.
    pub body: Value,
    pub bytes: Vec<u8>,
}

/// A part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormPart {
    pub name: String,
    pub file_name: Option<String>,
    pub media_type: Option<String>,
    pub bytes: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The path without its query.
    pub fn place(&self) -> &str {
        self.path.split('?').next().unwrap()
    }

    /// The parts of a `multipart/form-data` body; none where it is none.
    pub fn form(&self) -> Vec<FormPart> {
        let Some((_, boundary)) = self.headers.split_once("boundary=") else { return Vec::new() };
        let boundary = format!("\r\n--{}", boundary.lines().next().unwrap().trim_matches('"'));
        let mut body = b"\r\n".to_vec();
        body.extend_from_slice(&self.bytes);
        split(&body, boundary.as_bytes()).into_iter().filter_map(part).collect()
    }

    /// The text of a form's field.
    pub fn field(&self, name: &str) -> Option<String> {
        let part = self.form().into_iter().find(|part| part.name == name)?;
        Some(String::from_utf8(part.bytes).unwrap())
    }
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(found) = rest.windows(at.len()).position(|window| window == at) {
        parts.push(&rest[..found]);
        rest = &rest[found + at.len()..];
    }
    parts
}

fn part(bytes: &[u8]) -> Option<FormPart> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let told = |name: &str| Some(head.split_once(&format!("{name}=\""))?.1.split('"').next()?.to_owned());
    let media_type = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-type").then(|| value.to_owned())
    });
    Some(FormPart { name: told("; name")?, file_name: told("filename"), media_type, bytes: bytes[end + 4..].to_vec() })
}

/// The next request; none when the client left before it was whole.
pub async fn read_request(stream: &mut TcpStream) -> Option<Request> {
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
    let bytes = bytes[head_end..].to_vec();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    Some(Request { method, path, headers, body, bytes })
}

/// Waits for the client to leave.
pub async fn until_closed(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 1];
    match stream.read(&mut rest).await {
        Ok(0) | Err(_) => Err(std::io::ErrorKind::BrokenPipe.into()),
        Ok(_) => Ok(()),
    }
}

/// The beginning of a stream of this type.
pub async fn head(stream: &mut TcpStream, media_type: &str, headers: &[(&str, String)]) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\n{}transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
        lines(headers)
    );
    stream.write_all(head.as_bytes()).await
}

/// One chunk of a body; nothing where it is empty, which would end the body.
pub async fn chunk(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    stream.write_all(&framed).await?;
    stream.flush().await
}

/// A whole reply.
pub async fn plain(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &str) -> std::io::Result<()> {
    stream.write_all(&reply(status, "application/json", headers, body.as_bytes())).await
}

/// The bytes of a whole reply.
pub fn reply(status: u16, media_type: &str, headers: &[(&str, String)], body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n{}connection: close\r\n\r\n",
        body.len(),
        lines(headers)
    );
    [head.as_bytes(), body].concat()
}

fn lines(headers: &[(&str, String)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

/// What a server that keeps to no vendor's protocol does with each request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Sends these bytes and closes.
    Sends(Vec<u8>),
    /// Sends these bytes and then the others for ever.
    SendsOn(Vec<u8>, Vec<u8>),
    /// Sends a head that never ends, a byte at a time.
    Trickles,
}

/// A server for what goes wrong below any vendor's protocol.
#[derive(Debug)]
pub struct FaultyServer {
    pub base_url: String,
    /// Requests that came.
    pub seen: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FaultyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FaultyServer {
    pub async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen: Arc<AtomicUsize> = Arc::default();
        let count = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (fault, count) = (fault.clone(), Arc::clone(&count));
                // An error is a client that has left.
                tokio::spawn(async move { fail(stream, fault, &count).await.ok() });
            }
        });
        Self { base_url, seen, task }
    }
}

async fn fail(mut stream: TcpStream, fault: Fault, seen: &AtomicUsize) -> std::io::Result<()> {
    if read_request(&mut stream).await.is_none() {
        return Ok(());
    }
    seen.fetch_add(1, Ordering::SeqCst);
    match fault {
        Fault::Sends(bytes) => stream.write_all(&bytes).await,
        Fault::SendsOn(head, bytes) => {
            stream.write_all(&head).await?;
            loop {
                stream.write_all(&bytes).await?;
            }
        }
        Fault::Trickles => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-a: ").await?;
            loop {
                stream.write_all(b"a").await?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
