//! What an upload is when its sender does not say: `application/octet-stream` tells nothing, and routing by media type
//! needs an answer. A type that was declared stays as declared; whoever reads the file holds it against the bytes.

/// Bytes at the beginning of a file that are looked at.
pub const HEAD_BYTES: usize = 8 * 1024;
/// What says nothing.
pub const UNKNOWN: &str = "application/octet-stream";

/// The declared type, or what the first bytes of the file give away.
pub fn settle(declared: Option<String>, head: &[u8]) -> String {
    match declared {
        Some(declared) if !declared.is_empty() && declared != UNKNOWN => declared,
        _ => guess(head).to_owned(),
    }
}

fn guess(head: &[u8]) -> &'static str {
    if let Some(found) = infer::get(head) {
        return found.mime_type();
    }
    let is_text = match std::str::from_utf8(head) {
        // Nothing at all is read as text too, by an adapter that says so.
        Ok(_) => true,
        // The head may end within a character.
        Err(fault) => fault.error_len().is_none() && fault.valid_up_to() > 0,
    };
    let first = head.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'{' | b'[') if is_text => "application/json",
        _ if is_text => "text/plain",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unlabelled_bytes_are_what_they_look_like() {
        let unlabelled = |head: &[u8]| settle(Some(UNKNOWN.to_owned()), head);
        assert_eq!(unlabelled(b"\x89PNG\r\n\x1a\n"), "image/png");
        assert_eq!(unlabelled(b"\xff\xd8\xff\xe0"), "image/jpeg");
        assert_eq!(unlabelled(b"%PDF-1.7"), "application/pdf");
        assert!(unlabelled(b"RIFF\0\0\0\0WAVEfmt ").starts_with("audio/"));
        assert_eq!(unlabelled(b" {\"a\": 1}"), "application/json");
        assert_eq!(unlabelled("Dear all,\n\u{e4}".as_bytes()), "text/plain");
        assert_eq!(unlabelled("cut within \u{e4}".as_bytes().split_last().map_or(&[], |(_, cut)| cut)), "text/plain");
        assert_eq!(unlabelled(b"\x01\xfe\xff\x00"), UNKNOWN);
        assert_eq!(unlabelled(b""), "text/plain");
    }

    #[test]
    fn a_label_is_left_alone() {
        assert_eq!(settle(Some("image/jpeg".to_owned()), b"\x89PNG\r\n\x1a\n"), "image/jpeg");
        assert_eq!(settle(None, b"\x89PNG\r\n\x1a\n"), "image/png");
    }
}
