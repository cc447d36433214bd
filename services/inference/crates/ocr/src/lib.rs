//! Reading print off a page: find the lines (DB detection), turn the page upright, recognise each line (CTC). The models
//! are PaddleOCR's PP-OCRv6 run by ONNX Runtime. Nothing here knows file formats, media types or what a form is.

mod crop;
mod detect;
mod engine;
mod geometry;
mod order;
mod orient;
mod raster;
mod recognise;
mod regions;
mod runtime;

pub use engine::{OcrModels, OcrSettings, PaddleOcr};
pub use geometry::Quad;
pub use runtime::OnnxRuntime;

use std::path::PathBuf;

/// Why the OCR engine could not be made or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum OcrError {
    /// The shared library is missing or of another version.
    #[error("onnx runtime cannot be loaded from {path}: {reason}; run the setup again or name the right file")]
    Runtime {
        /// Where it was looked for.
        path: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// A model's bytes are not a graph that the runtime takes.
    #[error("the {model} model cannot be loaded: {reason}; check the files in the model repository")]
    Load {
        /// `detection`, `recognition` or `line angle`.
        model: &'static str,
        /// What the runtime said.
        reason: String,
    },
    /// The recognition model has no character set in its metadata.
    #[error(
        "the recognition model carries no `character` entry in its metadata; use a model exported with its charset"
    )]
    NoCharset,
    /// A run of a model failed.
    #[error("the {model} model failed: {reason}")]
    Run {
        /// `detection`, `recognition` or `line angle`.
        model: &'static str,
        /// What the runtime said.
        reason: String,
    },
    /// A model answered with a tensor of a shape that this code does not read.
    #[error("the {model} model answered with shape {shape:?}; it is not a PP-OCR model of the expected kind")]
    Shape {
        /// `detection`, `recognition` or `line angle`.
        model: &'static str,
        /// What came.
        shape: Vec<i64>,
    },
}
