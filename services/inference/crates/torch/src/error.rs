//! What can go wrong while a model is loaded or run. A malformed file is always one of these, never a panic.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// A fault of a model file, of an input or of libtorch.
#[derive(Debug, Error)]
pub enum ModelError {
    #[error("cannot read {}: {source}; check that the model was fetched", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} is corrupt: {reason}; fetch the model again", path.display())]
    Corrupt { path: PathBuf, reason: String },
    #[error("{} has no tensor {name}; the file is not of this model", path.display())]
    MissingTensor { path: PathBuf, name: String },
    #[error("tensor {name} in {} has shape {found:?} where {expected:?} is needed", path.display())]
    WrongShape { path: PathBuf, name: String, expected: Vec<i64>, found: Vec<i64> },
    #[error("{} uses {what}, which is not supported", path.display())]
    Unsupported { path: PathBuf, what: String },
    #[error("the tokenizer failed: {0}")]
    Tokenizer(String),
    #[error("the chat template failed: {0}")]
    ChatTemplate(String),
    #[error("{actual} tokens exceed the limit of {limit}; shorten the input")]
    TooLong { actual: usize, limit: usize },
    #[error(
        "the prompt has {prompt} tokens and the model's context holds {context} together with the answer; shorten it or choose \
         a model with a larger context"
    )]
    ContextOverflow { prompt: usize, context: usize },
    #[error("{what} cannot be enforced: {reason}; simplify it")]
    Schema { what: String, reason: String },
    #[error("{0}")]
    InvalidInput(String),
    #[error("device {0} is not available; choose cpu or install a libtorch with CUDA")]
    DeviceUnavailable(String),
    #[error("libtorch failed: {0}")]
    Torch(#[from] tch::TchError),
}

impl ModelError {
    pub(crate) fn corrupt(path: &Path, reason: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), reason: reason.into() }
    }

    pub(crate) fn unsupported(path: &Path, what: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_owned(), what: what.into() }
    }
}

/// Reads a whole model file.
///
/// # Errors
/// [`ModelError::Io`] naming the path.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| ModelError::Io { path: path.to_owned(), source })
}
