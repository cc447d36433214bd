//! The lines of a batch between its steps: an object of the requests of each part, and one of what became of them. They are
//! removed when the batch is over.

use orrery_bus::{BlobReader, Blobs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::BlobRef;
use orrery_types::TenantId;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use crate::domain::batch::Line;

/// Lines of one part.
pub const PART_LINES_MAX: usize = 64;
/// A part with more bytes takes no further line.
pub const PART_BYTES_MAX: usize = 2 * 1024 * 1024;
const TYPE: &str = "application/jsonl";

/// Of one batch.
#[allow(missing_debug_implementations)] // the object store has none
pub struct Parts<'a> {
    /// Where they lie.
    pub blobs: &'a Blobs,
    /// Whose they are.
    pub tenant: TenantId,
    /// The batch.
    pub batch: String,
}

impl Parts<'_> {
    fn requests(&self, part: i64) -> String {
        format!("batches/{}/{part}.requests", self.batch)
    }

    /// Where what became of a part's lines lies.
    pub fn outcomes(&self, part: i64) -> String {
        format!("batches/{}/{part}.outcomes", self.batch)
    }

    fn blob(&self, path: &str) -> BlobRef {
        BlobRef { key: format!("{}/{path}", self.tenant), name: path.to_owned(), ..BlobRef::default() }
    }

    /// Stores the requests of a part.
    pub async fn put(&self, part: i64, lines: &[u8]) -> Result<(), Error> {
        let path = self.requests(part);
        self.blobs.put_named(&self.tenant, &path, lines, TYPE, &path).await.map(drop)
    }

    /// The requests of a part.
    pub async fn read(&self, part: i64) -> Result<Vec<Line>, Error> {
        let mut reader = self.blobs.open(&self.tenant, &self.blob(&self.requests(part))).await?;
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).await.map_err(|error| broken(&error))?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).map_err(|error| damaged(&error))).collect()
    }

    /// What became of the lines of a part; none: nothing is stored of it.
    pub async fn read_outcomes(&self, part: i64) -> Result<Option<BlobReader>, Error> {
        match self.blobs.open(&self.tenant, &self.blob(&self.outcomes(part))).await {
            Ok(reader) => Ok(Some(reader)),
            Err(error) if error.code == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes so many parts.
    pub async fn remove(&self, parts: i64) -> Result<(), Error> {
        for part in 0..parts {
            for path in [self.requests(part), self.outcomes(part)] {
                self.blobs.delete(&self.tenant, &format!("{}/{path}", self.tenant)).await?;
            }
        }
        Ok(())
    }
}

/// What became of a line, as it is kept until the batch is over.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// The number of the line.
    pub n: u64,
    /// Whether it was answered.
    pub answered: bool,
    /// As it goes into a file.
    pub text: &'a [u8],
}

impl<'a> Kept<'a> {
    /// In one line.
    pub fn written(&self) -> Vec<u8> {
        let mut line = format!("{} {} ", self.n, if self.answered { 'o' } else { 'e' }).into_bytes();
        line.extend_from_slice(self.text);
        line.push(b'\n');
        line
    }

    /// Reads one line.
    pub fn read(line: &'a [u8]) -> Result<Self, Error> {
        let mut fields = line.splitn(3, |byte| *byte == b' ');
        let (n, kind, text) = (fields.next(), fields.next(), fields.next());
        let n = n.and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
        match (n, kind, text) {
            (Some(n), Some(kind @ (b"o" | b"e")), Some(text)) => Ok(Self { n, answered: kind == b"o", text }),
            _ => Err(damaged(&"it is no line of outcomes")),
        }
    }
}

/// The next line of a stream without its end; none at the end of the stream. One that is longer than `bytes_max` is an error.
pub async fn next_line(reader: &mut (impl AsyncBufRead + Unpin), bytes_max: usize) -> Result<Option<Vec<u8>>, Error> {
    let mut line = Vec::new();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let read = reader.take(most).read_until(b'\n', &mut line).await.map_err(|error| broken(&error))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() > bytes_max {
        let message = format!("a line has more than {bytes_max} bytes, the most that is taken");
        return Err(Error::new(ErrorCode::PayloadTooLarge, message));
    }
    Ok((read > 0).then_some(line))
}

fn broken(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::Unavailable, format!("the object store broke off: {error}"))
}

fn damaged(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::DataCorrupted, format!("what is stored of a batch does not read: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_became_of_a_line_reads_back() {
        for kept in [Kept { n: 7, answered: true, text: b"{\"a b\":1}" }, Kept { n: 8, answered: false, text: b"" }] {
            let written = kept.written();
            assert_eq!(Kept::read(written.strip_suffix(b"\n").unwrap()).unwrap(), kept);
        }
        for wrong in [&b""[..], b"7", b"x o {}", b"7 x {}"] {
            assert_eq!(Kept::read(wrong).unwrap_err().code, ErrorCode::DataCorrupted);
        }
    }

    #[actix_web::test]
    async fn lines_are_read_one_by_one_and_none_without_bound() {
        let mut text = &b"one\n\nthree"[..];
        let mut lines = Vec::new();
        while let Some(line) = next_line(&mut text, 5).await.unwrap() {
            lines.push(String::from_utf8(line).unwrap());
        }
        assert_eq!(lines, ["one", "", "three"]);
        assert_eq!(next_line(&mut &b"123456"[..], 5).await.unwrap_err().code, ErrorCode::PayloadTooLarge);
        assert_eq!(next_line(&mut &b"12345\n"[..], 5).await.unwrap().unwrap(), b"12345");
    }
}
