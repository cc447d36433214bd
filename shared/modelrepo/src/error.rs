//! Why a model is not used.

use std::path::PathBuf;

/// A repository, a key or a model that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A file cannot be read or written.
    #[error("cannot access {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// `model.toml` or the manifest does not have the documented form.
    #[error("{path} is not valid: {reason}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no manifest or no signature.
    #[error("{model} is not signed: {path} is missing; run `orrery model sign {model}` after checking where it came from", path = path.display())]
    Unsigned {
        /// The model.
        model: String,
        /// The missing file.
        path: PathBuf,
    },
    /// The signature is by a key that is not trusted here.
    #[error("{model} is signed by key {key_id}, which is not trusted here; trusted keys lie in {folder}", folder = folder.display())]
    Untrusted {
        /// The model.
        model: String,
        /// Identifies the key.
        key_id: String,
        /// Where trusted keys are looked for.
        folder: PathBuf,
    },
    /// The signature does not fit the manifest.
    #[error("the signature of {model} does not fit its manifest: one of them was changed; fetch the model again")]
    WrongSignature {
        /// The model.
        model: String,
    },
    /// A file does not have the digest that the manifest gives.
    #[error("{path} has digest {found}, the manifest says {expected}: the file was changed or is damaged; fetch the model again", path = path.display())]
    WrongDigest {
        /// The file.
        path: PathBuf,
        /// By the manifest.
        expected: String,
        /// By its bytes.
        found: String,
    },
    /// No such model or version.
    #[error("there is no model {model:?} in {root}; `orrery model list` shows those there are", root = root.display())]
    Missing {
        /// What was asked for.
        model: String,
        /// The repository.
        root: PathBuf,
    },
    /// A key file does not hold a key.
    #[error("{path} holds no usable Ed25519 key: {reason}", path = path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl RepositoryError {
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
