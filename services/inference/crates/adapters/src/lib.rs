//! Bytes and a media type in, typed content out: one adapter a modality, found by the type that the bytes really have.
//! Adapters know formats and limits; what a picture says or a voice speaks they ask of the models behind
//! [`orrery_content::capability`]. They block, so they run on a worker thread, never on an actor's.

mod audio;
mod audio_decode;
mod error;
mod image;
mod jpeg;
mod limits;
mod pdf;
mod sniff;
mod structured;
mod text;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use orrery_content::Content;

pub use audio_decode::{SPEECH_RATE, decode_mono};
pub use error::{AdapterError, Violation};
pub use limits::Limits;

use orrery_content::capability::{Interrupt, OcrEngine, SpeechEngine};

/// One payload to be read.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The payload.
    pub bytes: &'a [u8],
    /// What the sender says it is; empty or `application/octet-stream` when nobody said.
    pub media_type: &'a str,
    /// A JSON Schema that structured input must meet.
    pub schema: Option<&'a Value>,
    /// Ends long work early.
    pub interrupt: Interrupt<'a>,
}

/// What adapters may use.
#[derive(Clone, Default)]
pub struct Resources {
    /// Reads print; without it pictures and scans are refused.
    pub ocr: Option<Arc<dyn OcrEngine>>,
    /// Writes down speech; without it recordings are refused.
    pub speech: Option<Arc<dyn SpeechEngine>>,
    /// PDFium's shared library; without it PDF is refused.
    pub pdfium: Option<PathBuf>,
    /// Sizes above which input is refused.
    pub limits: Limits,
}

impl std::fmt::Debug for Resources {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Resources")
            .field("ocr", &self.ocr.is_some())
            .field("speech", &self.speech.is_some())
            .field("pdfium", &self.pdfium)
            .field("limits", &self.limits)
            .finish()
    }
}

/// Turns one family of media types into content.
pub trait Adapter: Send + Sync {
    /// The canonical types that it reads, lower case.
    fn media_types(&self) -> &'static [&'static str];
    /// Reads a payload whose bytes were found to be `media_type`, one of its own.
    fn read(&self, input: Input<'_>, media_type: &'static str) -> Result<Content, AdapterError>;
}

/// All adapters of the service.
pub struct Registry {
    adapters: Vec<Box<dyn Adapter>>,
    limits: Limits,
}

impl Registry {
    /// Every adapter there is. A new one is a file and a line here.
    pub fn new(resources: &Resources) -> Self {
        Self {
            adapters: vec![
                Box::new(image::ImageAdapter::new(resources)),
                Box::new(audio::AudioAdapter::new(resources)),
                Box::new(pdf::PdfAdapter::new(resources)),
                Box::new(text::TextAdapter::new(resources)),
                Box::new(structured::StructuredAdapter::new(resources)),
            ],
            limits: resources.limits,
        }
    }

    /// The canonical media types that can be read.
    pub fn media_types(&self) -> Vec<&'static str> {
        self.adapters.iter().flat_map(|adapter| adapter.media_types().iter().copied()).collect()
    }

    /// The type that the bytes really have; an error when the declared one contradicts it.
    pub fn settle(&self, bytes: &[u8], declared: &str) -> Result<&'static str, AdapterError> {
        if bytes.is_empty() {
            return Err(AdapterError::Empty);
        }
        let media_type = sniff::settle(bytes, declared)?;
        let own = self.adapters.iter().flat_map(|adapter| adapter.media_types()).find(|own| **own == media_type);
        own.copied().ok_or_else(|| self.unsupported(&media_type))
    }

    /// Reads a payload, trusting its bytes over its label: a label that contradicts them is an error, not a hint.
    pub fn read(&self, input: Input<'_>) -> Result<Content, AdapterError> {
        let (size, limit) = (input.bytes.len() as u64, self.limits.bytes_max);
        if size > limit {
            return Err(AdapterError::TooManyBytes { size, limit });
        }
        let media_type = self.settle(input.bytes, input.media_type)?;
        let adapter = self.adapters.iter().find(|adapter| adapter.media_types().contains(&media_type));
        let adapter = adapter.ok_or_else(|| self.unsupported(media_type))?;
        adapter.read(input, media_type)
    }

    fn unsupported(&self, media_type: &str) -> AdapterError {
        AdapterError::Unsupported { media_type: media_type.to_owned(), known: self.media_types().join(", ") }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Registry").field("media_types", &self.media_types()).finish_non_exhaustive()
    }
}
