//! Random draws from one recorded number, and places of keys on a ring. The number itself comes from outside, so that a
//! replay draws the same.

use orrery_types::Sha256Digest;

/// A row of draws: the same seed gives the same row. SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators", 2014), which is good enough for choices and no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws(u64);

impl Draws {
    /// The row of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Above 0 and below 1.
    pub fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// Below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bits = u128::from(self.bits()) * bound as u128;
        usize::try_from(bits >> 64).unwrap_or(0)
    }

    /// From the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// From the gamma distribution of this shape, at least 1, and scale 1 (Marsaglia and Tsang 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape.max(1.0) - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        // Accepts more than 95 of 100; a row that never does would be a broken generator.
        for _ in 0..64 {
            let (normal, uniform) = (self.normal(), self.unit());
            let v = (1.0 + c * normal).powi(3);
            if v > 0.0 && uniform.ln() < 0.5 * normal * normal + d - d * v + d * v.ln() {
                return d * v;
            }
        }
        d
    }

    /// From the beta distribution; both shapes at least 1.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a), self.gamma(b));
        x / (x + y)
    }
}

#[allow(clippy::cast_precision_loss)] // 53 bits are what an f64 holds
fn unit(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// Where the key made of these parts lies, the same in every process: above 0 and below 1, evenly spread.
pub fn place_of(parts: &[&str]) -> f64 {
    let mut key = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        key.extend_from_slice(&(part.len() as u64).to_be_bytes());
        key.extend_from_slice(part.as_bytes());
    }
    let digest = Sha256Digest::of(&key);
    let first = digest.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
    unit(u64::from_be_bytes(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: u32 = 20_000;

    fn mean(mut draw: impl FnMut() -> f64) -> f64 {
        (0..ROUNDS).map(|_| draw()).sum::<f64>() / f64::from(ROUNDS)
    }

    #[test]
    fn the_row_is_the_published_one_and_repeats() {
        // From the reference implementation, https://prng.di.unimi.it/splitmix64.c, for the seed 1234567.
        let mut draws = Draws::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([draws.bits(), draws.bits(), draws.bits()], expected);
        assert_eq!(Draws::new(9).normal().to_bits(), Draws::new(9).normal().to_bits());
    }

    #[test]
    fn draws_are_spread_as_they_should_be() {
        let mut draws = Draws::new(1);
        assert!((mean(|| draws.unit()) - 0.5).abs() < 0.01);
        assert!(mean(|| draws.normal()).abs() < 0.03);
        assert!((mean(|| draws.normal().powi(2)) - 1.0).abs() < 0.05);
        assert!((mean(|| draws.beta(3.0, 1.0)) - 0.75).abs() < 0.01);
        assert!((mean(|| draws.beta(1.0, 9.0)) - 0.1).abs() < 0.01);
        let mut counts = [0u32; 3];
        (0..ROUNDS).for_each(|_| counts[draws.below(3)] += 1);
        assert!(counts.iter().all(|count| count.abs_diff(ROUNDS / 3) < 400), "{counts:?}");
        assert_eq!(draws.below(0), 0);
    }

    #[test]
    fn keys_lie_evenly_and_parts_do_not_run_together() {
        let mut number = 0;
        let place = || {
            number += 1;
            place_of(&["session", &number.to_string()])
        };
        assert!((mean(place) - 0.5).abs() < 0.01);
        assert_ne!(place_of(&["ab", "c"]).to_bits(), place_of(&["a", "bc"]).to_bits());
    }
}
