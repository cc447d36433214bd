//! The `[kernel]` section of the configuration file.

use std::path::PathBuf;

use serde::Deserialize;

use crate::providers::{NetworkConfig, SandboxConfig, SecretsConfig};

/// Settings of the kernel. All have defaults.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KernelConfig {
    /// Which hosts workflows may call.
    pub http: NetworkConfig,
    /// Where the secrets of workflows lie.
    pub secrets: SecretsConfig,
    /// What scripts and shells run in. Default: they are refused.
    pub sandbox: Option<SandboxConfig>,
}

impl KernelConfig {
    /// For a kernel inside a program of one user, who may call whatever the machine can reach.
    pub fn embedded(secrets: Option<PathBuf>) -> Self {
        Self { http: NetworkConfig::open(), secrets: SecretsConfig { directory: secrets }, sandbox: None }
    }
}
