//! Tasks with attachments, sent as multipart forms.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::client::{CALL_WITHIN, Gateway};
use crate::error::usage;

/// A file to send along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Under which the workflow knows it.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// A task to start.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// `name`, `name:version` or `name@sha256:…`.
    pub workflow: String,
    /// The workflow's input.
    pub input: Option<Value>,
    /// Files.
    pub attachments: Vec<Attachment>,
    /// Makes a repetition harmless.
    pub idempotency_key: Option<String>,
}

impl std::str::FromStr for Attachment {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, path) = text.split_once('=').ok_or_else(|| usage(format!("{text:?} is not name=path")))?;
        Ok(Self { name: name.to_owned(), path: path.into() })
    }
}

impl Attachment {
    /// The file under its own stem, with what the gateway does not accept in a name replaced.
    pub fn of(path: &Path) -> Self {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
        let name = stem.chars().map(|letter| if fits(letter) { letter } else { '_' }).collect();
        Self { name, path: path.to_owned() }
    }
}

impl Gateway {
    /// Starts a task and returns it.
    pub async fn submit(&self, submission: &Submission) -> Result<Value> {
        let mut form = Form::new().text("workflow", submission.workflow.clone());
        if let Some(input) = &submission.input {
            form = form.part("input", Part::text(input.to_string()).mime_str("application/json")?);
        }
        for attachment in &submission.attachments {
            let path = &attachment.path;
            let content = tokio::fs::read(path).await.with_context(|| format!("cannot read {}", path.display()))?;
            let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let part = Part::bytes(content).file_name(file_name).mime_str(media_type(path))?;
            form = form.part(attachment.name.clone(), part);
        }
        let mut request = self.request(Method::POST, &["tasks"], &[]).multipart(form);
        if let Some(key) = &submission.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        self.json(request.timeout(CALL_WITHIN)).await
    }
}

/// What the file's extension claims. The services look at the content and say so when it differs.
pub fn media_type(path: &Path) -> &'static str {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match extension.as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "tif" | "tiff" => "image/tiff",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" | "oga" => "audio/ogg",
        "pdf" => "application/pdf",
        "json" => "application/json",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "md" | "markdown" => "text/markdown",
        "txt" | "text" | "eml" | "log" => "text/plain",
        "yaml" | "yml" => "application/yaml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_named_after_its_file() {
        let attachment = Attachment::of(Path::new("/packets/C1/photo of car.JPG"));
        assert_eq!(attachment.name, "photo_of_car");
        assert_eq!(media_type(&attachment.path), "image/jpeg");
    }
}
