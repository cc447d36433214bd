//! What bytes really are, and whether that agrees with what the sender called them.

use super::AdapterError;

/// Names in use for one type, and the name used here.
const ALIASES: &[(&str, &str)] = &[
    ("image/jpg", "image/jpeg"),
    ("image/pjpeg", "image/jpeg"),
    ("image/tif", "image/tiff"),
    ("audio/x-wav", "audio/wav"),
    ("audio/wave", "audio/wav"),
    ("audio/vnd.wave", "audio/wav"),
    ("audio/x-flac", "audio/flac"),
    ("audio/mp3", "audio/mpeg"),
    ("audio/mpeg3", "audio/mpeg"),
    ("audio/opus", "audio/ogg"),
    ("audio/vorbis", "audio/ogg"),
    ("application/ogg", "audio/ogg"),
    ("application/x-pdf", "application/pdf"),
    ("text/json", "application/json"),
    ("application/csv", "text/csv"),
];

/// The type to read the bytes as, or the contradiction between label and bytes.
pub(super) fn settle(bytes: &[u8], declared: &str) -> Result<String, AdapterError> {
    let declared = canonical(declared);
    let found = signature(bytes);
    if declared.is_empty() || declared == "application/octet-stream" {
        return Ok(
            found.unwrap_or_else(|| if looks_like_json(bytes) { "application/json" } else { "text/plain" }.to_owned())
        );
    }
    let contradiction = |found: String| AdapterError::Contradiction { declared: declared.clone(), found };
    if is_textual(&declared) {
        return match found {
            // A few letters of plain text can look like a signature; only what is not text contradicts text.
            Some(found) if found == "application/pdf" || std::str::from_utf8(bytes).is_err() => {
                Err(contradiction(found))
            }
            _ => Ok(declared),
        };
    }
    match found {
        Some(found) if found == declared => Ok(declared),
        Some(found) => Err(contradiction(found)),
        None if !has_signature(&declared) => Ok(declared),
        None if std::str::from_utf8(bytes).is_ok() => Err(contradiction("text".to_owned())),
        None => Err(contradiction("of no known type".to_owned())),
    }
}

/// Lower case, without parameters, under the one name used here.
fn canonical(media_type: &str) -> String {
    let bare = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if bare.ends_with("+json") {
        return "application/json".to_owned();
    }
    ALIASES.iter().find(|(alias, _)| *alias == bare).map_or(bare, |(_, name)| (*name).to_owned())
}

/// The type that the leading bytes give away, text formats excepted: those have no signature worth the name.
fn signature(bytes: &[u8]) -> Option<String> {
    if is_mpeg_audio(bytes) {
        return Some("audio/mpeg".to_owned());
    }
    let found = infer::get(bytes)?;
    match found.matcher_type() {
        infer::MatcherType::Text => None,
        _ => Some(canonical(found.mime_type())),
    }
}

/// A layer III frame header: sync bits, a layer, a bit rate and a sample rate that exist (ISO 11172-3, 2.4.1.3). The
/// library knows only the commonest of these.
fn is_mpeg_audio(bytes: &[u8]) -> bool {
    match bytes {
        [0xFF, second, third, ..] => {
            let layer_three = second & 0xE6 == 0xE2;
            let version_exists = second & 0x18 != 0x08;
            layer_three && version_exists && third & 0xF0 != 0xF0 && third & 0x0C != 0x0C
        }
        _ => false,
    }
}

fn is_textual(media_type: &str) -> bool {
    media_type.starts_with("text/") || media_type == "application/json" || media_type == "message/rfc822"
}

/// Types whose bytes always begin in a way that is known here.
fn has_signature(media_type: &str) -> bool {
    media_type == "application/pdf" || media_type.starts_with("image/") || media_type.starts_with("audio/")
}

fn looks_like_json(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    #[test]
    fn labels_are_read_without_parameters_and_under_one_name() {
        assert_eq!(settle(PNG, "Image/PNG; charset=binary"), Ok("image/png".to_owned()));
        assert_eq!(settle(b"RIFF\0\0\0\0WAVEfmt ", "audio/x-wav"), Ok("audio/wav".to_owned()));
        assert_eq!(settle(b"{}", "application/vnd.api+json"), Ok("application/json".to_owned()));
    }

    #[test]
    fn a_contradiction_names_both_types() {
        let fault = settle(PNG, "image/jpeg").map_err(|fault| fault.to_string());
        assert_eq!(
            fault,
            Err("declared as image/jpeg but the bytes are image/png; send it with the right media type".to_owned())
        );
        assert!(settle(PNG, "text/plain").is_err());
        assert!(settle(PNG, "application/json").is_err());
        assert!(settle(b"hello", "image/png").is_err());
        assert!(settle(&[0x00, 0x9f, 0x92], "audio/wav").is_err());
        assert!(settle(b"%PDF-1.7", "text/plain").is_err());
    }

    #[test]
    fn text_that_begins_like_a_signature_stays_text() {
        assert_eq!(settle(b"BM stands for bitmap", "text/plain"), Ok("text/plain".to_owned()));
        assert_eq!(settle(b"ID3 is a tag", "text/plain"), Ok("text/plain".to_owned()));
    }

    #[test]
    fn unlabelled_bytes_are_what_they_look_like() {
        assert_eq!(settle(PNG, ""), Ok("image/png".to_owned()));
        assert_eq!(settle(b" [1]", "application/octet-stream"), Ok("application/json".to_owned()));
        assert_eq!(settle(b"hello", ""), Ok("text/plain".to_owned()));
    }

    #[test]
    fn mpeg_audio_of_every_version_is_known() {
        for second in [0xFB_u8, 0xFA, 0xF3, 0xF2, 0xE3] {
            assert!(is_mpeg_audio(&[0xFF, second, 0x90, 0x00]), "{second:#x}");
        }
        assert!(!is_mpeg_audio(&[0xFF, 0xD8, 0xFF, 0xE0]), "a jpeg is not mpeg audio");
        assert!(!is_mpeg_audio(&[0xFF, 0xFE, b'h', 0]), "utf-16 is not mpeg audio");
    }
}
