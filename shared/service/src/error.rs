//! What ends a service.

use orrery_config::ConfigError;
use orrery_telemetry::TelemetryError;

/// Why a service could not start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Logs, traces or metrics cannot be started.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The bus is not reachable.
    #[error(transparent)]
    Bus(#[from] orrery_errors::Error),
    /// The health endpoint cannot listen.
    #[error("cannot listen on {address}: {source}; choose another address or port")]
    Listen {
        /// The address that was configured.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The service's own preparations failed: its database, its models, its keys.
    #[error("{0}")]
    Prepare(String),
    /// The tree could not start, or used up its restarts.
    #[error("the actor tree failed: {0}")]
    Tree(String),
}

impl ServiceError {
    /// Wraps an error of the service's own preparations.
    pub fn prepare(error: impl std::fmt::Display) -> Self {
        Self::Prepare(error.to_string())
    }
}
