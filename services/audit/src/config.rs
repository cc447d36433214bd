//! The `[audit]` section of the configuration file.

use serde::Deserialize;

/// Settings of the log. All have defaults.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Name of the log and of its key, as it stands in checkpoints. No spaces, no plus sign. Fixed once records are
    /// logged. Default: `orrery.local/audit`.
    pub origin: String,
    /// How long a call waits for records that are still on their way, in milliseconds, 0 to 30,000. Default: 5,000.
    pub settle_ms: u64,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self { origin: "orrery.local/audit".to_owned(), settle_ms: 5_000 }
    }
}

/// Longest wait for records on their way, whatever the configuration says.
pub const SETTLE_MS_MAX: u64 = 30_000;
