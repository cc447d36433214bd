//! Money in integer nano-units of the tenant's currency: 1 EUR is 1,000,000,000 nanos. Never a float.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("amount out of range: nano-units must stay between 0 and 2^63-1")]
pub struct MoneyOverflow;

/// A non-negative amount in nano-units. Fits a signed 64-bit column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(u64);

const NANOS_MAX: u64 = i64::MAX as u64;
const NANOS_PER_UNIT: u64 = 1_000_000_000;

impl Nanos {
    /// Nothing.
    pub const ZERO: Nanos = Nanos(0);

    /// Checks that the amount fits.
    pub fn new(nanos: u64) -> Result<Self, MoneyOverflow> {
        if nanos > NANOS_MAX { Err(MoneyOverflow) } else { Ok(Self(nanos)) }
    }

    /// The amount in nano-units.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Sum, or an error past the range.
    pub fn checked_add(self, other: Nanos) -> Result<Nanos, MoneyOverflow> {
        self.0.checked_add(other.0).ok_or(MoneyOverflow).and_then(Nanos::new)
    }

    /// Price times quantity, or an error past the range.
    pub fn checked_mul(self, quantity: u64) -> Result<Nanos, MoneyOverflow> {
        self.0.checked_mul(quantity).ok_or(MoneyOverflow).and_then(Nanos::new)
    }

    /// Difference, at least zero.
    pub fn saturating_sub(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Nanos {
    /// In units with as many decimals as needed, at least two: `0.000123`, `12.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:09}", self.0 % NANOS_PER_UNIT);
        let trimmed = fraction.trim_end_matches('0');
        write!(f, "{}.{trimmed:0<2}", self.0 / NANOS_PER_UNIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_units_with_the_decimals_needed() {
        assert_eq!(Nanos(12_500_000_000).to_string(), "12.50");
        assert_eq!(Nanos(123_000).to_string(), "0.000123");
        assert_eq!(Nanos::ZERO.to_string(), "0.00");
    }

    proptest! {
        #[test]
        fn addition_never_wraps(a in 0..=NANOS_MAX, b in 0..=NANOS_MAX) {
            match Nanos(a).checked_add(Nanos(b)) {
                Ok(sum) => prop_assert_eq!(u128::from(sum.get()), u128::from(a) + u128::from(b)),
                Err(MoneyOverflow) => prop_assert!(u128::from(a) + u128::from(b) > u128::from(NANOS_MAX)),
            }
        }
    }
}
