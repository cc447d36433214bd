//! Beam search over hypotheses: which to continue, which are finished, which is best. Plain arithmetic, no tensors.
//!
//! Same procedure as `BeamSearchDecoder` and `MaximumLikelihoodRanker` of the whisper package with patience 1.

/// A sequence of tokens and the natural logarithm of each one's probability.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Hypothesis {
    pub(super) tokens: Vec<u32>,
    pub(super) log_probabilities: Vec<f32>,
}

impl Hypothesis {
    pub(super) fn extended(&self, token: u32, log_probability: f32) -> Self {
        let mut extended = self.clone();
        extended.tokens.push(token);
        extended.log_probabilities.push(log_probability);
        extended
    }

    fn sum(&self) -> f32 {
        self.log_probabilities.iter().sum()
    }

    /// Mean over the tokens, the closing one included.
    pub(super) fn average_log_probability(&self) -> f32 {
        self.sum() / self.log_probabilities.len().max(1) as f32
    }
}

/// Continuations of one hypothesis, best first.
pub(super) type Candidates = Vec<(u32, f32)>;

pub(super) struct BeamSearch {
    width: usize,
    end: u32,
    live: Vec<Hypothesis>,
    finished: Vec<Hypothesis>,
}

impl BeamSearch {
    /// All hypotheses begin alike, so only the first counts until they have parted.
    pub(super) fn new(width: usize, end: u32) -> Self {
        Self { width, end, live: vec![Hypothesis::default()], finished: Vec::new() }
    }

    pub(super) fn live(&self) -> &[Hypothesis] {
        &self.live
    }

    /// Extends the live hypotheses; for each one that lives on, which one it continues.
    ///
    /// `candidates` belong to the live hypotheses in order, `width + 1` each, so that enough remain if one of them ends.
    pub(super) fn advance(&mut self, candidates: &[Candidates]) -> Vec<usize> {
        let mut extended: Vec<(usize, Hypothesis)> = self
            .live
            .iter()
            .zip(candidates)
            .enumerate()
            .flat_map(|(parent, (hypothesis, candidates))| {
                candidates
                    .iter()
                    .filter(|(_, log_probability)| log_probability.is_finite())
                    .map(move |&(token, log_probability)| (parent, hypothesis.extended(token, log_probability)))
            })
            .collect();
        extended.sort_by(|left, right| right.1.sum().total_cmp(&left.1.sum()));
        let mut parents = Vec::with_capacity(self.width);
        self.live.clear();
        for (parent, hypothesis) in extended {
            if hypothesis.tokens.last() == Some(&self.end) {
                if self.finished.len() < self.width {
                    self.finished.push(hypothesis);
                }
            } else {
                self.live.push(hypothesis);
                parents.push(parent);
                if self.live.len() == self.width {
                    break;
                }
            }
        }
        parents
    }

    pub(super) fn is_done(&self) -> bool {
        self.finished.len() >= self.width || self.live.is_empty()
    }

    /// The best hypothesis by mean probability; unfinished ones count only where too few have finished.
    pub(super) fn into_best(mut self) -> Hypothesis {
        self.live.sort_by(|left, right| right.sum().total_cmp(&left.sum()));
        let missing = self.width.saturating_sub(self.finished.len());
        self.finished.extend(self.live.into_iter().take(missing));
        self.finished
            .into_iter()
            .max_by(|left, right| left.average_log_probability().total_cmp(&right.average_log_probability()))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: u32 = 0;

    #[test]
    fn the_beam_finds_what_greedy_misses() {
        // Greedy takes 1 (0.6) and then has 0.3 at most; 2 (0.4) goes on with 0.9.
        let mut search = BeamSearch::new(2, END);
        assert_eq!(search.advance(&[vec![(1, 0.6_f32.ln()), (2, 0.4_f32.ln())]]), [0, 0]);
        let first = vec![(3, 0.3_f32.ln()), (4, 0.3_f32.ln())];
        let second = vec![(5, 0.9_f32.ln()), (6, 0.1_f32.ln())];
        assert_eq!(search.advance(&[first, second]), [1, 0]);
        let end = || vec![(END, 0.0)];
        search.advance(&[end(), end()]);
        assert!(search.is_done());
        assert_eq!(search.into_best().tokens, [2, 5, END]);
    }

    #[test]
    fn a_finished_hypothesis_makes_room_for_another() {
        let mut search = BeamSearch::new(2, END);
        let parents = search.advance(&[vec![(END, -0.1), (1, -2.0), (2, -3.0)]]);
        assert_eq!(parents, [0, 0]);
        assert!(!search.is_done());
        assert_eq!(search.live().len(), 2);
        assert_eq!(search.into_best().tokens, [END]);
    }

    #[test]
    fn forbidden_candidates_are_never_taken() {
        let mut search = BeamSearch::new(2, END);
        assert_eq!(search.advance(&[vec![(1, -1.0), (2, f32::NEG_INFINITY)]]), [0]);
        assert!(search.advance(&[vec![(2, f32::NEG_INFINITY)]]).is_empty());
        assert!(search.is_done());
    }
}
