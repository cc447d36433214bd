//! Cuts the silence out of a recording and finds the original time of a moment in what is left.

use super::super::silero::SpeechSpan;
use super::mel::SAMPLE_RATE;

/// The speech of a recording, joined, and where each piece came from.
#[derive(Debug, Clone, PartialEq)]
pub struct SpeechMap {
    samples: Vec<f32>,
    /// Where a piece begins in the joined recording and in the original, in milliseconds.
    pieces: Vec<(u64, u64)>,
}

impl SpeechMap {
    /// Joins the spans, which are in order and apart from each other, of 16 kHz samples.
    pub fn collect(samples: &[f32], spans: &[SpeechSpan]) -> Self {
        let per_ms = SAMPLE_RATE / 1000;
        let mut joined = Vec::new();
        let mut pieces = Vec::new();
        for span in spans {
            let index = |ms: u64| usize::try_from(ms).unwrap_or(usize::MAX).saturating_mul(per_ms);
            let (start, end) = (index(span.start_ms), index(span.end_ms).min(samples.len()));
            if let Some(piece) = samples.get(start..end) {
                pieces.push(((joined.len() / per_ms) as u64, span.start_ms));
                joined.extend_from_slice(piece);
            }
        }
        Self { samples: joined, pieces }
    }

    /// The joined speech.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// When a segment of the joined speech begins in the original: at a seam, the later piece begins.
    pub fn original_start_ms(&self, joined_ms: u64) -> u64 {
        self.original(joined_ms, |begin| begin <= joined_ms)
    }

    /// When a segment of the joined speech ends in the original: at a seam, the earlier piece ends.
    pub fn original_end_ms(&self, joined_ms: u64) -> u64 {
        self.original(joined_ms, |begin| begin < joined_ms)
    }

    fn original(&self, joined_ms: u64, has_begun: impl Fn(u64) -> bool) -> u64 {
        let piece = self.pieces.iter().rev().find(|(begin, _)| has_begun(*begin));
        match piece.or(self.pieces.first()) {
            Some((begin, original)) => original + joined_ms.saturating_sub(*begin),
            None => joined_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lead_back_across_a_cut() {
        let span = |start_ms, end_ms| SpeechSpan { start_ms, end_ms };
        let map = SpeechMap::collect(&vec![0.0; 16_000 * 10], &[span(1000, 2000), span(5000, 6000)]);
        assert_eq!(map.samples().len(), 32_000);
        assert_eq!(map.original_start_ms(500), 1500);
        assert_eq!(map.original_end_ms(1000), 2000);
        assert_eq!(map.original_start_ms(1000), 5000);
        assert_eq!(map.original_end_ms(1700), 5700);
    }

    #[test]
    fn without_speech_nothing_is_left() {
        let map = SpeechMap::collect(&[0.0; 100], &[]);
        assert!(map.samples().is_empty());
        assert_eq!(map.original_start_ms(7), 7);
    }
}
