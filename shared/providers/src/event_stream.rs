//! Amazon's binary event streams (`application/vnd.amazon.eventstream`) out of bytes: each message with its type and body, as
//! one JSON object `{"message_type", "type", "body"}`. Both checksums of each message are checked.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::BytesMut;
use serde_json::json;

use crate::chat_stream::Framing;

/// Longest message; a provider that sends more is broken.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
/// A prelude and the checksum of a message without headers and body.
const MESSAGE_BYTES_MIN: usize = 16;

/// Collects bytes and yields complete messages.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    buffer: BytesMut,
}

impl Framing for EventStream {
    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, String> {
        self.buffer.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some(length) = self.length()? {
            if self.buffer.len() < length {
                break;
            }
            let mut frame = self.buffer.split_to(length).freeze();
            let message = read_message_from(&mut frame).map_err(|error| format!("a message is broken: {error}"))?;
            messages.push(text(&message)?);
        }
        Ok(messages)
    }
}

impl EventStream {
    /// Length of the message that has begun. Whatever is no message shows here, long before its checksum would come.
    fn length(&self) -> Result<Option<usize>, String> {
        if self.buffer.len() < PRELUDE_BYTES {
            return Ok(None);
        }
        let Some(first) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*first)).unwrap_or(usize::MAX);
        if !(MESSAGE_BYTES_MIN..=MESSAGE_BYTES_MAX).contains(&length) {
            return Err(format!("a message of {length} bytes is no message; at most {MESSAGE_BYTES_MAX} are read"));
        }
        Ok(Some(length))
    }
}

fn text(message: &Message) -> Result<String, String> {
    let header = |name: &str| {
        let found = message.headers().iter().find(|header| header.name().as_str() == name);
        found.and_then(|header| header.value().as_string().ok()).map(|value| value.as_str().to_owned())
    };
    let message_type = header(":message-type").unwrap_or_else(|| "event".to_owned());
    let name = match message_type.as_str() {
        "exception" => header(":exception-type"),
        "error" => header(":error-code"),
        _ => header(":event-type"),
    };
    // An error has its message in a header, everything else a body.
    let body = match header(":error-message") {
        Some(told) => json!({"message": told}),
        None if message.payload().is_empty() => json!({}),
        None => serde_json::from_slice(message.payload()).map_err(|error| format!("a body does not read: {error}"))?,
    };
    Ok(json!({"message_type": message_type, "type": name.unwrap_or_default(), "body": body}).to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue};
    use proptest::prelude::*;

    fn message(headers: &[(&str, &str)], body: &str) -> Vec<u8> {
        let headers = headers
            .iter()
            .map(|(name, value)| Header::new((*name).to_owned(), HeaderValue::String((*value).to_owned().into())));
        let mut bytes = Vec::new();
        write_message_to(&Message::new_from_parts(headers.collect(), body.to_owned()), &mut bytes).unwrap();
        bytes
    }

    fn two() -> Vec<u8> {
        let event = [(":message-type", "event"), (":event-type", "x")];
        let error = [(":message-type", "error"), (":error-code", "Oops"), (":error-message", "as told")];
        [message(&event, "{\"a\":\"grüße\"}"), message(&error, "")].concat()
    }

    #[test]
    fn every_way_of_cutting_gives_the_same_messages() {
        let expected = [
            "{\"message_type\":\"event\",\"type\":\"x\",\"body\":{\"a\":\"grüße\"}}",
            "{\"message_type\":\"error\",\"type\":\"Oops\",\"body\":{\"message\":\"as told\"}}",
        ];
        let bytes = two();
        for size in 1..=bytes.len() {
            let mut stream = EventStream::default();
            let messages: Vec<String> = bytes.chunks(size).flat_map(|part| stream.feed(part).unwrap()).collect();
            assert_eq!(messages, expected, "cut every {size} bytes");
        }
    }

    #[test]
    fn endless_and_foreign_bytes_are_refused_at_once() {
        let endless = u32::try_from(MESSAGE_BYTES_MAX + 1).unwrap().to_be_bytes();
        assert!(EventStream::default().feed(&[endless.as_slice(), &[0; 8]].concat()).is_err());
        assert!(EventStream::default().feed(b"<html>oops</html>").is_err());
        let no_json = message(&[(":event-type", "x")], "{");
        assert!(EventStream::default().feed(&no_json).is_err());
    }

    proptest! {
        /// One wrong bit anywhere is noticed, or the message never becomes complete.
        #[test]
        fn a_wrong_bit_is_no_message(at in 0usize..1000, bit in 0u8..8) {
            let mut bytes = message(&[(":message-type", "event"), (":event-type", "x")], "{\"a\":1}");
            let at = at % bytes.len();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
            prop_assert!(EventStream::default().feed(&bytes).is_ok_and(|messages| messages.is_empty()) || EventStream::default().feed(&bytes).is_err());
        }

        #[test]
        fn nothing_makes_it_panic(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..16)) {
            let mut stream = EventStream::default();
            for part in parts {
                if stream.feed(&part).is_err() {
                    break;
                }
            }
        }
    }
}
