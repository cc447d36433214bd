//! Plain text and mail: UTF-8, in paragraphs that know their place in the source. Mail headers at the top are taken apart,
//! and anything that only looks like a header is left in the text.

use serde_json::{Map, Value};

use orrery_content::{Content, Modality, Segment, Warning};

use super::{Adapter, AdapterError, Input, Limits, Resources};

/// Headers that mark the beginning of a mail; a note that opens with "Note: …" is not one.
const MAIL_HEADERS: &[&str] =
    &["from", "to", "cc", "subject", "date", "reply-to", "message-id", "return-path", "received"];

/// Reads text.
pub(super) struct TextAdapter {
    limits: Limits,
}

impl TextAdapter {
    pub(super) fn new(resources: &Resources) -> Self {
        Self { limits: resources.limits }
    }
}

impl Adapter for TextAdapter {
    fn media_types(&self) -> &'static [&'static str] {
        &["text/plain", "text/markdown", "message/rfc822"]
    }

    fn read(&self, input: Input<'_>, media_type: &'static str) -> Result<Content, AdapterError> {
        let text = utf8(input.bytes, self.limits)?;
        let mut content = Content::empty(Modality::Text, media_type);
        let (headers, body) = split_headers(text);
        if !headers.is_empty() {
            for (start, line) in lines_with_offsets(text)
                .take_while(|(start, _)| *start < body)
                .filter(|(_, line)| !line.trim().is_empty())
            {
                content.segments.push(segment(start, line));
            }
            warn_of_encoding(&mut content, &headers);
            content.structured = Some(serde_json::json!({ "headers": headers }));
        }
        content.segments.extend(paragraphs(text, body));
        if content.segments.is_empty() {
            content.warnings.push(Warning::new("no_text", "the text holds nothing but blanks"));
        }
        Ok(content)
    }
}

/// Text after a byte-order mark, or where it stops being UTF-8.
pub(super) fn utf8(bytes: &[u8], limits: Limits) -> Result<&str, AdapterError> {
    let (size, limit) = (bytes.len() as u64, limits.text_bytes_max);
    if size > limit {
        return Err(AdapterError::TooManyBytes { size, limit });
    }
    let text = std::str::from_utf8(bytes).map_err(|fault| AdapterError::InvalidUtf8 { offset: fault.valid_up_to() })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// The headers at the top, lower-case names with their values, and where the body begins. Tolerant: folded lines are
/// joined, and text without headers is all body.
fn split_headers(text: &str) -> (Map<String, Value>, usize) {
    let mut headers: Map<String, Value> = Map::new();
    let mut last: Option<String> = None;
    for (start, line) in lines_with_offsets(text) {
        if line.trim().is_empty() {
            return if headers.is_empty() { (Map::new(), 0) } else { (headers, start) };
        }
        if line.starts_with([' ', '\t'])
            && let Some(Value::String(value)) = last.as_ref().and_then(|name| headers.get_mut(name))
        {
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        match header(line) {
            Some((name, value)) if !headers.is_empty() || MAIL_HEADERS.contains(&name.as_str()) => {
                headers.insert(name.clone(), Value::String(value));
                last = Some(name);
            }
            _ => return if headers.is_empty() { (Map::new(), 0) } else { (headers, start) },
        }
    }
    let end = text.len();
    if headers.is_empty() { (headers, 0) } else { (headers, end) }
}

/// A header line: a name of printable ASCII without blanks, a colon, a value (RFC 5322, section 2.2).
fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let valid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    valid.then(|| (name.to_ascii_lowercase(), value.trim().to_owned()))
}

fn warn_of_encoding(content: &mut Content, headers: &Map<String, Value>) {
    let encoding =
        headers.get("content-transfer-encoding").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let multipart = headers
        .get("content-type")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/"));
    if multipart || matches!(encoding.as_str(), "base64" | "quoted-printable") {
        content.warnings.push(Warning::new(
            "encoded_body",
            "the mail's body is encoded and is given as it came; send its parts as files",
        ));
    }
}

/// Stretches of text between blank lines, from the given place on.
fn paragraphs(text: &str, from: usize) -> Vec<Segment> {
    let mut found = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    for (start, line) in lines_with_offsets(text).filter(|(start, _)| *start >= from) {
        if line.trim().is_empty() {
            found.extend(open.take());
        } else {
            let end = start + line.len();
            open = Some((open.map_or(start, |(begin, _)| begin), end));
        }
    }
    found.extend(open);
    found.into_iter().filter_map(|(start, end)| Some(segment(start, text.get(start..end)?))).collect()
}

fn segment(start: usize, text: &str) -> Segment {
    let trimmed = text.trim_end();
    Segment { char_span: Some((start as u64, (start + trimmed.len()) as u64)), ..Segment::certain(trimmed) }
}

/// Lines without their ends, with the byte at which each begins.
fn lines_with_offsets(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = 0;
    text.split_inclusive('\n').map(move |line| {
        let start = offset;
        offset += line.len();
        (start, line.trim_end_matches(['\n', '\r']))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn headers_end_at_the_first_blank_line_and_fold() {
        let mail = "From: Ann <ann@example.org>\nSubject: a long\n subject\n\nDear all,\nNote: no header.\n\nBye\n";
        let (headers, body) = split_headers(mail);
        assert_eq!(headers["subject"], "a long subject");
        assert_eq!(headers.len(), 2);
        let found = paragraphs(mail, body);
        assert_eq!(found.len(), 2);
        let (start, end) = found[0].char_span.unwrap();
        assert_eq!(&mail[start as usize..end as usize], "Dear all,\nNote: no header.");
    }

    #[test]
    fn text_that_opens_with_a_colon_is_not_mail() {
        assert_eq!(split_headers("Note: call back\n\nThanks").1, 0);
        assert!(split_headers("Note: call back").0.is_empty());
        assert!(split_headers("").0.is_empty());
    }

    #[test]
    fn invalid_utf8_names_the_byte() {
        let limits = Limits::default();
        assert_eq!(utf8(b"ok \xff\xfe", limits), Err(AdapterError::InvalidUtf8 { offset: 3 }));
        assert_eq!(utf8("\u{feff}ok".as_bytes(), limits), Ok("ok"));
    }
}
