//! How much goes into one transaction while what comes meanwhile must not wait for long. A transaction takes as long as its
//! sync to disk, and a little for each thing in it. The sync is paid in any case, so one that takes half as long
//! again as the quickest of late is called short. How much fits into that depends on the disk, and is found by trying; now and then
//! one holds little, so that it is known what a sync takes.

use std::time::Duration;

const LEAST: usize = 4;
const MOST: usize = 256;
/// Transactions between two that hold little.
const PROBES: u32 = 32;
/// Transactions that are of late, or twice as many.
const WINDOW: u32 = 256;

/// The size of the next transaction.
#[derive(Debug)]
pub struct BatchSize {
    short: usize,
    count: u32,
    /// In the window before this one, and in this one.
    quickest: [Duration; 2],
}

impl Default for BatchSize {
    fn default() -> Self {
        Self { short: LEAST, count: 0, quickest: [Duration::MAX; 2] }
    }
}

impl BatchSize {
    /// How much the next one may hold.
    pub fn most(&self, must_be_short: bool) -> usize {
        match must_be_short {
            true if self.count.is_multiple_of(PROBES) => LEAST,
            true => self.short,
            false => MOST,
        }
    }

    /// One with so much in it took so long.
    pub fn took(&mut self, entries: usize, duration: Duration) {
        let [before, now] = self.quickest;
        self.count = self.count.wrapping_add(1);
        self.quickest = match self.count.is_multiple_of(WINDOW) {
            true => [now.min(duration), Duration::MAX],
            false => [before, now.min(duration)],
        };
        // One that held far more did not have to be short.
        if !(self.short..self.short + LEAST).contains(&entries) {
            return;
        }
        self.short = match duration > before.min(now).min(duration).saturating_mul(3) / 2 {
            // Faster down than up, since some take long for reasons of their own.
            true => self.short.saturating_sub(2).max(LEAST),
            false => (self.short + 1).min(MOST),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(size: &mut BatchSize, sync_us: u64, must_be_short: bool) -> usize {
        let mut last = 0;
        for round in 0_u64..2_000 {
            last = size.most(must_be_short);
            let noise = (round * 7_919) % (sync_us / 10);
            size.took(last, Duration::from_micros(sync_us + noise + 100 * last as u64));
        }
        last
    }

    #[test]
    fn a_slow_disk_takes_more_at_once_and_what_it_once_was_is_forgotten() {
        let mut size = BatchSize::default();
        assert!(run(&mut size, 100, true) <= 6, "hardly any sync: each entry counts");
        let quick = run(&mut size, 1_000, true);
        assert!((5..=10).contains(&quick), "{quick}");
        let slow = run(&mut size, 10_000, true);
        assert!((40..=65).contains(&slow), "{slow}");
        assert!(run(&mut size, 1_000, true).abs_diff(quick) <= 2);
    }

    #[test]
    fn only_what_must_be_short_is() {
        let mut size = BatchSize::default();
        assert_eq!((run(&mut size, 1_000, false), size.most(true)), (MOST, LEAST));
        run(&mut size, 1_000, true);
        assert_eq!(size.most(false), MOST);
    }
}
