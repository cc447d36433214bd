//! Quantiles of what was measured.

use std::time::Duration;

/// The duration in seconds that a share of the sorted ones did not exceed, by nearest rank. None of nothing.
pub fn percentile(sorted: &[Duration], share: f64) -> Option<f64> {
    let index = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(index.max(1) - 1).map(Duration::as_secs_f64)
}

/// The middle of the values, or between the two in the middle. None of nothing.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(high), 0) => values.get(middle - 1).map(|low| f64::midpoint(*low, *high)),
        (value, _) => value.copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_by_nearest_rank() {
        let sorted: Vec<Duration> = (1..=100).map(Duration::from_secs).collect();
        assert_eq!(percentile(&sorted, 0.5), Some(50.0));
        assert_eq!(percentile(&sorted, 0.99), Some(99.0));
        assert_eq!(percentile(&sorted, 0.999), Some(100.0));
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn medians_of_odd_and_even_numbers_of_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
