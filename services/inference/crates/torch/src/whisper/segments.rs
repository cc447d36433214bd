//! Cuts the tokens of one window into timed segments and says where the next window begins.
//!
//! Same rules as `transcribe` of the whisper package: whole segments are kept, a segment that the window cuts off is
//! heard again from its beginning. Plain arithmetic, no tensors.

use super::tokens::Markers;

/// A stretch of tokens with its times in milliseconds since the window began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenSegment {
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    /// Text tokens in the window's sequence.
    pub(super) range: std::ops::Range<usize>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) segments: Vec<TokenSegment>,
    /// How far the next window begins behind this one; above 0.
    pub(super) advance_ms: u64,
}

/// `tokens` are those of a window of `window_ms`, without the closing marker.
pub(super) fn cut(tokens: &[u32], markers: &Markers, window_ms: u64) -> Cut {
    let is_timestamp = |index: usize| tokens.get(index).is_some_and(|&token| markers.is_timestamp(token));
    let time = |index: usize| tokens.get(index).map_or(0, |&token| markers.timestamp_ms(token));
    // Where one segment ends and the next begins, two timestamps stand side by side.
    let mut ends: Vec<usize> =
        (1..tokens.len()).filter(|&index| is_timestamp(index - 1) && is_timestamp(index)).collect();
    let count = tokens.len();
    let ends_in_timestamp = count >= 2 && is_timestamp(count - 1) && !is_timestamp(count - 2);
    if ends.is_empty() {
        let last = (0..count).rev().find(|&index| is_timestamp(index)).map_or(0, time);
        let segment = TokenSegment {
            start_ms: if is_timestamp(0) { time(0) } else { 0 },
            end_ms: if last > 0 { last.min(window_ms) } else { window_ms },
            range: 0..count,
        };
        let written = tokens.iter().any(|&token| token < markers.end);
        return Cut { segments: if written { vec![segment] } else { Vec::new() }, advance_ms: window_ms };
    }
    if ends_in_timestamp {
        ends.push(count);
    }
    let mut segments = Vec::new();
    let mut start = 0;
    for end in ends {
        segments.push(TokenSegment { start_ms: time(start), end_ms: time(end - 1).min(window_ms), range: start..end });
        start = end;
    }
    let heard_ms = segments.last().map_or(0, |segment| segment.end_ms);
    let advance_ms = if ends_in_timestamp || heard_ms == 0 { window_ms } else { heard_ms };
    Cut { segments, advance_ms }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::ENGLISH;
    use super::*;

    const T: u32 = 50_363;

    fn times(cut: &Cut) -> Vec<(u64, u64)> {
        cut.segments.iter().map(|segment| (segment.start_ms, segment.end_ms)).collect()
    }

    #[test]
    fn one_segment_takes_the_whole_window() {
        let cut = cut(&[T + 10, 5, 6, T + 100], &ENGLISH, 7000);
        assert_eq!((times(&cut), cut.advance_ms), (vec![(200, 2000)], 7000));
    }

    #[test]
    fn a_segment_that_is_cut_off_is_heard_again() {
        let cut = cut(&[T, 5, T + 100, T + 110, 6, 7], &ENGLISH, 30_000);
        assert_eq!((times(&cut), cut.advance_ms), (vec![(0, 2000)], 2000));
    }

    #[test]
    fn a_last_segment_that_ends_is_kept() {
        let cut = cut(&[T, 5, T + 100, T + 110, 6, T + 1500], &ENGLISH, 30_000);
        assert_eq!((times(&cut), cut.advance_ms), (vec![(0, 2000), (2200, 30_000)], 30_000));
    }

    #[test]
    fn text_without_an_end_lasts_as_long_as_the_window_and_nothing_is_no_segment() {
        assert_eq!(times(&cut(&[T, 5, 6], &ENGLISH, 9000)), [(0, 9000)]);
        assert!(cut(&[T], &ENGLISH, 9000).segments.is_empty());
        assert_eq!(cut(&[], &ENGLISH, 9000).advance_ms, 9000);
    }

    #[test]
    fn the_next_window_is_always_further_on() {
        assert_eq!(cut(&[T, T, 5, 6], &ENGLISH, 30_000).advance_ms, 30_000);
    }
}
