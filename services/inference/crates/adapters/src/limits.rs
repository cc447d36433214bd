//! The sizes above which input is refused before any work is spent on it.

/// Limits of one payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the payload. Default 64 MiB.
    pub bytes_max: u64,
    /// Pixels of a picture, read from its header. Default 50 million, what a large phone camera makes.
    pub pixels_max: u64,
    /// Length of a recording in seconds. Default 10 minutes, what a machine of two busy cores transcribes within the ten
    /// minutes that a step of a workflow has by default.
    pub audio_seconds_max: u64,
    /// Pages of a document. Default 50.
    pub pages_max: u32,
    /// Bytes of text, JSON or CSV. Default 4 MiB.
    pub text_bytes_max: u64,
    /// Rows of a table. Default 50,000.
    pub rows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 64 << 20,
            pixels_max: 50_000_000,
            audio_seconds_max: 10 * 60,
            pages_max: 50,
            text_bytes_max: 4 << 20,
            rows_max: 50_000,
        }
    }
}
