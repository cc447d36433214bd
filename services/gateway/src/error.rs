//! Why the gateway cannot start.

use orrery_config::ConfigError;
use orrery_store::StoreError;

use crate::actors::BootstrapError;

/// Preparations that failed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration breaks a rule.
    #[error("{0}")]
    Settings(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first key.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The folder of uploads.
    #[error("cannot use the folder {folder} for uploads: {source}", folder = folder.display())]
    Uploads {
        /// The folder.
        folder: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
