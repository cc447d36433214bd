//! One attempt at the words of a window: beam search at temperature 0, several draws above it.

use tch::{Kind, TchError, Tensor};

use super::super::random::SplitMix64;
use super::beam::{BeamSearch, Candidates, Hypothesis};
use super::network::{CONTEXT, Decoder, Heard};
use super::tokens::SpeechTokens;

/// Tokens of one window; half the context, as published.
const TOKENS_MAX: i64 = CONTEXT / 2;
/// Draws choose among this many of the most probable tokens; the rest has no noticeable share.
const DRAWN_FROM: usize = 50;

pub(super) struct Attempt {
    /// Without the closing marker.
    pub(super) best: Hypothesis,
    /// Mean over all tokens, the closing marker included.
    pub(super) average_log_probability: f32,
    pub(super) no_speech_probability: f32,
}

pub(super) struct Transcriber<'a> {
    pub(super) decoder: &'a Decoder,
    pub(super) tokens: &'a SpeechTokens,
    pub(super) suppressed: &'a Tensor,
    pub(super) suppressed_first: &'a Tensor,
    pub(super) width: usize,
}

impl Transcriber<'_> {
    pub(super) fn attempt(&self, heard: &Heard, temperature: f32) -> Result<Attempt, TchError> {
        let (best, no_speech_probability) =
            if temperature == 0.0 { self.search(heard)? } else { self.draw(heard, temperature)? };
        let average_log_probability = best.average_log_probability();
        Ok(Attempt { best: self.without_end(best), average_log_probability, no_speech_probability })
    }

    fn search(&self, heard: &Heard) -> Result<(Hypothesis, f32), TchError> {
        let markers = &self.tokens.markers;
        let mut search = BeamSearch::new(self.width, markers.end);
        let mut written = self.decoder.start(self.width as i64)?;
        let mut last = vec![i64::from(markers.start); self.width];
        let mut no_speech = 0.0;
        for step in 0..TOKENS_MAX {
            let scores = self.decoder.step(&last, heard, &mut written)?;
            if step == 0 {
                no_speech = self.no_speech_probability(&scores)?;
            }
            let candidates = self.candidates(scores, search.live(), self.width + 1)?;
            let mut parents = search.advance(&candidates);
            if search.is_done() {
                break;
            }
            // The network's batch keeps its size; rows without a hypothesis are computed and ignored.
            parents.resize(self.width, 0);
            let parents: Vec<i64> = parents.into_iter().map(|parent| parent as i64).collect();
            written.reorder(&parents)?;
            last = self.last_tokens(search.live());
        }
        Ok((search.into_best(), no_speech))
    }

    fn draw(&self, heard: &Heard, temperature: f32) -> Result<(Hypothesis, f32), TchError> {
        let markers = &self.tokens.markers;
        // The same recording gives the same transcript.
        let mut random = SplitMix64::new(0);
        let mut hypotheses = vec![Hypothesis::default(); self.width];
        let mut written = self.decoder.start(self.width as i64)?;
        let mut last = vec![i64::from(markers.start); self.width];
        let mut no_speech = 0.0;
        for step in 0..TOKENS_MAX {
            let scores = self.decoder.step(&last, heard, &mut written)?;
            if step == 0 {
                no_speech = self.no_speech_probability(&scores)?;
            }
            let candidates = self.candidates(scores, &hypotheses, DRAWN_FROM)?;
            for (hypothesis, candidates) in hypotheses.iter_mut().zip(candidates) {
                if hypothesis.tokens.last() == Some(&markers.end) {
                    continue;
                }
                let weighted: Vec<((u32, f32), f32)> =
                    candidates.into_iter().map(|(token, log)| ((token, log), (log / temperature).exp())).collect();
                if let Some((token, log)) = random.choose(&weighted) {
                    *hypothesis = hypothesis.extended(token, log);
                }
            }
            if hypotheses.iter().all(|hypothesis| hypothesis.tokens.last() == Some(&markers.end)) {
                break;
            }
            last = self.last_tokens(&hypotheses);
        }
        let best = hypotheses
            .into_iter()
            .max_by(|left, right| left.average_log_probability().total_cmp(&right.average_log_probability()));
        Ok((best.unwrap_or_default(), no_speech))
    }

    fn last_tokens(&self, hypotheses: &[Hypothesis]) -> Vec<i64> {
        let end = self.tokens.markers.end;
        let mut last: Vec<i64> =
            hypotheses.iter().map(|hypothesis| hypothesis.tokens.last().copied().unwrap_or(end).into()).collect();
        last.resize(self.width, end.into());
        last
    }

    fn no_speech_probability(&self, scores: &Tensor) -> Result<f32, TchError> {
        let probabilities = scores.f_get(0)?.f_softmax(0, Kind::Float)?;
        Ok(probabilities.f_double_value(&[self.tokens.markers.no_speech.into()])? as f32)
    }

    /// The most probable continuations that the rules allow, for each hypothesis.
    fn candidates(
        &self,
        mut scores: Tensor,
        hypotheses: &[Hypothesis],
        count: usize,
    ) -> Result<Vec<Candidates>, TchError> {
        let never = f64::NEG_INFINITY;
        let _ = scores.f_index_fill_(1, self.suppressed, never)?;
        if hypotheses.iter().all(|hypothesis| hypothesis.tokens.is_empty()) {
            let _ = scores.f_index_fill_(1, self.suppressed_first, never)?;
        }
        for (row, hypothesis) in (0_i64..).zip(hypotheses) {
            let row = scores.f_get(row)?;
            for range in self.tokens.markers.forbidden(&hypothesis.tokens) {
                let length = i64::from(range.end.saturating_sub(range.start));
                if length > 0 {
                    let _ = row.f_narrow(0, range.start.into(), length)?.f_fill_(never)?;
                }
            }
        }
        let log_probabilities = scores.f_log_softmax(-1, Kind::Float)?;
        self.prefer_timestamps(&log_probabilities, hypotheses.len())?;
        let (best, tokens) = log_probabilities.f_topk(count as i64, 1, true, true)?;
        let best = Vec::<Vec<f32>>::try_from(best)?;
        let tokens = Vec::<Vec<i64>>::try_from(tokens)?;
        let rows = best.into_iter().zip(tokens).take(hypotheses.len());
        Ok(rows
            .map(|(best, tokens)| {
                let token = |token: i64| u32::try_from(token).unwrap_or(0);
                tokens.into_iter().map(token).zip(best).collect()
            })
            .collect())
    }

    /// Where all timestamps together are more probable than any single text token, only they remain.
    fn prefer_timestamps(&self, log_probabilities: &Tensor, rows: usize) -> Result<(), TchError> {
        let first = i64::from(self.tokens.markers.first_timestamp);
        let count = log_probabilities.size2()?.1 - first;
        let times = log_probabilities.f_narrow(1, first, count)?;
        let texts = log_probabilities.f_narrow(1, 0, first)?;
        let together = Vec::<f32>::try_from(times.f_logsumexp([1_i64].as_slice(), false)?)?;
        let best_text = Vec::<f32>::try_from(texts.f_amax([1_i64].as_slice(), false)?)?;
        for (row, (together, best_text)) in (0_i64..).zip(together.into_iter().zip(best_text).take(rows)) {
            if together > best_text {
                let _ = texts.f_get(row)?.f_fill_(f64::NEG_INFINITY)?;
                let _ = times.f_get(row)?.f_sub_scalar_(f64::from(together))?;
            }
        }
        Ok(())
    }

    fn without_end(&self, mut best: Hypothesis) -> Hypothesis {
        if best.tokens.last() == Some(&self.tokens.markers.end) {
            best.tokens.pop();
            best.log_probabilities.pop();
        }
        best
    }
}
