//! As much of PostgreSQL's protocol as it takes to see a commit go by (PostgreSQL documentation, "Message Formats").

use std::collections::HashMap;

/// Protocol 3.0, in the first message that is one.
const VERSION: u32 = 3 << 16;

/// What a client has sent so far on one connection.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    has_started: bool,
    pending: Vec<u8>,
    /// Prepared statements.
    statements: HashMap<Vec<u8>, Vec<u8>>,
}

impl Frames {
    /// Takes what was sent; whether it ends a message that commits: `COMMIT`, or the execution of a prepared statement with
    /// that text in it.
    pub(crate) fn take(&mut self, sent: &[u8], statement: Option<&str>) -> bool {
        self.pending.extend_from_slice(sent);
        let mut is_commit = false;
        while let Some((kind, body)) = self.next() {
            let mut texts = body.split(|byte| *byte == 0);
            let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
            match kind {
                b'Q' => is_commit |= first == b"COMMIT",
                b'P' => {
                    self.statements.insert(first.to_vec(), second.to_vec());
                }
                // The portal's name, and the statement's.
                b'B' => {
                    let prepared = self.statements.get(second).map(Vec::as_slice).unwrap_or_default();
                    is_commit |= statement.is_some_and(|text| holds(prepared, text.as_bytes()));
                }
                _ => {}
            }
        }
        is_commit
    }

    /// The next message that is whole; those before the start have no kind.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = usize::from(self.has_started);
        let length = u32::from_be_bytes(self.pending.get(head..head + 4)?.try_into().ok()?);
        let end = head + usize::try_from(length).ok()?;
        let body = self.pending.get(head + 4..end)?.to_vec();
        let kind = if self.has_started { *self.pending.first()? } else { 0 };
        if !self.has_started {
            self.has_started = body.starts_with(&VERSION.to_be_bytes());
        }
        self.pending.drain(..end);
        Some((kind, body))
    }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: Option<u8>, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap_or(0).to_be_bytes();
        kind.into_iter().chain(length).chain(body.iter().copied()).collect()
    }

    #[test]
    fn commits_are_seen_however_they_are_cut_up() {
        let mut frames = Frames::default();
        let tls = message(None, &80_877_103_u32.to_be_bytes());
        let start = message(None, &[&VERSION.to_be_bytes()[..], b"user\0orrery\0\0"].concat());
        assert!(!frames.take(&[tls, start].concat(), Some("owned")));
        assert!(!frames.take(&message(Some(b'Q'), b"BEGIN\0"), Some("owned")));
        let commit = message(Some(b'Q'), b"COMMIT\0");
        let (begin, end) = commit.split_at(3);
        assert!(!frames.take(begin, Some("owned")));
        assert!(frames.take(end, Some("owned")));
        assert!(!frames.take(&message(Some(b'P'), b"s1\0WITH owned AS\0\0\0"), Some("owned")));
        assert!(!frames.take(&message(Some(b'B'), b"\0s2\0\0\0"), Some("owned")));
        assert!(frames.take(&message(Some(b'B'), b"\0s1\0\0\0"), Some("owned")));
        assert!(!frames.take(&message(Some(b'B'), b"\0s1\0\0\0"), None));
    }
}
