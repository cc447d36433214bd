//! Quantiles of many durations in little memory, which add up: the quantiles of two sketches together are those of all
//! that both have seen.

use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

/// A quantile is at most this far from the true one, as a part of it.
const ACCURACY: f64 = 0.03;
/// At this accuracy they reach from a millisecond to more than an hour. Beyond, the lowest values are kept less exactly.
/// At eight bytes each a sketch takes 2 KiB at most.
const BINS_MAX: u32 = 256;

/// Two sketches of different accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these statistics were made with another accuracy; update both routers to the same version")]
pub struct OtherAccuracy;

/// A DDSketch (Masson, Rim and Lee 2019) of whole numbers.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sketch(DDSketch);

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sketch({} values)", self.0.count())
    }
}

impl Default for Sketch {
    fn default() -> Self {
        Self(DDSketch::new(Config::new(ACCURACY, BINS_MAX, 1.0)))
    }
}

impl Sketch {
    /// Counts one value.
    #[allow(clippy::cast_precision_loss)] // far below the accuracy
    pub fn add(&mut self, value: u64) {
        self.0.add(value as f64);
    }

    /// How many values it has seen.
    pub fn count(&self) -> u64 {
        self.0.count() as u64
    }

    /// The value below which this part of all values lies; none when there are none or `part` is not between 0 and 1.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // values came in as u64
    pub fn quantile(&self, part: f64) -> Option<u64> {
        self.0.quantile(part).ok().flatten().map(|value| value.round().max(0.0) as u64)
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &Self) -> Result<(), OtherAccuracy> {
        self.0.merge(&other.0).map_err(|_| OtherAccuracy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same rank as the sketch takes: the lower of two neighbours.
    fn exact(values: &mut [u64], part: f64) -> u64 {
        values.sort_unstable();
        values[(part * (values.len() - 1) as f64).floor() as usize]
    }

    fn close(found: u64, exact: u64) -> bool {
        found.abs_diff(exact) as f64 <= exact as f64 * ACCURACY + 1.0
    }

    proptest! {
        #[test]
        fn quantiles_are_close_to_exact_ones_together_and_apart(
            mut a in prop::collection::vec(0u64..3_600_000, 1..300), b in prop::collection::vec(0u64..20_000, 1..300),
        ) {
            let sketch = |values: &[u64]| values.iter().fold(Sketch::default(), |mut sketch, value| {
                sketch.add(*value);
                sketch
            });
            let (mut both, other) = (sketch(&a), sketch(&b));
            for part in [0.5, 0.95, 0.99, 1.0] {
                prop_assert!(close(both.quantile(part).unwrap(), exact(&mut a, part)));
            }
            let text = serde_json::to_string(&other).unwrap();
            prop_assert!(both.merge(&serde_json::from_str(&text).unwrap()).is_ok());
            a.extend(b);
            prop_assert_eq!(both.count(), a.len() as u64);
            for part in [0.5, 0.95, 0.99, 1.0] {
                let (found, exact) = (both.quantile(part).unwrap(), exact(&mut a, part));
                prop_assert!(close(found, exact), "{part}: {found} for {exact}");
            }
        }
    }

    #[test]
    fn it_stays_small_whatever_comes() {
        let mut sketch = Sketch::default();
        (0..64).for_each(|power| sketch.add(1 << power));
        sketch.add(u64::MAX);
        assert!(sketch.0.length() <= 2 * BINS_MAX as usize, "{}", sketch.0.length());
        assert_eq!((Sketch::default().quantile(0.5), sketch.quantile(1.5)), (None, None));
    }
}
