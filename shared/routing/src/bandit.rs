//! What a bandit learns from an answer, and what it makes of it. The state is a value; draws are handed in.

use serde::{Deserialize, Serialize};

use crate::catalogue::route::{BanditAlgorithm, Reward};
use crate::draw::Draws;

/// Rewards are summed in millionths, so that sums are exact and can be merged in any order.
const MICROS: f64 = 1e6;

/// What is known of one model on one route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Arm {
    /// Answers that were judged.
    pub pulls: u64,
    /// Sum of their rewards, in millionths.
    pub reward_micros: u64,
}

impl Arm {
    /// After one more answer of this reward, 0 to 1.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 1e6
    pub fn after(self, reward: f64) -> Self {
        let micros = (reward.clamp(0.0, 1.0) * MICROS).round() as u64;
        Self { pulls: self.pulls.saturating_add(1), reward_micros: self.reward_micros.saturating_add(micros) }
    }

    /// What two processes have learned together.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            pulls: self.pulls.saturating_add(other.pulls),
            reward_micros: self.reward_micros.saturating_add(other.reward_micros),
        }
    }

    /// Mean reward; one half before any.
    #[allow(clippy::cast_precision_loss)]
    pub fn mean(self) -> f64 {
        if self.pulls == 0 { 0.5 } else { self.reward_micros as f64 / MICROS / self.pulls as f64 }
    }

    /// What it may be worth, 0 to 1 or more; higher is better. `total` counts the pulls of all arms.
    #[allow(clippy::cast_precision_loss)]
    pub fn worth(self, algorithm: BanditAlgorithm, total: u64, draws: &mut Draws) -> f64 {
        match algorithm {
            BanditAlgorithm::Thompson => {
                let good = self.reward_micros as f64 / MICROS;
                draws.beta(1.0 + good, 1.0 + (self.pulls as f64 - good).max(0.0))
            }
            // An arm that nobody has pulled comes before all others; of several, chance picks.
            BanditAlgorithm::Ucb1 if self.pulls == 0 => 1e6 + draws.unit(),
            BanditAlgorithm::Ucb1 => {
                let spread = (2.0 * (total.max(1) as f64).ln() / self.pulls as f64).sqrt();
                self.mean() + spread
            }
        }
    }
}

/// What an answer is worth, 0 to 1: the weighted mean of its quality and of how cheap and how fast it was. A cost or a
/// duration of `x` scores `h / (h + x)`, where `h` is what scores one half. A failed call is worth nothing.
#[allow(clippy::cast_precision_loss)]
pub fn reward(want: &Reward, quality: f64, cost_nanos: u64, latency_ms: u64) -> f64 {
    let low = |half: u64, value: u64| half as f64 / (half as f64 + value as f64);
    let cheap = low(want.cost_half_nanos.max(1), cost_nanos);
    let fast = low(want.latency_half_ms.max(1), latency_ms);
    let weights = want.quality + want.cost + want.latency;
    let sum = want.quality * quality.clamp(0.0, 1.0) + want.cost * cheap + want.latency * fast;
    if weights > 0.0 { sum / weights } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `rounds` against arms of known worth and tells how often the best was taken.
    fn share_of_best(algorithm: BanditAlgorithm, rounds: u32) -> f64 {
        let truth = [0.3, 0.7, 0.5];
        let mut arms = [Arm::default(); 3];
        let mut draws = Draws::new(7);
        for _ in 0..rounds {
            let total = arms.iter().map(|arm| arm.pulls).sum();
            let worth = arms.map(|arm| arm.worth(algorithm, total, &mut draws));
            let best = (0..3).max_by(|a, b| worth[*a].total_cmp(&worth[*b])).unwrap();
            let reward = f64::from(u8::from(draws.unit() < truth[best]));
            arms[best] = arms[best].after(reward);
        }
        arms[1].pulls as f64 / f64::from(rounds)
    }

    #[test]
    fn both_algorithms_find_the_best_arm() {
        assert!(share_of_best(BanditAlgorithm::Thompson, 3000) > 0.85);
        assert!(share_of_best(BanditAlgorithm::Ucb1, 3000) > 0.7);
    }

    #[test]
    fn rewards_lie_between_0_and_1_and_fall_with_cost_and_latency() {
        let want = Reward::default();
        let of = |quality, cost, latency| reward(&want, quality, cost, latency);
        assert!((of(1.0, 0, 0) - 1.0).abs() < 1e-12);
        assert!(of(0.0, u64::MAX, u64::MAX) < 1e-9);
        assert!(of(1.0, 10, 0) < of(1.0, 0, 0) && of(1.0, 0, 10) < of(1.0, 0, 0) && of(0.9, 0, 0) < of(1.0, 0, 0));
        let halves = Reward { quality: 0.0, latency: 0.0, ..want };
        assert!((reward(&halves, 1.0, 1_000_000, 5) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn what_is_learned_apart_is_known_together() {
        let (a, b) = (Arm::default().after(0.25), Arm::default().after(1.0).after(0.0));
        assert_eq!(a.merge(b), Arm { pulls: 3, reward_micros: 1_250_000 });
        assert!((a.merge(b).mean() - 1.25 / 3.0).abs() < 1e-12);
    }
}
