//! The `[inference]` section of the configuration file.

use serde::Deserialize;

use orrery_adapters::Limits;

const THREADS_DEFAULT_MAX: usize = 4;

/// What may be chosen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InferenceConfig {
    /// Threads of one operator. 0, the default: half of the machine's cores, at most four. Several lanes work at once, and
    /// small models spend more on waking threads than they gain from them.
    pub threads: usize,
    /// Bytes of one payload. Default 64 MiB.
    pub payload_bytes_max: u64,
    /// Pixels of one picture. Default 50 million.
    pub pixels_max: u64,
    /// Seconds of one recording. Default 600, 10 minutes. Whoever allows more gives the steps that read them a longer
    /// `timeout`, and the model a higher `limits.audio_seconds` in the router's catalogue.
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
            audio_seconds_max: limits.audio_seconds_max,
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
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        if self.threads > 0 { self.threads } else { (cores() / 2).clamp(1, THREADS_DEFAULT_MAX) }
    }
}
