//! The settings that children of all kinds share, with their defaults.

use std::time::Duration;

use crate::backoff::Backoff;
use crate::heartbeat::Heartbeat;
use crate::strategy::Restart;

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) restart: Restart,
    pub(crate) backoff: Backoff,
    pub(crate) heartbeat: Option<Heartbeat>,
    /// `None` for supervisors, whose children have their own.
    pub(crate) start_timeout: Option<Duration>,
    /// `None` for supervisors, whose children have their own.
    pub(crate) drain_deadline: Option<Duration>,
    pub(crate) wait_ready: bool,
    pub(crate) own_thread: bool,
}

impl Options {
    pub(crate) fn actor() -> Self {
        Self { heartbeat: Some(Heartbeat::every(Duration::from_secs(2))), ..Self::task() }
    }

    pub(crate) fn task() -> Self {
        Self {
            start_timeout: Some(Duration::from_secs(30)),
            drain_deadline: Some(Duration::from_secs(5)),
            ..Self::supervisor()
        }
    }

    pub(crate) fn supervisor() -> Self {
        Self {
            restart: Restart::default(),
            backoff: Backoff::default(),
            heartbeat: None,
            start_timeout: None,
            drain_deadline: None,
            wait_ready: false,
            own_thread: false,
        }
    }
}

/// Builder methods of children that have a thread.
macro_rules! child_options {
    () => {
        /// Whether the child is started again after it ended. Default: always.
        #[must_use]
        pub fn restart(mut self, restart: crate::Restart) -> Self {
            self.options.restart = restart;
            self
        }

        /// The pause before a restart. Default: 100 ms, doubling to 30 s, jitter 20 %.
        #[must_use]
        pub fn backoff(mut self, backoff: crate::Backoff) -> Self {
            self.options.backoff = backoff;
            self
        }

        /// How often the child must show progress. Default: actors every 2 s with 5 misses, tasks not at all.
        #[must_use]
        pub fn heartbeat(mut self, heartbeat: crate::Heartbeat) -> Self {
            self.options.heartbeat = Some(heartbeat);
            self
        }

        /// Lets the child be silent for as long as it likes. A hang then goes unseen, unless it blocks the thread.
        #[must_use]
        pub fn no_heartbeat(mut self) -> Self {
            self.options.heartbeat = None;
            self
        }

        /// How long the child may take to be up. Default: 30 s.
        #[must_use]
        pub fn start_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.options.start_timeout = Some(timeout);
            self
        }

        /// How long the child may take to finish what it has when it is drained. Default: 5 s.
        #[must_use]
        pub fn drain_deadline(mut self, deadline: std::time::Duration) -> Self {
            self.options.drain_deadline = Some(deadline);
            self
        }

        /// The child counts as up only once it said so with `ready()`.
        #[must_use]
        pub fn wait_ready(mut self) -> Self {
            self.options.wait_ready = true;
            self
        }

        /// Gives the child a thread of its own instead of the one that the tree shares.
        #[must_use]
        pub fn own_thread(mut self) -> Self {
            self.options.own_thread = true;
            self
        }
    };
}
pub(super) use child_options;
