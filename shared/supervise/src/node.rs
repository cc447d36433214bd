//! The observable tree: one node per child, kept by supervisors, read by anyone.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::exit::ExitStatus;
use crate::telemetry;
use crate::vitals::Vitals;

/// What a node of the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    Supervisor,
    Actor,
    Task,
}

/// Where a child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildState {
    /// Not up yet for the first time.
    Starting,
    Running,
    /// Between two instances.
    Restarting,
    /// Finishing what it has.
    Draining,
    /// Ended as it should and not started again.
    Stopped,
    /// Ended by a fault and not started again.
    Failed,
}

/// The tree, or a part of it, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeSnapshot {
    pub name: String,
    pub kind: NodeKind,
    pub state: ChildState,
    /// Restarts since the root started.
    pub restarts: u64,
    /// The last exit that was not a success.
    pub last_error: Option<String>,
    /// Messages accepted and not yet handled.
    pub mailbox_depth: usize,
    /// Messages accepted whose sender still waits.
    pub in_flight: usize,
    /// Age of the current instance, 0 when there is none.
    pub uptime_ms: u64,
    pub children: Vec<TreeSnapshot>,
}

/// The state of a service as its health endpoint tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// False once the root has failed: the process must be restarted.
    pub live: bool,
    /// True while every child is up.
    pub ready: bool,
    /// One line per child that is not up.
    pub reasons: Vec<String>,
}

#[derive(Debug)]
struct Status {
    state: ChildState,
    restarts: u64,
    last_error: Option<String>,
    up_since: Option<Instant>,
    restart_at: Instant,
    /// While draining: whether a new instance follows.
    comes_back: bool,
    vitals: Arc<Vitals>,
}

#[derive(Debug)]
pub(crate) struct Node {
    name: Arc<str>,
    kind: NodeKind,
    children: Vec<Arc<Node>>,
    path: OnceLock<String>,
    changes: OnceLock<watch::Sender<u64>>,
    status: RwLock<Status>,
}

impl Node {
    pub(crate) fn new(name: Arc<str>, kind: NodeKind, children: Vec<Arc<Node>>) -> Arc<Self> {
        let status = RwLock::new(Status {
            state: ChildState::Starting,
            restarts: 0,
            last_error: None,
            up_since: None,
            restart_at: Instant::now(),
            comes_back: false,
            vitals: Arc::default(),
        });
        Arc::new(Self { name, kind, children, path: OnceLock::new(), changes: OnceLock::new(), status })
    }

    /// Ties the tree to the channel that announces changes. The first binding stands: a spec starts one tree.
    pub(crate) fn bind(&self, parent: Option<&str>, changes: &watch::Sender<u64>) {
        let path = parent.map_or_else(|| self.name.to_string(), |parent| format!("{parent}/{}", self.name));
        for child in &self.children {
            child.bind(Some(&path), changes);
        }
        let _ = self.path.set(path);
        let _ = self.changes.set(changes.clone());
    }

    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Names from the root down, joined by slashes; the bare name before the tree starts.
    pub(crate) fn path(&self) -> &str {
        self.path.get().map_or(&self.name, String::as_str)
    }

    pub(crate) fn state(&self) -> ChildState {
        self.status.read().state
    }

    pub(crate) fn vitals(&self) -> Arc<Vitals> {
        Arc::clone(&self.status.read().vitals)
    }

    /// Time until the planned restart.
    pub(crate) fn restart_in(&self) -> Duration {
        self.status.read().restart_at.saturating_duration_since(Instant::now())
    }

    pub(crate) fn starting(&self, vitals: Arc<Vitals>) {
        self.update(|status| status.vitals = vitals);
    }

    pub(crate) fn running(&self) {
        self.update(|status| {
            status.state = ChildState::Running;
            status.up_since = Some(Instant::now());
        });
        telemetry::set_up(self.path(), true);
    }

    pub(crate) fn draining(&self, comes_back: bool) {
        self.update(|status| {
            status.state = ChildState::Draining;
            status.comes_back = comes_back;
        });
    }

    /// Whether the child drains without return.
    pub(crate) fn is_leaving(&self) -> bool {
        let status = self.status.read();
        status.state == ChildState::Draining && !status.comes_back
    }

    pub(crate) fn note_error(&self, exit: &ExitStatus) {
        self.update(|status| status.last_error = Some(exit.to_string()));
    }

    /// This node and all below it come back, not before `at`.
    pub(crate) fn restarting(&self, at: Instant) {
        for child in &self.children {
            child.restarting(at);
        }
        self.update(|status| {
            status.state = ChildState::Restarting;
            status.up_since = None;
            status.restart_at = at;
        });
        telemetry::set_up(self.path(), false);
    }

    pub(crate) fn count_restart(&self) {
        self.update(|status| status.restarts += 1);
    }

    /// This node and all below it have ended for good.
    pub(crate) fn ended(&self, state: ChildState) {
        for child in &self.children {
            child.ended(ChildState::Stopped);
        }
        self.update(|status| {
            if status.state != ChildState::Failed {
                status.state = state;
            }
            status.up_since = None;
        });
        telemetry::set_up(self.path(), false);
    }

    fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.write());
        if let Some(changes) = self.changes.get() {
            changes.send_modify(|version| *version = version.wrapping_add(1));
        }
    }

    pub(crate) fn snapshot(&self) -> TreeSnapshot {
        let status = self.status.read();
        let uptime = status.up_since.map_or(Duration::ZERO, |since| since.elapsed());
        TreeSnapshot {
            name: self.name.to_string(),
            kind: self.kind,
            state: status.state,
            restarts: status.restarts,
            last_error: status.last_error.clone(),
            mailbox_depth: status.vitals.depth(),
            in_flight: status.vitals.in_flight(),
            uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
            children: self.children.iter().map(|child| child.snapshot()).collect(),
        }
    }

    /// Sets the gauges of this node and all below it.
    pub(crate) fn publish_depths(&self) {
        if self.kind == NodeKind::Actor {
            telemetry::set_depth(self.path(), self.vitals().depth());
        }
        for child in &self.children {
            child.publish_depths();
        }
    }

    /// Adds a line for each node that is not up. A child that ended as it should keeps nobody waiting.
    pub(crate) fn reasons(&self, reasons: &mut Vec<String>) {
        let status = self.status.read();
        if !matches!(status.state, ChildState::Running | ChildState::Stopped) {
            let state = format!("{:?}", status.state).to_lowercase();
            let error = status.last_error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
            reasons.push(format!("{} is {state}{error}", self.path()));
        }
        drop(status);
        for child in &self.children {
            child.reasons(reasons);
        }
    }
}
