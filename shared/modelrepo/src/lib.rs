//! The model repository: `<root>/<model>/<version>/` with `model.toml`, its files, `manifest.json` (the digest of every
//! file) and `manifest.sig` (an Ed25519 signature over the manifest). A model is used only after both hold.
//! Knows nothing of how a model runs.

mod description;
mod error;
mod keys;
mod manifest;
mod repository;

pub use description::{Description, Source, Task};
pub use error::RepositoryError;
pub use keys::{SigningKeyFile, TrustedKeys};
pub use manifest::{FileDigest, MANIFEST, Manifest, SIGNATURE};
pub use repository::{ModelFolder, Repository, VerifiedModel};
