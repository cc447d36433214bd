//! Why the gateway cannot start.

use std::path::PathBuf;

use orrery_config::ConfigError;
use orrery_store::StoreError;

use crate::actors::BootstrapError;

/// Preparations that failed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The call log cannot be opened.
    #[error("cannot open the call log in {}: {source}", folder.display())]
    CallLog {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The cache of answers cannot be set up.
    #[error(transparent)]
    Cache(#[from] orrery_errors::Error),
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
