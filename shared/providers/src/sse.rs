//! Server-sent events out of bytes, as the WHATWG HTML standard (section 9.2.6) parses them, as far as chat streams need: the
//! data of each event. Bytes may come cut anywhere, in the middle of a character, too.

/// Longest event; a provider that sends more is broken.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Why an event stream was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SseError {
    #[error("an event is longer than {EVENT_BYTES_MAX} bytes")]
    TooLong,
    #[error("an event is not valid UTF-8")]
    NotUtf8,
}

/// Collects bytes and yields the data of complete events.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    after_return: bool,
}

impl SseParser {
    /// Takes the next bytes; returns the data of events that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, SseError> {
        let mut events = Vec::new();
        for &byte in bytes {
            // A line ends with CR, LF or CR LF; the LF after a CR belongs to the line before.
            let second_half = std::mem::replace(&mut self.after_return, byte == b'\r') && byte == b'\n';
            match byte {
                b'\n' if second_half => {}
                b'\r' | b'\n' => events.extend(self.end_line()?),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > EVENT_BYTES_MAX {
                return Err(SseError::TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<String>, SseError> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            if !std::mem::take(&mut self.has_data) {
                return Ok(None);
            }
            let data = std::mem::take(&mut self.data);
            return String::from_utf8(data).map(Some).map_err(|_| SseError::NotUtf8);
        }
        if let Some(value) = line.strip_prefix(b"data:") {
            if self.has_data {
                self.data.push(b'\n');
            }
            self.has_data = true;
            self.data.extend_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        }
        // Comments and other fields (event, id, retry) carry nothing that chat streams use.
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const STREAM: &str =
        ": hello\r\ndata: {\"a\":\"grüße 🦀\"}\r\n\r\nevent: x\ndata:one\ndata: two\n\nid: 7\n\ndata: [DONE]\r\r";

    fn expected() -> Vec<String> {
        ["{\"a\":\"grüße 🦀\"}", "one\ntwo", "[DONE]"].map(str::to_owned).to_vec()
    }

    #[test]
    fn every_way_of_cutting_gives_the_same_events() {
        for size in 1..STREAM.len() {
            let mut parser = SseParser::default();
            let events: Vec<String> =
                STREAM.as_bytes().chunks(size).flat_map(|part| parser.feed(part).unwrap()).collect();
            assert_eq!(events, expected(), "cut every {size} bytes");
        }
    }

    #[test]
    fn an_endless_event_and_broken_text_are_refused() {
        assert_eq!(SseParser::default().feed(&vec![b'x'; EVENT_BYTES_MAX + 1]), Err(SseError::TooLong));
        assert_eq!(SseParser::default().feed(b"data: \xff\n\n"), Err(SseError::NotUtf8));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..16)) {
            let mut parser = SseParser::default();
            for part in parts {
                if parser.feed(&part).is_err() {
                    break;
                }
            }
        }
    }
}
