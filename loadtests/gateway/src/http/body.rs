//! Where the body of a message ends (RFC 9112, section 6).

use anyhow::{Context as _, bail, ensure};
use bytes::{Buf as _, BytesMut};
use httparse::{Header, Status};

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// So many bytes.
    Length(u64),
    /// The size of the next chunk.
    Size,
    /// So many bytes of a chunk.
    Chunk(u64),
    /// The line break after a chunk.
    Break,
    /// Lines after the last chunk, up to an empty one.
    Trailer,
    /// Nothing.
    Over,
}

impl Body {
    /// As the head announces it; a message without an announcement has no body.
    pub fn of(headers: &[Header<'_>]) -> anyhow::Result<Self> {
        let value = |name: &str| headers.iter().find(|it| it.name.eq_ignore_ascii_case(name)).map(|it| it.value);
        if let Some(coding) = value("transfer-encoding") {
            ensure!(coding.eq_ignore_ascii_case(b"chunked"), "a transfer coding other than chunked");
            return Ok(Self::Size);
        }
        let Some(length) = value("content-length") else { return Ok(Self::Over) };
        let length: u64 = std::str::from_utf8(length)?.trim().parse().context("a content-length that is no number")?;
        Ok(if length == 0 { Self::Over } else { Self::Length(length) })
    }

    /// Takes what has come of the body from `unread` into `content`. True once nothing is to come.
    pub fn take(&mut self, unread: &mut BytesMut, content: &mut Vec<u8>) -> anyhow::Result<bool> {
        loop {
            *self = match *self {
                Self::Over => return Ok(true),
                _ if unread.is_empty() => return Ok(false),
                Self::Length(left) => match transfer(unread, content, left) {
                    0 => Self::Over,
                    left => Self::Length(left),
                },
                Self::Chunk(left) => match transfer(unread, content, left) {
                    0 => Self::Break,
                    left => Self::Chunk(left),
                },
                Self::Size => match httparse::parse_chunk_size(unread) {
                    Ok(Status::Partial) => return Ok(false),
                    Ok(Status::Complete((line, size))) => {
                        unread.advance(line);
                        if size == 0 { Self::Trailer } else { Self::Chunk(size) }
                    }
                    Err(_) => bail!("the size of a chunk does not read"),
                },
                Self::Break | Self::Trailer => {
                    let Some(end) = unread.windows(2).position(|it| it == b"\r\n") else { return Ok(false) };
                    unread.advance(end + 2);
                    match (*self, end) {
                        (Self::Break, 0) => Self::Size,
                        (Self::Break, _) => bail!("a chunk is longer than its size"),
                        (_, 0) => Self::Over,
                        _ => Self::Trailer,
                    }
                }
            };
        }
    }
}

/// Moves up to `left` bytes; returns how many are still to come.
fn transfer(unread: &mut BytesMut, content: &mut Vec<u8>, left: u64) -> u64 {
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(unread.len());
    content.extend_from_slice(&unread.split_to(count));
    left - count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(name: &'a str, value: &'a str) -> [Header<'a>; 1] {
        [Header { name, value: value.as_bytes() }]
    }

    /// Whatever the parts in which it comes, the content is the same, and what follows is left alone.
    fn read(body: Body, message: &str) -> (String, String) {
        let mut read = Vec::new();
        for part in 1..=message.len() {
            let (mut body, mut unread, mut content, mut over) = (body, BytesMut::new(), Vec::new(), false);
            for bytes in message.as_bytes().chunks(part) {
                unread.extend_from_slice(bytes);
                over = body.take(&mut unread, &mut content).unwrap();
            }
            assert!(over, "in parts of {part}");
            read.push((String::from_utf8(content).unwrap(), String::from_utf8(unread.to_vec()).unwrap()));
        }
        read.dedup();
        assert_eq!(read.len(), 1, "{read:?}");
        read.remove(0)
    }

    #[test]
    fn a_body_by_length_ends_there() {
        let body = Body::of(&header("Content-Length", "5")).unwrap();
        assert_eq!(read(body, "helloHTTP"), ("hello".to_owned(), "HTTP".to_owned()));
        assert_eq!(Body::of(&header("content-length", "0")).unwrap(), Body::Over);
        assert_eq!(Body::of(&[]).unwrap(), Body::Over);
        assert!(Body::of(&header("content-length", "five")).is_err());
    }

    #[test]
    fn chunks_are_put_together_and_trailers_dropped() {
        let body = Body::of(&header("Transfer-Encoding", "chunked")).unwrap();
        let message = "5\r\nhello\r\nC;note=1\r\n wide\r\nworld\r\n0\r\nx: y\r\n\r\nHTTP";
        assert_eq!(read(body, message), ("hello wide\r\nworld".to_owned(), "HTTP".to_owned()));
        assert!(Body::of(&header("transfer-encoding", "gzip, chunked")).is_err());
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        for message in ["zz\r\n", "2\r\nabc\r\n"] {
            let (mut body, mut unread) = (Body::Size, BytesMut::from(message));
            assert!(body.take(&mut unread, &mut Vec::new()).is_err(), "{message:?}");
        }
    }
}
