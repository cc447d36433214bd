//! What the adapters ask of models, and nothing more: whoever wires the service together decides which model answers.
//! The calls block, so they belong on a worker thread.

use image::RgbImage;

use crate::{ModelIdentity, Point};

/// Why a model gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// It is not loaded here.
    #[error("no model for {0} is loaded; add one to the model repository and restart")]
    Missing(&'static str),
    /// It failed on this input.
    #[error("{0}")]
    Failed(String),
    /// It has more to do than it may queue.
    #[error("the model is busy; try again in a moment")]
    Busy,
    /// The work was broken off.
    #[error("nobody waits for the answer any more")]
    Interrupted,
}

/// Asked between two pieces of long work: whether to break off, since nobody waits for the result any more.
#[derive(Clone, Copy)]
pub struct Interrupt<'a>(&'a dyn Fn() -> bool);

impl<'a> Interrupt<'a> {
    /// For work that is always done to the end.
    pub const NEVER: Interrupt<'static> = Interrupt(&|| false);

    /// Raised as soon as the closure says so.
    pub fn new(is_raised: &'a dyn Fn() -> bool) -> Self {
        Self(is_raised)
    }

    /// An error once it is raised.
    pub fn check(self) -> Result<(), CapabilityError> {
        if (self.0)() { Err(CapabilityError::Interrupted) } else { Ok(()) }
    }
}

impl std::fmt::Debug for Interrupt<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Interrupt").field(&(self.0)()).finish()
    }
}

/// A line of print.
#[derive(Debug, Clone, PartialEq)]
pub struct OcrLine {
    /// What it says.
    pub text: String,
    /// Mean probability of its characters, 0 to 1.
    pub confidence: f32,
    /// Probability of each character.
    pub char_confidences: Vec<f32>,
    /// Its corners in pixels of the upright page, clockwise from the top left of the print.
    pub quad: [Point; 4],
}

/// A page as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct OcrPage {
    /// Pixels of the upright page.
    pub width: u32,
    /// Pixels of the upright page.
    pub height: u32,
    /// Degrees clockwise by which the given picture had to be turned: 0, 90, 180 or 270.
    pub rotation: u16,
    /// In reading order.
    pub lines: Vec<OcrLine>,
    /// Lines that were seen but not read surely enough to be given.
    pub unreadable: usize,
}

/// Reads print off a picture.
pub trait OcrEngine: Send + Sync {
    /// Reads one page.
    fn read(&self, image: &RgbImage) -> Result<OcrPage, CapabilityError>;
    /// Which models answer.
    fn models(&self) -> Vec<ModelIdentity>;
}

/// A stretch of speech.
#[derive(Debug, Clone, PartialEq)]
pub struct SpokenSegment {
    /// What was said.
    pub text: String,
    /// 0 to 1.
    pub confidence: f32,
    /// Milliseconds from the beginning of the samples.
    pub start_ms: u64,
    /// Milliseconds from the beginning of the samples.
    pub end_ms: u64,
}

/// Writes down what was said.
pub trait SpeechEngine: Send + Sync {
    /// Transcribes mono samples at 16 kHz, -1 to 1. No speech is an empty list, not an error.
    fn transcribe(&self, samples: &[f32], interrupt: Interrupt<'_>) -> Result<Vec<SpokenSegment>, CapabilityError>;
    /// Which models answer.
    fn models(&self) -> Vec<ModelIdentity>;
}
