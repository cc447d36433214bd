//! The wires between a supervisor and one instance of a child: up, drain, kill, and the exit it declares.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::exit::ExitStatus;
use crate::vitals::Vitals;

/// What a supervisor wants when it asks a child to drain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DrainOrder {
    /// Past this the child is killed.
    pub(crate) until: Instant,
    /// Whether the child comes back, so that callers are told to retry rather than to give up.
    pub(crate) returns: bool,
}

/// One instance's control. A new instance gets a new one, so a late signal never reaches the wrong instance.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) kill: CancellationToken,
    pub(crate) drain: CancellationToken,
    pub(crate) up: CancellationToken,
    waits_ready: bool,
    order: Mutex<Option<DrainOrder>>,
    declared: Mutex<Option<ExitStatus>>,
}

impl Control {
    pub(crate) fn new(waits_ready: bool) -> Arc<Self> {
        Arc::new(Self {
            vitals: Arc::default(),
            kill: CancellationToken::new(),
            drain: CancellationToken::new(),
            up: CancellationToken::new(),
            waits_ready,
            order: Mutex::new(None),
            declared: Mutex::new(None),
        })
    }

    /// The instance runs; it is up unless it wants to say so itself.
    pub(crate) fn started(&self) {
        if !self.waits_ready {
            self.up.cancel();
        }
    }

    pub(crate) fn order_drain(&self, order: DrainOrder) {
        *self.order.lock() = Some(order);
        self.drain.cancel();
    }

    /// The order behind `drain`; set before `drain` is cancelled.
    pub(crate) fn drain_order(&self) -> DrainOrder {
        self.order.lock().unwrap_or_else(|| DrainOrder { until: Instant::now(), returns: false })
    }

    /// The first declared exit stands.
    pub(crate) fn declare(&self, status: ExitStatus) {
        self.declared.lock().get_or_insert(status);
    }

    pub(crate) fn declared(&self) -> Option<ExitStatus> {
        self.declared.lock().clone()
    }
}
