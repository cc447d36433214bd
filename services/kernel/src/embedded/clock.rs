//! Time for embedded runs: the system's, or one that skips whatever nobody waits for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use orrery_types::UnixMillis;

/// Longest single sleep; a later time is reached by several.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

/// A clock that can be slept by.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time.
    fn now(&self) -> UnixMillis;
    /// Returns at that time or later, never before.
    async fn sleep_until(&self, at: UnixMillis);
    /// Whether sleeping takes no time, so that whatever else can happen must happen first.
    fn skips(&self) -> bool;
}

/// The system's time at its start, and from there on without jumps.
#[derive(Debug)]
pub struct SystemClock {
    start: UnixMillis,
    started: Instant,
}

impl SystemClock {
    /// Starts now.
    pub fn start() -> Self {
        Self { start: UnixMillis::now(), started: Instant::now() }
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        self.start.saturating_add(self.started.elapsed())
    }

    async fn sleep_until(&self, at: UnixMillis) {
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(SLEEP_MAX)).await;
        }
    }

    fn skips(&self) -> bool {
        false
    }
}

/// Time that stands still until someone sleeps, and then jumps.
#[derive(Debug)]
pub struct VirtualClock(AtomicU64);

impl VirtualClock {
    /// Begins at a time.
    pub fn at(start: UnixMillis) -> Self {
        Self(AtomicU64::new(start.0))
    }
}

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::Relaxed))
    }

    async fn sleep_until(&self, at: UnixMillis) {
        self.0.fetch_max(at.0, Ordering::Relaxed);
    }

    fn skips(&self) -> bool {
        true
    }
}
