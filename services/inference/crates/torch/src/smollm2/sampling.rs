//! Chooses the next token from scores: repetition penalty, temperature, nucleus, seed. Plain arithmetic, no tensors.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::super::ModelError;
use super::super::random::SplitMix64;

/// How tokens are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParameters {
    /// 0 takes the most probable token; up to 2 flattens the distribution.
    pub temperature: f32,
    /// Smallest probability mass that is drawn from, above 0 and up to 1.
    pub top_p: f32,
    /// Divides the scores of tokens that already occur (Keskar et al. 2019); 1 does nothing, at most 2.
    pub repetition_penalty: f32,
    /// The same seed, prompt and parameters give the same text.
    pub seed: u64,
}

impl Default for SamplingParameters {
    fn default() -> Self {
        Self { temperature: 0.0, top_p: 1.0, repetition_penalty: 1.0, seed: 0 }
    }
}

impl SamplingParameters {
    pub(super) fn validate(&self) -> Result<(), ModelError> {
        let refuse = |what: &str| Err(ModelError::InvalidInput(what.to_owned()));
        if !(0.0..=2.0).contains(&self.temperature) {
            return refuse("temperature must be from 0 to 2");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse("top_p must be above 0 and at most 1");
        }
        if !(1.0..=2.0).contains(&self.repetition_penalty) {
            return refuse("repetition_penalty must be from 1 to 2");
        }
        Ok(())
    }
}

/// Draws tokens, one generation long.
#[derive(Debug)]
pub(super) struct Sampler {
    parameters: SamplingParameters,
    random: SplitMix64,
    seen: HashSet<u32>,
}

impl Sampler {
    pub(super) fn new(parameters: SamplingParameters, prompt: &[u32]) -> Self {
        let random = SplitMix64::new(parameters.seed);
        Self { parameters, random, seen: prompt.iter().copied().collect() }
    }

    /// The chosen token and the natural logarithm of its probability before temperature and penalty.
    pub(super) fn choose(&mut self, mut scores: Vec<f32>) -> (u32, f32) {
        let normaliser = log_sum_exp(&scores);
        let raw = |scores: &[f32], token: u32| at(scores, token) - normaliser;
        let unpenalised = (self.parameters.repetition_penalty != 1.0).then(|| scores.clone());
        self.penalise(&mut scores);
        let token = if self.parameters.temperature == 0.0 { best(&scores) } else { self.draw(&scores) };
        self.seen.insert(token);
        (token, raw(unpenalised.as_deref().unwrap_or(&scores), token))
    }

    fn penalise(&self, scores: &mut [f32]) {
        let penalty = self.parameters.repetition_penalty;
        if penalty == 1.0 {
            return;
        }
        for &token in &self.seen {
            if let Some(score) = scores.get_mut(token as usize) {
                *score = if *score > 0.0 { *score / penalty } else { *score * penalty };
            }
        }
    }

    fn draw(&mut self, scores: &[f32]) -> u32 {
        let temperature = self.parameters.temperature;
        let highest = at(scores, best(scores));
        let mut weighted: Vec<(u32, f32)> =
            (0_u32..).zip(scores).map(|(token, score)| (token, ((score - highest) / temperature).exp())).collect();
        let total: f32 = weighted.iter().map(|(_, weight)| weight).sum();
        let nucleus = nucleus(&mut weighted, self.parameters.top_p * total);
        self.random.choose(nucleus).unwrap_or_default()
    }
}

/// The fewest heaviest tokens whose weights reach `mass`, heaviest first (Holtzman et al. 2020).
///
/// Only as many tokens as needed are sorted: the nucleus is a handful out of tens of thousands.
fn nucleus(weighted: &mut [(u32, f32)], mass: f32) -> &[(u32, f32)] {
    let heavier =
        |left: &(u32, f32), right: &(u32, f32)| -> Ordering { right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)) };
    let mut sorted = 64;
    loop {
        let everything = sorted >= weighted.len();
        if everything {
            weighted.sort_unstable_by(heavier);
        } else {
            weighted.select_nth_unstable_by(sorted, heavier);
            if let Some(head) = weighted.get_mut(..sorted) {
                head.sort_unstable_by(heavier);
            }
        }
        let mut sum = 0.0;
        let head = weighted.get(..sorted.min(weighted.len())).unwrap_or_default();
        let reached = head.iter().position(|(_, weight)| {
            sum += weight;
            sum >= mass
        });
        match reached {
            Some(last) => return weighted.get(..=last).unwrap_or_default(),
            None if everything => return weighted,
            None => sorted *= 8,
        }
    }
}

fn best(scores: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (token, &score) in (0_u32..).zip(scores) {
        if score > best.1 {
            best = (token, score);
        }
    }
    best.0
}

fn at(scores: &[f32], token: u32) -> f32 {
    scores.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY)
}

fn log_sum_exp(scores: &[f32]) -> f32 {
    let highest = at(scores, best(scores));
    let sum: f32 = scores.iter().map(|score| (score - highest).exp()).sum();
    highest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: f32, top_p: f32, repetition_penalty: f32, seed: u64) -> Sampler {
        let parameters = SamplingParameters { temperature, top_p, repetition_penalty, seed };
        Sampler::new(parameters, &[])
    }

    #[test]
    fn greedy_takes_the_best_and_reports_its_probability() {
        let (token, log_probability) = sampler(0.0, 1.0, 1.0, 0).choose(vec![0.0, 2.0, 0.0]);
        assert_eq!(token, 1);
        let expected = 2.0_f32.exp() / (2.0_f32.exp() + 2.0);
        assert!((log_probability.exp() - expected).abs() < 1e-6);
    }

    #[test]
    fn a_repeated_token_loses_to_a_close_rival() {
        let mut sampler = sampler(0.0, 1.0, 1.5, 0);
        assert_eq!(sampler.choose(vec![2.0, 1.9, -1.0]).0, 0);
        assert_eq!(sampler.choose(vec![2.0, 1.9, -1.0]).0, 1);
    }

    #[test]
    fn frequencies_follow_the_distribution_and_the_nucleus_cuts_the_tail() {
        let scores = vec![0.6_f32.ln(), 0.3_f32.ln(), 0.1_f32.ln()];
        let mut counts = [0_u32; 3];
        let mut whole = sampler(1.0, 1.0, 1.0, 7);
        let mut cut = sampler(1.0, 0.85, 1.0, 7);
        for _ in 0..4000 {
            if let Some(count) = counts.get_mut(whole.choose(scores.clone()).0 as usize) {
                *count += 1;
            }
            assert_ne!(cut.choose(scores.clone()).0, 2);
        }
        for (count, share) in counts.iter().zip([0.6, 0.3, 0.1]) {
            assert!((f64::from(*count) / 4000.0 - share).abs() < 0.03, "{counts:?}");
        }
    }

    #[test]
    fn a_seed_repeats_itself() {
        let draw = |seed| {
            let mut sampler = sampler(1.5, 0.9, 1.0, seed);
            (0..32).map(|_| sampler.choose(vec![0.1; 50]).0).collect::<Vec<_>>()
        };
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn a_flat_distribution_keeps_more_than_the_first_sorted_part() {
        let mut weighted: Vec<(u32, f32)> = (0..1000).map(|token| (token, 1.0)).collect();
        assert_eq!(nucleus(&mut weighted, 900.0).len(), 900);
    }

    #[test]
    fn parameters_outside_their_bounds_are_refused() {
        let invalid = SamplingParameters { top_p: 0.0, ..SamplingParameters::default() };
        assert!(invalid.validate().is_err());
        assert!(SamplingParameters::default().validate().is_ok());
    }
}
