//! Counts by bucket, as Prometheus has them, and percentiles of what came between two readings.

use anyhow::Context as _;

/// A reading of the histogram of step durations.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    /// End of the bucket in seconds, and how many were at most that long. Rising.
    buckets: Vec<(f64, u64)>,
}

const NAME: &str = "orrery_kernel_step_duration_bucket{";

impl Histogram {
    /// From the text that a `/metrics` endpoint gives. Nothing recorded yet is an empty histogram.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut buckets = Vec::new();
        for line in text.lines().filter(|line| line.starts_with(NAME)) {
            let (labels, count) = line.rsplit_once(' ').context("a metric without a value")?;
            let end = labels.split('"').nth(1).context("a bucket without an end")?;
            let end = if end == "+Inf" { f64::INFINITY } else { end.parse()? };
            buckets.push((end, count.parse()?));
        }
        buckets.sort_by(|one: &(f64, u64), other| one.0.total_cmp(&other.0));
        Ok(Self { buckets })
    }

    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |(_, count)| *count)
    }

    /// What was recorded after `earlier`.
    pub fn since(&self, earlier: &Self) -> Self {
        let before = |end: f64| earlier.buckets.iter().find(|it| it.0 == end).map_or(0, |it| it.1);
        Self { buckets: self.buckets.iter().map(|(end, count)| (*end, count - before(*end))).collect() }
    }

    /// The duration in seconds that a share of the recorded ones did not exceed, by interpolation in its bucket.
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let wanted = share * self.count() as f64;
        let (mut start, mut below) = (0.0, 0_u64);
        for (end, count) in &self.buckets {
            if *count > 0 && *count as f64 >= wanted {
                let inside = (wanted - below as f64) / (count - below).max(1) as f64;
                return Some(if end.is_finite() { start + (end - start) * inside } else { start });
            }
            (start, below) = (*end, *count);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(counts: [u64; 3]) -> String {
        let [low, high, all] = counts;
        format!("# TYPE x histogram\n{NAME}le=\"0.1\"}} {low}\n{NAME}le=\"0.2\"}} {high}\n{NAME}le=\"+Inf\"}} {all}\n")
    }

    #[test]
    fn percentiles_are_those_of_the_interval() {
        let before = Histogram::parse(&text([100, 100, 100])).unwrap();
        let after = Histogram::parse(&text([110, 199, 200])).unwrap();
        let between = after.since(&before);
        assert_eq!(between.count(), 100);
        assert!((between.percentile(0.05).unwrap() - 0.05).abs() < 1e-9);
        assert!((between.percentile(0.5).unwrap() - (0.1 + 0.1 * 40.0 / 89.0)).abs() < 1e-9);
        assert_eq!(between.percentile(1.0), Some(0.2), "beyond the last end there is nothing to interpolate to");
        assert_eq!(Histogram::default().percentile(0.5), None);
    }
}
