//! The typed content that every adapter yields, whatever came in: text with its place on the page or in time, how sure
//! the model was, and which models were asked. It never holds the raw input and knows no model or codec.

pub mod capability;

use serde::{Deserialize, Serialize};

/// What kind of thing the bytes were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Plain text, mail included.
    Text,
    /// One or more raster pages.
    Image,
    /// Sound.
    Audio,
    /// A paginated document.
    Document,
    /// Records: JSON or CSV.
    Structured,
}

/// A position in pixels of the upright page, origin top left, x to the right, y down.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// Distance from the left edge.
    pub x: f32,
    /// Distance from the top edge.
    pub y: f32,
}

/// A page as a reader would hold it: size after rotation, and the clockwise rotation that made it upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
    /// Degrees clockwise applied to the stored pixels: 0, 90, 180 or 270.
    pub rotation: u16,
}

/// A run of text that was recognised or found as one: a line of print, a stretch of speech, a paragraph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// The text itself.
    pub text: String,
    /// 0 to 1; 1 where nothing had to be recognised.
    pub confidence: f32,
    /// Index into [`Content::pages`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub page: Option<u32>,
    /// Corners in reading order of the line: top left, top right, bottom right, bottom left.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub quad: Option<[Point; 4]>,
    /// Start and end in milliseconds from the beginning of the recording.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub span_ms: Option<(u64, u64)>,
    /// Start and end in bytes of the source text (UTF-8, after a byte-order mark).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub char_span: Option<(u64, u64)>,
    /// Confidence of each character of `text`, where the model gives it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub char_confidences: Vec<f32>,
}

impl Segment {
    /// Text that was given, not recognised.
    pub fn certain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            confidence: 1.0,
            page: None,
            quad: None,
            span_ms: None,
            char_span: None,
            char_confidences: Vec::new(),
        }
    }
}

/// Which model produced a part of the content.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// Name in the model repository.
    pub name: String,
    /// Version in the model repository.
    pub version: String,
    /// `sha256:<hex>` of what was loaded.
    pub digest: String,
}

/// Something a reader should know that is not an error, with a code that programs can match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable, `snake_case`.
    pub code: String,
    /// For people.
    pub message: String,
}

impl Warning {
    /// A warning under a stable code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// What an adapter read out of one payload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// What kind of thing it was.
    pub modality: Modality,
    /// The type found in the bytes, lower case, without parameters.
    pub media_type: String,
    /// In reading order; empty where nothing was found.
    pub segments: Vec<Segment>,
    /// The parsed value of structured input.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub structured: Option<serde_json::Value>,
    /// One per raster page or document page.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub pages: Vec<Page>,
    /// Length of a recording.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub duration_ms: Option<u64>,
    /// Every model that was asked, once each.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub models: Vec<ModelIdentity>,
    /// What was odd about the input.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<Warning>,
}

impl Content {
    /// Content with nothing in it yet.
    pub fn empty(modality: Modality, media_type: &str) -> Self {
        Self {
            modality,
            media_type: media_type.to_owned(),
            segments: Vec::new(),
            structured: None,
            pages: Vec::new(),
            duration_ms: None,
            models: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// All text in reading order, one segment a line.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for segment in &self.segments {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&segment.text);
        }
        out
    }

    /// Names a model once, however often it was asked.
    pub fn record_models(&mut self, used: impl IntoIterator<Item = ModelIdentity>) {
        for model in used {
            if !self.models.contains(&model) {
                self.models.push(model);
            }
        }
    }
}
