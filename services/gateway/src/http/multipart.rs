//! `multipart/form-data`: named text fields in memory, every other part a file on disk, all within the limits.

use std::collections::BTreeMap;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::HttpRequest;
use actix_web::web::{Bytes, Payload};
use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};

use super::body::{IDLE, announced, expect_type, stalled, too_large};
use super::{Failure, Gateway, Upload};

/// Longest name of a part.
const FIELD_BYTES_MAX: usize = 64;
/// Longest file name that is kept.
const FILE_NAME_CHARS_MAX: usize = 255;

/// A form that was received whole.
#[derive(Debug, Default)]
pub struct Form {
    /// The text fields asked for; a field that came several times has several values.
    pub texts: BTreeMap<String, Vec<String>>,
    /// Everything else, in order.
    pub files: Vec<Upload>,
}

impl Form {
    /// The only value of a text field.
    pub fn take(&mut self, field: &str) -> Result<Option<String>, Failure> {
        match self.texts.remove(field).as_deref() {
            None => Ok(None),
            Some([value]) => Ok(Some(value.clone())),
            Some(_) => Err(Failure::param(field, format!("the part {field:?} came more than once"))),
        }
    }
}

/// Receives a form. Parts for which `is_text` says so are texts, all others are files.
pub async fn receive(
    gateway: &Gateway,
    request: &HttpRequest,
    payload: Payload,
    is_text: impl Fn(&str) -> bool,
) -> Result<Form, Failure> {
    expect_type(request, "multipart/form-data", |kind| kind == "multipart/form-data")?;
    let limit = gateway.config.upload_bytes_max;
    announced(request, limit)?;
    let mut parts = Multipart::new(request.headers(), payload);
    let mut receiver = Receiver { gateway, limit, left: limit };
    let mut form = Form::default();
    let mut count = 0;
    while let Some(mut part) = next_part(&mut parts).await? {
        count += 1;
        if count > gateway.config.parts_max {
            let message = format!("the form has more than {} parts, the most that is taken", gateway.config.parts_max);
            return Err(Error::new(ErrorCode::PayloadTooLarge, message).into());
        }
        let name = field_name(&part)?;
        if is_text(&name) {
            let text = receiver.text(&name, &mut part).await?;
            form.texts.entry(name).or_default().push(text);
        } else {
            form.files.push(receiver.file(name, &mut part).await?);
        }
    }
    Ok(form)
}

struct Receiver<'a> {
    gateway: &'a Gateway,
    limit: u64,
    left: u64,
}

impl Receiver<'_> {
    async fn chunk(&mut self, part: &mut Field) -> Result<Option<Bytes>, Failure> {
        let chunk = match tokio::time::timeout(IDLE, part.next()).await {
            Err(_elapsed) => return Err(stalled()),
            Ok(None) => return Ok(None),
            Ok(Some(chunk)) => chunk.map_err(|error| damaged(&error))?,
        };
        let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(size).ok_or_else(|| too_large(self.limit))?;
        Ok(Some(chunk))
    }

    async fn text(&mut self, name: &str, part: &mut Field) -> Result<String, Failure> {
        let limit = self.gateway.config.json_bytes_max;
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(part).await? {
            if bytes.len() + chunk.len() > limit {
                return Err(too_large(u64::try_from(limit).unwrap_or(u64::MAX)));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).map_err(|_| Failure::param(name, format!("the part {name:?} is not valid UTF-8")))
    }

    async fn file(&mut self, name: String, part: &mut Field) -> Result<Upload, Failure> {
        let declared = part.content_type().map(|mime| mime.essence_str().to_ascii_lowercase());
        let file_name = part.content_disposition().and_then(|head| head.get_filename()).map(plain).unwrap_or_default();
        let mut spool = self.gateway.uploads.begin().await?;
        while let Some(chunk) = self.chunk(part).await? {
            spool.write(&chunk).await?;
        }
        spool.finish(name, file_name, declared).await
    }
}

async fn next_part(parts: &mut Multipart) -> Result<Option<Field>, Failure> {
    match tokio::time::timeout(IDLE, parts.next()).await {
        Err(_elapsed) => Err(stalled()),
        Ok(None) => Ok(None),
        Ok(Some(part)) => part.map(Some).map_err(|error| damaged(&error)),
    }
}

fn field_name(part: &Field) -> Result<String, Failure> {
    let name = part.name().unwrap_or_default();
    // OpenAI's lists end in brackets.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'[' | b']');
    if name.is_empty() || name.len() > FIELD_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(Failure::invalid(format!(
            "a part has no usable name: use 1 to {FIELD_BYTES_MAX} of A-Z, a-z, 0-9, '_' and '-'"
        )));
    }
    Ok(name.to_owned())
}

/// The last part of what may be a whole path, without control characters.
fn plain(file_name: &str) -> String {
    let last = file_name.rsplit(['/', '\\']).next().unwrap_or_default();
    last.chars().filter(|c| !c.is_control()).take(FILE_NAME_CHARS_MAX).collect()
}

fn damaged(error: &MultipartError) -> Failure {
    Failure::invalid(format!("the form ended early or is damaged: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_keeps_no_path_and_no_control_characters() {
        assert_eq!(plain("C:\\scans\\form.png"), "form.png");
        assert_eq!(plain("../../etc/passwd"), "passwd");
        assert_eq!(plain("a\r\nb"), "ab");
    }
}
