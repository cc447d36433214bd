//! Chooses the next token from scores: bias, penalties, the tokens that are allowed, temperature, the best few, nucleus,
//! seed. Plain arithmetic, no tensors.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use llguidance::toktrie::SimpleVob;

use super::super::ModelError;
use super::super::random::SplitMix64;

/// How tokens are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParameters {
    /// 0 takes the most probable token; up to 2 flattens the distribution.
    pub temperature: f32,
    /// Smallest probability mass that is drawn from, above 0 and up to 1.
    pub top_p: f32,
    /// Only so many of the best tokens are drawn from; 0 is no limit.
    pub top_k: usize,
    /// Divides the scores of tokens that already occur (Keskar et al. 2019); 1 does nothing, at most 2.
    pub repetition_penalty: f32,
    /// Taken from the score of a token for each time that it was written, -2 to 2.
    pub frequency_penalty: f32,
    /// Taken once from the score of a token that was written, -2 to 2.
    pub presence_penalty: f32,
    /// Added to the scores of single tokens, each -100 to 100.
    pub bias: Vec<(u32, f32)>,
    /// The same seed, prompt and parameters give the same text.
    pub seed: u64,
}

impl Default for SamplingParameters {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_p: 1.0,
            top_k: 0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            bias: Vec::new(),
            seed: 0,
        }
    }
}

impl SamplingParameters {
    /// Refuses what is out of bounds, for a model of `vocabulary` tokens.
    pub(super) fn validate(&self, vocabulary: usize) -> Result<(), ModelError> {
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
        if !(-2.0..=2.0).contains(&self.frequency_penalty) {
            return refuse("frequency_penalty must be from -2 to 2");
        }
        if !(-2.0..=2.0).contains(&self.presence_penalty) {
            return refuse("presence_penalty must be from -2 to 2");
        }
        for (token, bias) in &self.bias {
            if *token as usize >= vocabulary {
                return refuse(&format!("logit_bias names the token {token}; the model has {vocabulary}, from 0 on"));
            }
            if !(-100.0..=100.0).contains(bias) {
                return refuse(&format!("logit_bias of the token {token} must be from -100 to 100"));
            }
        }
        Ok(())
    }
}

/// A chosen token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) token: u32,
    /// Natural logarithm of its probability as the model gave it: before bias, penalties, mask and temperature.
    pub(super) log_probability: f32,
    /// The most probable tokens with the same, best first.
    pub(super) alternatives: Vec<(u32, f32)>,
}

/// Draws tokens, one generation long.
#[derive(Debug)]
pub(super) struct Sampler {
    parameters: SamplingParameters,
    random: SplitMix64,
    seen: HashSet<u32>,
    written: HashMap<u32, f32>,
    alternatives: usize,
}

impl Sampler {
    /// Reports so many `alternatives` with each token.
    pub(super) fn new(parameters: SamplingParameters, prompt: &[u32], alternatives: usize) -> Self {
        let random = SplitMix64::new(parameters.seed);
        let seen = prompt.iter().copied().collect();
        Self { parameters, random, seen, written: HashMap::new(), alternatives }
    }

    /// Chooses among the `allowed` tokens, which are not none; all are where nothing says otherwise.
    pub(super) fn choose(&mut self, mut scores: Vec<f32>, allowed: Option<&SimpleVob>) -> Choice {
        let normaliser = log_sum_exp(&scores);
        let mut alternatives = match self.alternatives {
            0 => Vec::new(),
            count => heaviest((0_u32..).zip(scores.iter().copied()).collect(), count),
        };
        for (_, score) in &mut alternatives {
            *score -= normaliser;
        }
        let before = self.changes_scores().then(|| scores.clone());
        self.penalise(&mut scores);
        let weigh = |token: u32| allowed.is_none_or(|allowed| allowed.is_allowed(token));
        let token = if self.parameters.temperature == 0.0 { best(&scores, weigh) } else { self.draw(&scores, weigh) };
        self.seen.insert(token);
        *self.written.entry(token).or_default() += 1.0;
        let log_probability = at(before.as_deref().unwrap_or(&scores), token) - normaliser;
        Choice { token, log_probability, alternatives }
    }

    fn changes_scores(&self) -> bool {
        let parameters = &self.parameters;
        parameters.repetition_penalty != 1.0
            || parameters.frequency_penalty != 0.0
            || parameters.presence_penalty != 0.0
            || !parameters.bias.is_empty()
    }

    fn penalise(&self, scores: &mut [f32]) {
        let parameters = &self.parameters;
        if parameters.repetition_penalty != 1.0 {
            for &token in &self.seen {
                if let Some(score) = scores.get_mut(token as usize) {
                    let penalty = parameters.repetition_penalty;
                    *score = if *score > 0.0 { *score / penalty } else { *score * penalty };
                }
            }
        }
        for (&token, times) in &self.written {
            if let Some(score) = scores.get_mut(token as usize) {
                *score -= parameters.presence_penalty + parameters.frequency_penalty * times;
            }
        }
        for &(token, bias) in &parameters.bias {
            if let Some(score) = scores.get_mut(token as usize) {
                *score += bias;
            }
        }
    }

    fn draw(&mut self, scores: &[f32], weigh: impl Fn(u32) -> bool + Copy) -> u32 {
        let temperature = self.parameters.temperature;
        let best = best(scores, weigh);
        let highest = at(scores, best);
        let mut weighted: Vec<(u32, f32)> = (0_u32..)
            .zip(scores)
            .filter(|(token, _)| weigh(*token))
            .map(|(token, score)| (token, ((score - highest) / temperature).exp()))
            .collect();
        if self.parameters.top_k > 0 {
            weighted = heaviest(weighted, self.parameters.top_k);
        }
        let total: f32 = weighted.iter().map(|(_, weight)| weight).sum();
        let nucleus = nucleus(&mut weighted, self.parameters.top_p * total);
        self.random.choose(nucleus).unwrap_or(best)
    }
}

fn heavier(left: &(u32, f32), right: &(u32, f32)) -> Ordering {
    right.1.total_cmp(&left.1).then(left.0.cmp(&right.0))
}

/// The `count` heaviest, heaviest first.
fn heaviest(mut weighted: Vec<(u32, f32)>, count: usize) -> Vec<(u32, f32)> {
    if count < weighted.len() {
        weighted.select_nth_unstable_by(count, heavier);
        weighted.truncate(count);
    }
    weighted.sort_unstable_by(heavier);
    weighted
}

/// The fewest heaviest tokens whose weights reach `mass`, heaviest first (Holtzman et al. 2020).
///
/// Only as many tokens as needed are sorted: the nucleus is a handful out of tens of thousands.
fn nucleus(weighted: &mut [(u32, f32)], mass: f32) -> &[(u32, f32)] {
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

/// The best of the tokens that count.
fn best(scores: &[f32], counts: impl Fn(u32) -> bool) -> u32 {
    let mut best = None;
    for (token, &score) in (0_u32..).zip(scores) {
        if best.is_none_or(|(_, highest)| score > highest) && counts(token) {
            best = Some((token, score));
        }
    }
    best.map_or(0, |(token, _)| token)
}

fn at(scores: &[f32], token: u32) -> f32 {
    scores.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY)
}

fn log_sum_exp(scores: &[f32]) -> f32 {
    let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = scores.iter().map(|score| (score - highest).exp()).sum();
    highest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: f32, top_p: f32, repetition_penalty: f32, seed: u64) -> Sampler {
        of(SamplingParameters { temperature, top_p, repetition_penalty, seed, ..SamplingParameters::default() })
    }

    fn of(parameters: SamplingParameters) -> Sampler {
        Sampler::new(parameters, &[], 0)
    }

    fn token(sampler: &mut Sampler, scores: &[f32]) -> u32 {
        sampler.choose(scores.to_vec(), None).token
    }

    #[test]
    fn greedy_takes_the_best_and_reports_its_probability() {
        let choice = sampler(0.0, 1.0, 1.0, 0).choose(vec![0.0, 2.0, 0.0], None);
        assert_eq!(choice.token, 1);
        let expected = 2.0_f32.exp() / (2.0_f32.exp() + 2.0);
        assert!((choice.log_probability.exp() - expected).abs() < 1e-6);
    }

    #[test]
    fn a_repeated_token_loses_to_a_close_rival() {
        let mut sampler = sampler(0.0, 1.0, 1.5, 0);
        assert_eq!(token(&mut sampler, &[2.0, 1.9, -1.0]), 0);
        assert_eq!(token(&mut sampler, &[2.0, 1.9, -1.0]), 1);
    }

    #[test]
    fn frequencies_follow_the_distribution_and_the_nucleus_cuts_the_tail() {
        let scores = vec![0.6_f32.ln(), 0.3_f32.ln(), 0.1_f32.ln()];
        let mut counts = [0_u32; 3];
        let mut whole = sampler(1.0, 1.0, 1.0, 7);
        let mut cut = sampler(1.0, 0.85, 1.0, 7);
        for _ in 0..4000 {
            if let Some(count) = counts.get_mut(token(&mut whole, &scores) as usize) {
                *count += 1;
            }
            assert_ne!(token(&mut cut, &scores), 2);
        }
        for (count, share) in counts.iter().zip([0.6, 0.3, 0.1]) {
            assert!((f64::from(*count) / 4000.0 - share).abs() < 0.03, "{counts:?}");
        }
    }

    #[test]
    fn a_seed_repeats_itself() {
        let draw = |seed| {
            let mut sampler = sampler(1.5, 0.9, 1.0, seed);
            (0..32).map(|_| token(&mut sampler, &[0.1; 50])).collect::<Vec<_>>()
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
    fn only_allowed_tokens_are_chosen_at_any_temperature_while_probabilities_stay_the_models_own() {
        let mut allowed = SimpleVob::alloc(4);
        allowed.allow_token(1);
        allowed.allow_token(3);
        let scores = vec![9.0, 1.0, 8.0, 0.0];
        for temperature in [0.0, 1.0, 2.0] {
            let mut sampler = Sampler::new(SamplingParameters { temperature, ..Default::default() }, &[], 2);
            let choice = sampler.choose(scores.clone(), Some(&allowed));
            assert!([1, 3].contains(&choice.token), "{choice:?}");
            assert!(choice.log_probability < -7.0);
            let best: Vec<u32> = choice.alternatives.iter().map(|(token, _)| *token).collect();
            assert_eq!(best, [0, 2]);
        }
        let choice = Sampler::new(SamplingParameters::default(), &[], 4).choose(scores, None);
        let mass: f32 = choice.alternatives.iter().map(|(_, log_probability)| log_probability.exp()).sum();
        assert!((mass - 1.0).abs() < 1e-5, "{choice:?}");
        assert_eq!(choice.alternatives.first().map(|best| best.1), Some(choice.log_probability));
    }

    #[test]
    fn the_best_few_alone_are_drawn_from() {
        let mut sampler = of(SamplingParameters { temperature: 2.0, top_k: 2, ..Default::default() });
        let drawn: HashSet<u32> = (0..200).map(|_| token(&mut sampler, &[0.1, 0.3, 0.2, 0.0])).collect();
        assert_eq!(drawn, HashSet::from([1, 2]));
    }

    #[test]
    fn penalties_count_what_was_written_and_a_bias_moves_single_tokens() {
        let presence = SamplingParameters { presence_penalty: 0.5, ..Default::default() };
        let mut sampler = Sampler::new(presence, &[0], 0);
        let scores = [1.0, 0.8, 0.3];
        // The prompt's token is not penalised, a written one once.
        let tokens: Vec<u32> = (0..4).map(|_| token(&mut sampler, &scores)).collect();
        assert_eq!(tokens, [0, 1, 0, 0]);

        let frequency = SamplingParameters { frequency_penalty: 0.5, ..Default::default() };
        let mut sampler = of(frequency);
        let tokens: Vec<u32> = (0..4).map(|_| token(&mut sampler, &scores)).collect();
        assert_eq!(tokens, [0, 1, 0, 1]);

        let mut biased = of(SamplingParameters { bias: vec![(2, 5.0), (0, -100.0)], ..Default::default() });
        assert_eq!(token(&mut biased, &scores), 2);
    }

    #[test]
    fn parameters_outside_their_bounds_are_refused() {
        let invalid = [
            SamplingParameters { top_p: 0.0, ..Default::default() },
            SamplingParameters { frequency_penalty: 2.5, ..Default::default() },
            SamplingParameters { presence_penalty: f32::NAN, ..Default::default() },
            SamplingParameters { bias: vec![(10, 1.0)], ..Default::default() },
            SamplingParameters { bias: vec![(9, 101.0)], ..Default::default() },
        ];
        for parameters in invalid {
            assert!(parameters.validate(10).is_err(), "{parameters:?}");
        }
        assert!(SamplingParameters { bias: vec![(9, -100.0)], ..Default::default() }.validate(10).is_ok());
    }
}
