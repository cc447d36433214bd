//! The root of a service's tree, and the thread on which all its supervisors run.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actix_rt::System;
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use crate::control::{Control, DrainOrder};
use crate::error::{RootFailure, StartError};
use crate::exit::ExitStatus;
use crate::host::SharedThread;
use crate::node::{ChildState, Health, Node, TreeSnapshot};
use crate::spec::{Plan, SupervisorSpec};
use crate::supervisor::{Env, Supervisor};

/// A shared thread that runs nothing for this long is blocked.
const SHARED_STALL_MAX: Duration = Duration::from_secs(10);
/// How often mailbox depths go to the metrics.
const DEPTHS_INTERVAL: Duration = Duration::from_secs(1);

/// What a drain could not do gently.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainReport {
    /// Paths of children killed because their deadline passed.
    pub killed: Vec<String>,
}

/// A running tree. Cheap to clone; dropping the last clone kills the tree.
#[derive(Debug, Clone)]
pub struct Root {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    node: Arc<Node>,
    control: Arc<Control>,
    env: Env,
    snapshots: watch::Receiver<TreeSnapshot>,
    /// How the tree ended, once it has.
    end: watch::Receiver<Option<ExitStatus>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.control.kill.cancel();
    }
}

impl Root {
    /// Starts the tree and waits until all of it is up.
    ///
    /// # Errors
    /// Outside an actix system, without threads, or when the root used up its restart budget before it was up.
    pub async fn start(spec: SupervisorSpec) -> Result<Self, StartError> {
        let system = System::try_current().ok_or(StartError::NoSystem)?;
        let plan = spec.into_plan();
        let node = Arc::clone(&plan.node);
        let (changes, changed) = watch::channel(0);
        node.bind(None, &changes);
        let (publish, snapshots) = watch::channel(node.snapshot());
        let (ended, end) = watch::channel(None);
        let env = Env { shared: SharedThread::open()?, killed: Arc::default() };
        let control = Control::new(false);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (life_control, life_env) = (Arc::clone(&control), env.clone());
        thread::Builder::new().name("supervision".to_owned()).spawn(move || {
            // Children's threads belong to the caller's system.
            System::set_current(system);
            runtime.block_on(supervise(plan, life_env, life_control, changed, publish, ended));
        })?;
        let root = Self { inner: Arc::new(Inner { node, control, env, snapshots, end }) };
        let mut snapshots = root.watch();
        tokio::select! {
            biased;
            failure = root.failed() => return Err(failure.into()),
            // The channel closes when the tree ends, and then `failed` has the answer.
            Ok(_) = snapshots.wait_for(|tree| tree.state == ChildState::Running) => {}
        }
        Ok(root)
    }

    /// Resolves when the root has failed; never after a drain. The process should then exit non-zero, so that
    /// whatever watches it starts it again.
    pub async fn failed(&self) -> RootFailure {
        match self.end().await {
            ExitStatus::Success | ExitStatus::Killed => std::future::pending().await,
            status => RootFailure { tree: self.inner.node.name(), status },
        }
    }

    /// Drains the tree in reverse order: each child stops taking work, finishes what it accepted and ends. Past its
    /// own deadline or this one a child is killed and its waiting senders are told.
    pub async fn drain(&self, deadline: Duration) -> DrainReport {
        self.inner.control.order_drain(DrainOrder { until: Instant::now() + deadline, returns: false });
        self.end().await;
        DrainReport { killed: self.inner.env.killed.lock().clone() }
    }

    /// The tree as it is now.
    #[must_use]
    pub fn snapshot(&self) -> TreeSnapshot {
        self.inner.node.snapshot()
    }

    /// The tree after each change of a state. Mailbox depths move without notice.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<TreeSnapshot> {
        self.inner.snapshots.clone()
    }

    /// Liveness and readiness, with what stands in the way of the latter.
    #[must_use]
    pub fn health(&self) -> Health {
        let mut reasons = Vec::new();
        self.inner.node.reasons(&mut reasons);
        let state = self.inner.node.state();
        let ready = state == ChildState::Running && reasons.is_empty();
        Health { live: state != ChildState::Failed, ready, reasons }
    }

    async fn end(&self) -> ExitStatus {
        let mut end = self.inner.end.clone();
        let ended = end.wait_for(Option::is_some).await.ok().and_then(|status| status.clone());
        ended.unwrap_or_else(|| ExitStatus::failed("the supervision thread is gone"))
    }
}

/// The supervision thread's main.
async fn supervise(
    plan: Arc<Plan>,
    env: Env,
    control: Arc<Control>,
    changed: watch::Receiver<u64>,
    publish: watch::Sender<TreeSnapshot>,
    ended: watch::Sender<Option<ExitStatus>>,
) {
    let node = Arc::clone(&plan.node);
    let (stop, stopped) = oneshot::channel::<()>();
    let publisher = tokio::spawn(publish_changes(Arc::clone(&node), changed, publish, stopped));
    let depths = tokio::spawn(publish_depths(Arc::clone(&node)));
    let guard = tokio::spawn(Arc::clone(&env.shared).guard(SHARED_STALL_MAX));
    let follow = tokio::spawn(follow_root(Arc::clone(&node), Arc::clone(&control)));

    let status = Supervisor::new(plan, env.clone(), control).run().await;

    for task in [depths, guard, follow] {
        task.abort();
        let _ = task.await;
    }
    match &status {
        ExitStatus::Success | ExitStatus::Killed => node.ended(ChildState::Stopped),
        fault => {
            node.note_error(fault);
            node.ended(ChildState::Failed);
        }
    }
    env.shared.stop();
    drop(stop);
    let _ = publisher.await;
    let _ = ended.send(Some(status));
}

/// A root has no parent to note its states, so this does.
async fn follow_root(node: Arc<Node>, control: Arc<Control>) {
    tokio::select! {
        () = control.drain.cancelled() => {}
        () = control.up.cancelled() => {
            node.running();
            control.drain.cancelled().await;
        }
    }
    node.draining(control.drain_order().returns);
}

async fn publish_changes(
    node: Arc<Node>,
    mut changed: watch::Receiver<u64>,
    publish: watch::Sender<TreeSnapshot>,
    mut stopped: oneshot::Receiver<()>,
) {
    loop {
        let more = tokio::select! {
            biased;
            change = changed.changed() => change.is_ok(),
            _ = &mut stopped => false,
        };
        publish.send_replace(node.snapshot());
        if !more {
            return;
        }
    }
}

async fn publish_depths(node: Arc<Node>) {
    let mut ticks = tokio::time::interval(DEPTHS_INTERVAL);
    loop {
        ticks.tick().await;
        node.publish_depths();
    }
}
