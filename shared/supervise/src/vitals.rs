//! Signs of life of one instance, shared by its thread, its callers and its supervisor.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;

use futures::task::AtomicWaker;
use tokio_util::sync::CancellationToken;

/// Counters of one instance. A new instance gets new vitals, never the old ones.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    progress: AtomicU64,
    begun: AtomicU64,
    probe: AtomicBool,
    depth: AtomicUsize,
    in_flight: AtomicUsize,
    waker: AtomicWaker,
    dead: CancellationToken,
}

impl Vitals {
    /// Counts one sign of progress.
    pub(crate) fn beat(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn progress(&self) -> u64 {
        self.progress.load(Ordering::Relaxed)
    }

    /// Asks an idle mailbox to show that it is still polled.
    pub(crate) fn probe(&self) {
        self.probe.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Called by the mailbox whenever it is polled.
    pub(crate) fn answer_probe(&self) {
        if self.probe.swap(false, Ordering::AcqRel) {
            self.beat();
        }
    }

    /// One more message has left the queue for its handler.
    pub(crate) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Release);
    }

    /// Messages that have left the queue. The queue is first in, first out, so message number n (from 0) has been
    /// begun exactly when this is above n.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    pub(crate) fn set_depth(&self, depth: usize) {
        self.depth.store(depth, Ordering::Relaxed);
    }

    /// Messages accepted and not yet handled.
    pub(crate) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// Messages accepted whose sender still waits for the answer.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    pub(crate) fn enter_flight(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn leave_flight(&self) {
        // The last one out lets a draining mailbox finish.
        if self.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waker.wake();
        }
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Cancelled once the instance has ended and its mailbox is closed (S-2).
    pub(crate) fn dead(&self) -> &CancellationToken {
        &self.dead
    }
}
