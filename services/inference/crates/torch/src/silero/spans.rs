//! From probabilities to spans of speech: two thresholds, shortest speech, shortest silence, padding.
//!
//! Same results as `get_speech_timestamps` of the silero-vad package without its longest-speech rule: recognition cuts
//! long speech itself, at a better place.

use super::super::ModelError;
use super::{CHUNK, SAMPLE_RATE};

/// How spans are formed; the defaults are the published ones.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanRules {
    /// Probability from which speech begins, above 0 and below 1. It ends 0.15 lower.
    pub threshold: f32,
    pub speech_min_ms: u32,
    pub silence_min_ms: u32,
    /// Added on both sides of a span, as far as neighbours allow.
    pub padding_ms: u32,
}

impl Default for SpanRules {
    fn default() -> Self {
        Self { threshold: 0.5, speech_min_ms: 250, silence_min_ms: 100, padding_ms: 30 }
    }
}

impl SpanRules {
    pub(super) fn validate(&self) -> Result<(), ModelError> {
        if self.threshold > 0.0 && self.threshold < 1.0 {
            return Ok(());
        }
        Err(ModelError::InvalidInput("the voice threshold must be above 0 and below 1".into()))
    }

    fn exit_threshold(&self) -> f32 {
        (self.threshold - 0.15).max(0.01)
    }
}

/// Speech from `start_ms` up to `end_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpeechSpan {
    pub start_ms: u64,
    pub end_ms: u64,
}

fn samples_of(ms: u32) -> usize {
    ms as usize * SAMPLE_RATE as usize / 1000
}

pub(super) fn find(probabilities: &[f32], total: usize, rules: &SpanRules) -> Vec<SpeechSpan> {
    let mut spans = raw_spans(probabilities, total, rules);
    pad(&mut spans, total, samples_of(rules.padding_ms));
    let ms = |samples: usize| samples as u64 * 1000 / u64::from(SAMPLE_RATE);
    spans.into_iter().map(|(start, end)| SpeechSpan { start_ms: ms(start), end_ms: ms(end) }).collect()
}

/// Spans in samples, before padding.
fn raw_spans(probabilities: &[f32], total: usize, rules: &SpanRules) -> Vec<(usize, usize)> {
    let speech_min = samples_of(rules.speech_min_ms);
    let silence_min = samples_of(rules.silence_min_ms);
    let mut spans = Vec::new();
    let mut speaking_since = None;
    let mut silent_since = None;
    for (index, &probability) in probabilities.iter().enumerate() {
        let now = index * CHUNK;
        if probability >= rules.threshold {
            silent_since = None;
            speaking_since.get_or_insert(now);
            continue;
        }
        let (Some(start), true) = (speaking_since, probability < rules.exit_threshold()) else {
            continue;
        };
        let end = *silent_since.get_or_insert(now);
        if now - end >= silence_min {
            if end - start > speech_min {
                spans.push((start, end));
            }
            speaking_since = None;
            silent_since = None;
        }
    }
    if let Some(start) = speaking_since
        && total.saturating_sub(start) > speech_min
    {
        spans.push((start, total));
    }
    spans
}

/// Widens each span; where two would meet, they share the silence between them.
fn pad(spans: &mut [(usize, usize)], total: usize, padding: usize) {
    if let Some(first) = spans.first_mut() {
        first.0 = first.0.saturating_sub(padding);
    }
    let mut index = 0;
    while let Some([left, right]) = spans.get_mut(index..index + 2) {
        let silence = right.0 - left.1;
        let share = if silence < 2 * padding { silence / 2 } else { padding };
        left.1 += share;
        right.0 -= share;
        index += 1;
    }
    if let Some(last) = spans.last_mut() {
        last.1 = (last.1 + padding).min(total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One character per chunk: `#` speech, `-` in between the thresholds, `.` silence.
    fn find_in(pattern: &str, rules: &SpanRules) -> Vec<(u64, u64)> {
        let probabilities: Vec<f32> = pattern
            .chars()
            .map(|character| match character {
                '#' => 0.9,
                '-' => 0.4,
                _ => 0.1,
            })
            .collect();
        find(&probabilities, probabilities.len() * CHUNK, rules)
            .into_iter()
            .map(|span| (span.start_ms, span.end_ms))
            .collect()
    }

    fn unpadded() -> SpanRules {
        SpanRules { padding_ms: 0, ..SpanRules::default() }
    }

    #[test]
    fn silence_has_no_span_and_a_short_click_is_dropped() {
        assert!(find_in("..........", &unpadded()).is_empty());
        assert!(find_in("...####........", &unpadded()).is_empty());
        assert!(find_in("", &unpadded()).is_empty());
    }

    #[test]
    fn a_span_runs_from_the_first_loud_to_the_first_silent_chunk() {
        assert_eq!(find_in("..##########......", &unpadded()), [(64, 384)]);
    }

    #[test]
    fn between_the_thresholds_speech_goes_on_but_does_not_begin() {
        assert_eq!(find_in("--##########-----#.....", &unpadded()), [(64, 576)]);
    }

    #[test]
    fn a_short_pause_joins_and_a_long_one_splits() {
        assert_eq!(find_in("##########..##########.....", &unpadded()), [(0, 704)]);
        assert_eq!(find_in("##########.....##########.....", &unpadded()), [(0, 320), (480, 800)]);
    }

    #[test]
    fn padding_stops_at_the_ends_and_shares_a_narrow_gap() {
        let rules = SpanRules { padding_ms: 100, ..SpanRules::default() };
        assert_eq!(find_in("##########.....##########", &rules), [(0, 400), (400, 800)]);
    }

    #[test]
    fn speech_up_to_the_end_counts() {
        assert_eq!(find_in("...##########", &unpadded()), [(96, 416)]);
    }
}
