//! A random number generator whose sequence is part of this code, so that a seed gives the same result for ever.

/// Steele, Lea and Flood 2014.
#[derive(Debug)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in `[0, 1)`, from the 24 bits that a 32-bit float holds.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// One of `weighted`, as often as its share of the weight; none only of nothing.
    pub(crate) fn choose<T: Copy>(&mut self, weighted: &[(T, f32)]) -> Option<T> {
        let mass: f32 = weighted.iter().map(|(_, weight)| weight).sum();
        let mut left = self.unit() * mass;
        weighted
            .iter()
            .find(|(_, weight)| {
                left -= weight;
                left < 0.0
            })
            // Rounding can leave a remainder behind the last one.
            .or(weighted.first())
            .map(|&(item, _)| item)
    }
}
