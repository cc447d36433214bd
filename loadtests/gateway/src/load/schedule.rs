//! When the requests of an open loop are due. It is fixed beforehand: an answer that takes long makes no later request late
//! without its lateness counting, so that no omission is coordinated with the slowness that is to be measured.

use std::time::{Duration, Instant};

/// So many requests a second, evenly spaced.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub start: Instant,
    /// Requests a second, at least one.
    pub rate: u32,
}

impl Schedule {
    /// When a request is due, counted from 0. Spacing is not summed up, so that it does not drift.
    pub fn due(&self, number: u64) -> Instant {
        self.start + Duration::from_nanos(number * 1_000_000_000 / u64::from(self.rate.max(1)))
    }

    /// The times that are due before an end.
    pub fn until(self, end: Instant) -> impl Iterator<Item = Instant> {
        (0..).map(move |number| self.due(number)).take_while(move |due| *due < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_does_not_drift_and_ends() {
        let start = Instant::now();
        let schedule = Schedule { start, rate: 300 };
        assert_eq!(schedule.due(0), start);
        assert_eq!(schedule.due(300 * 3_600), start + Duration::from_secs(3_600));
        let due: Vec<Instant> = schedule.until(start + Duration::from_secs(2)).collect();
        assert_eq!(due.len(), 600);
        assert!(due.windows(2).all(|it| it[1] - it[0] >= Duration::from_micros(3_333)));
    }
}
