//! Telling a hang from rest: a child is alive while its progress counter moves between probes. Pure.

use std::time::Duration;

/// How often a child must show progress.
///
/// For an actor, progress is its mailbox moving: a probe goes through the mailbox whenever it is otherwise idle, so a
/// handler that never returns (or a `ctx.wait` that never ends) is seen. For a task, progress is `beat()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    pub(crate) interval: Duration,
    pub(crate) misses_max: u32,
}

impl Heartbeat {
    /// Progress is checked at this interval; five misses in a row mean hung.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self { interval, misses_max: 5 }
    }

    /// How many intervals in a row may pass without progress.
    #[must_use]
    pub fn misses(mut self, misses_max: u32) -> Self {
        self.misses_max = misses_max.max(1);
        self
    }
}

/// Judges one instance from the progress seen at each interval.
#[derive(Debug)]
pub(crate) struct Monitor {
    misses_max: u32,
    misses: u32,
    seen: u64,
}

impl Monitor {
    pub(crate) fn new(heartbeat: Heartbeat, progress: u64) -> Self {
        Self { misses_max: heartbeat.misses_max, misses: 0, seen: progress }
    }

    /// Notes the progress at one interval; `true` when the instance counts as hung.
    pub(crate) fn hung(&mut self, progress: u64) -> bool {
        if progress == self.seen {
            self.misses += 1;
        } else {
            self.seen = progress;
            self.misses = 0;
        }
        self.misses >= self.misses_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_forgives_earlier_misses() {
        let mut monitor = Monitor::new(Heartbeat::every(Duration::from_secs(1)).misses(2), 0);
        assert!(!monitor.hung(0));
        assert!(!monitor.hung(1));
        assert!(!monitor.hung(1));
        assert!(monitor.hung(1));
    }
}
