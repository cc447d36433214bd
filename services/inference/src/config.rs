//! The `[inference]` section of the configuration file.

use serde::Deserialize;

use orrery_adapters::Limits;

/// What may be chosen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InferenceConfig {
    /// Threads of one operator. 0, the default: as many as the machine has cores.
    pub threads: usize,
    /// Bytes of one payload. Default 64 MiB.
    pub payload_bytes_max: u64,
    /// Pixels of one picture. Default 50 million.
    pub pixels_max: u64,
    /// Seconds of one recording. Default 2700, 45 minutes.
    pub audio_seconds_max: u64,
    /// Pages of one document. Default 50.
    pub pages_max: u32,
}

impl Default for InferenceConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            threads: 0,
            payload_bytes_max: limits.bytes_max,
            pixels_max: limits.pixels_max,
            audio_seconds_max: 45 * 60,
            pages_max: limits.pages_max,
        }
    }
}

impl InferenceConfig {
    /// The limits of the adapters.
    pub fn limits(&self) -> Limits {
        Limits {
            bytes_max: self.payload_bytes_max,
            pixels_max: self.pixels_max,
            audio_seconds_max: self.audio_seconds_max,
            pages_max: self.pages_max,
            ..Limits::default()
        }
    }

    /// Threads of one operator.
    pub fn threads(&self) -> usize {
        if self.threads > 0 { self.threads } else { std::thread::available_parallelism().map_or(1, usize::from) }
    }
}
