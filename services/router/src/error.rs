//! Why a router does not start or had to stop. What callers are told is `orrery_errors::Error`.

use std::path::PathBuf;

use orrery_policy::PolicyError;

use orrery_routing::catalogue_file::CatalogueError;

/// A router that does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not read.
    #[error(transparent)]
    Config(#[from] orrery_config::ConfigError),
    /// The call log cannot be opened.
    #[error("cannot open the call log in {}: {source}", folder.display())]
    CallLog {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The catalogue file cannot be read.
    #[error("cannot read the catalogue {}: {source}", path.display())]
    CatalogueFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The catalogue is refused.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The policies are refused.
    #[error(transparent)]
    Policies(#[from] PolicyError),
    /// A provider cannot be set up.
    #[error(transparent)]
    Snapshot(#[from] orrery_dataplane::SnapshotError),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] orrery_store::StoreError),
    /// The bus cannot be used.
    #[error(transparent)]
    Bus(#[from] orrery_errors::Error),
    /// The health endpoint cannot be bound.
    #[error("cannot serve health and metrics at {address}: {source}")]
    Admin {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The actor tree failed for good.
    #[error("the router's actors failed: {0}")]
    Tree(String),
}
