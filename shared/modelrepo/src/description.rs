//! `model.toml`: what a model is, in its publisher's words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Text from text.
    Generate,
    /// Vectors from text.
    Embed,
    /// Text from speech.
    Transcribe,
    /// Spans of speech in sound.
    Vad,
    /// Lines of text in an image.
    OcrDetect,
    /// Text of a line.
    OcrRecognise,
}

impl Task {
    /// As it stands in `model.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Embed => "embed",
            Self::Transcribe => "transcribe",
            Self::Vad => "vad",
            Self::OcrDetect => "ocr-detect",
            Self::OcrRecognise => "ocr-recognise",
        }
    }
}

/// Where a model was taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The package.
    pub package: String,
    /// Its version.
    pub version: String,
}

/// The content of `model.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Name, equal to the folder's.
    pub name: String,
    /// Version, equal to the folder's.
    pub version: String,
    /// What it does.
    pub task: Task,
    /// Format of the weights, for example `gguf`.
    pub format: String,
    /// SPDX expression.
    pub licence: String,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// Language tags, or `multi`.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Where it was taken from.
    pub source: Source,
    /// Role of each file to its name, for example `weights`.
    pub files: BTreeMap<String, String>,
    /// Limits such as context length or sample rate; the keys end in their units.
    #[serde(default)]
    pub limits: toml::Table,
    /// What the loader of this format needs beside the weights.
    #[serde(default)]
    pub parameters: toml::Table,
}
