//! Whether a transcript of a window can be trusted, by the thresholds that the whisper package publishes.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// Text that compresses better than this repeats itself.
const COMPRESSION_RATIO_MAX: f32 = 2.4;
const AVERAGE_LOG_PROBABILITY_MIN: f32 = -1.0;
const NO_SPEECH_PROBABILITY_MAX: f32 = 0.6;

/// What is known about one attempt at a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Quality {
    pub(super) compression_ratio: f32,
    pub(super) average_log_probability: f32,
    pub(super) no_speech_probability: f32,
}

impl Quality {
    /// Nobody speaks: the network says so and is unsure about the words that it found nevertheless.
    pub(super) fn is_silence(&self) -> bool {
        self.is_imagined(self.average_log_probability)
    }

    /// Words found where nobody speaks, as `is_silence` for one segment and its text alone: the timestamps around a
    /// hallucinated word are probable and hide how improbable the word is.
    pub(super) fn is_imagined(&self, words_log_probability: f32) -> bool {
        self.no_speech_probability > NO_SPEECH_PROBABILITY_MAX && words_log_probability < AVERAGE_LOG_PROBABILITY_MIN
    }

    /// The text goes round in circles.
    pub(super) fn repeats(&self) -> bool {
        self.compression_ratio > COMPRESSION_RATIO_MAX
    }

    /// Another attempt at a higher temperature is called for.
    pub(super) fn is_doubtful(&self) -> bool {
        !self.is_silence() && (self.repeats() || self.average_log_probability < AVERAGE_LOG_PROBABILITY_MIN)
    }
}

/// Bytes of the text by its bytes after zlib at its default level.
pub(super) fn compression_ratio(text: &str) -> f32 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail; if it did, a ratio of 1 says nothing against the text.
    let compressed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    compressed.map_or(1.0, |compressed| text.len() as f32 / compressed.len() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(compression_ratio: f32, average_log_probability: f32, no_speech_probability: f32) -> Quality {
        Quality { compression_ratio, average_log_probability, no_speech_probability }
    }

    #[test]
    fn repetition_compresses_and_speech_does_not() {
        assert!(compression_ratio(&"so much so ".repeat(20)) > 2.4);
        assert!(compression_ratio("He was not an ill-disposed young man, unless to be rather cold-hearted.") < 1.5);
    }

    #[test]
    fn doubt_and_silence_are_told_apart() {
        assert!(!quality(1.2, -0.3, 0.1).is_doubtful());
        assert!(quality(3.0, -0.3, 0.1).is_doubtful());
        assert!(quality(1.2, -1.3, 0.1).is_doubtful());
        let silence = quality(1.2, -1.3, 0.9);
        assert!(silence.is_silence() && !silence.is_doubtful());
        assert!(!quality(1.2, -0.3, 0.9).is_silence());
        assert!(quality(1.2, -0.3, 0.9).is_imagined(-2.8) && !quality(1.2, -0.3, 0.1).is_imagined(-2.8));
    }
}
