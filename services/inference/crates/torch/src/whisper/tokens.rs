//! Whisper's tokens: text, markers and the 1501 timestamps, and the rules by which timestamps may follow one another.
//!
//! The rules are `ApplyTimestampRules` of the whisper package. Plain arithmetic, no tensors.

use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use tokenizers::Tokenizer;

use super::super::ModelError;
use super::super::byte_level::ByteVocabulary;
use super::super::error::read_file;

/// Timestamps are multiples of this.
pub(super) const TIMESTAMP_STEP_MS: u64 = 20;
/// From 0.00 s to 30.00 s.
const TIMESTAMPS: u32 = 1501;
/// A window's first timestamp lies within its first second.
const FIRST_TIMESTAMP_MAX: u32 = 50;

/// Ids of the tokens with a meaning of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Markers {
    pub(super) end: u32,
    pub(super) start: u32,
    pub(super) no_speech: u32,
    /// Forbidden here: timestamps are always wanted.
    no_timestamps: u32,
    pub(super) first_timestamp: u32,
}

impl Markers {
    pub(super) fn is_timestamp(&self, token: u32) -> bool {
        token >= self.first_timestamp
    }

    /// Milliseconds since the window began.
    pub(super) fn timestamp_ms(&self, token: u32) -> u64 {
        u64::from(token.saturating_sub(self.first_timestamp)) * TIMESTAMP_STEP_MS
    }

    pub(super) fn vocabulary_size(&self) -> u32 {
        self.first_timestamp + TIMESTAMPS
    }

    /// Tokens that may not come next, given what the window has so far.
    pub(super) fn forbidden(&self, written: &[u32]) -> Vec<Range<u32>> {
        let first = self.first_timestamp;
        let mut forbidden = Vec::with_capacity(4);
        forbidden.push(self.no_timestamps..self.no_timestamps + 1);
        let Some((&last, earlier)) = written.split_last() else {
            // A window begins with a timestamp.
            forbidden.push(0..first);
            forbidden.push(first + FIRST_TIMESTAMP_MAX + 1..self.vocabulary_size());
            return forbidden;
        };
        let last_is_timestamp = self.is_timestamp(last);
        let pair = last_is_timestamp && earlier.last().is_none_or(|&token| self.is_timestamp(token));
        if pair {
            forbidden.push(first..self.vocabulary_size());
        } else if last_is_timestamp {
            // An end without a beginning after it is followed by one, or by the end of the window.
            forbidden.push(0..self.end);
        }
        if let Some(&latest) = written.iter().rev().find(|&&token| self.is_timestamp(token)) {
            // Time does not run backwards, and a segment takes some time.
            let open_end = last_is_timestamp && !pair;
            forbidden.push(first..if open_end { latest } else { latest + 1 });
        }
        forbidden
    }
}

#[derive(Deserialize)]
struct Suppression {
    suppress_ids: Vec<u32>,
    suppress_ids_begin: Vec<u32>,
}

/// Vocabulary of one model.
pub(super) struct SpeechTokens {
    pub(super) markers: Markers,
    /// Never written: music notes, brackets and the like.
    pub(super) suppressed: Vec<u32>,
    /// Not written first: a blank and the end.
    pub(super) suppressed_first: Vec<u32>,
    vocabulary: ByteVocabulary,
}

impl SpeechTokens {
    pub(super) fn load(tokenizer: &Path, config: &Path) -> Result<Self, ModelError> {
        let file = Tokenizer::from_bytes(read_file(tokenizer)?)
            .map_err(|error| ModelError::corrupt(tokenizer, error.to_string()))?;
        let marker = |text: &str| {
            file.token_to_id(text).ok_or_else(|| ModelError::corrupt(tokenizer, format!("it has no token {text}")))
        };
        let markers = Markers {
            end: marker("<|endoftext|>")?,
            start: marker("<|startoftranscript|>")?,
            no_speech: marker("<|nocaptions|>").or_else(|_| marker("<|nospeech|>"))?,
            no_timestamps: marker("<|notimestamps|>")?,
            // Not every tokenizer file lists the timestamps; they always follow this marker.
            first_timestamp: marker("<|notimestamps|>")? + 1,
        };
        let suppression: Suppression = serde_json::from_slice(&read_file(config)?)
            .map_err(|error| ModelError::corrupt(config, error.to_string()))?;
        let mut ids = suppression.suppress_ids.iter().chain(&suppression.suppress_ids_begin);
        if ids.any(|&id| id >= markers.vocabulary_size()) {
            return Err(ModelError::corrupt(config, "a suppressed token is outside the vocabulary"));
        }
        let texts: Vec<String> = (0..markers.end).map(|id| file.id_to_token(id).unwrap_or_default()).collect();
        Ok(Self {
            markers,
            suppressed: suppression.suppress_ids,
            suppressed_first: suppression.suppress_ids_begin,
            vocabulary: ByteVocabulary::new(texts.iter().map(String::as_str)),
        })
    }

    /// The text of tokens; markers and timestamps add nothing.
    pub(super) fn text(&self, tokens: &[u32]) -> String {
        self.vocabulary.text(tokens)
    }
}

#[cfg(test)]
pub(super) const ENGLISH: Markers =
    Markers { end: 50_256, start: 50_257, no_speech: 50_361, no_timestamps: 50_362, first_timestamp: 50_363 };

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(written: &[u32], token: u32) -> bool {
        !ENGLISH.forbidden(written).iter().any(|range| range.contains(&token))
    }

    const T: u32 = 50_363;

    #[test]
    fn a_window_begins_with_an_early_timestamp() {
        assert!(allowed(&[], T) && allowed(&[], T + 50));
        assert!(!allowed(&[], T + 51) && !allowed(&[], 100) && !allowed(&[], ENGLISH.end));
    }

    #[test]
    fn text_follows_the_beginning_of_a_segment() {
        assert!(allowed(&[T], 100));
        assert!(!allowed(&[T], T + 10));
        assert!(!allowed(&[T, 100, T + 40, T + 40], T + 50));
    }

    #[test]
    fn after_text_time_moves_on() {
        assert!(allowed(&[T + 5, 100], T + 6) && allowed(&[T + 5, 100], 200));
        assert!(!allowed(&[T + 5, 100], T + 5));
    }

    #[test]
    fn the_end_of_a_segment_is_followed_by_a_beginning_or_the_end() {
        let written = [T, 100, T + 40];
        assert!(allowed(&written, T + 40) && allowed(&written, T + 60) && allowed(&written, ENGLISH.end));
        assert!(!allowed(&written, 100) && !allowed(&written, T + 39));
    }

    #[test]
    fn timestamps_count_in_steps_of_twenty_milliseconds() {
        assert_eq!(ENGLISH.timestamp_ms(T + 1500), 30_000);
        assert_eq!(ENGLISH.vocabulary_size(), 51_864);
    }
}
