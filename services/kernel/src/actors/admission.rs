//! When a run may begin. A start that no limit stands against begins in its own first transaction; any other is durable at
//! once as a pending run and begins when its turn comes. What waits is a row; in memory is its id.
//!
//! Only runs that execute count: one that waits for people, time or workers has given its slot back, and goes on without
//! queueing again. A sub-workflow runs on the slot of the run that started it, or the two could wait for each other.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use orrery_store::StoreError;
use orrery_supervise::TaskSpec;
use orrery_types::{TaskId, TenantId, UnixMillis};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::command::{Command, Run};
use crate::domain::fairness::{Lane, Next, Policy, Scheduler};
use crate::domain::state::{State, Status};
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::store::partition_of;

/// It looks at the queue at least this often, so that a clock that jumps is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// A run, and the partition by which it is let go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Waiting {
    partition: i32,
    tenant: TenantId,
    run: TaskId,
}

impl Waiting {
    fn new(tenant: &TenantId, run: &TaskId) -> Self {
        Self { partition: partition_of(tenant, run), tenant: tenant.clone(), run: run.clone() }
    }
}

/// Owns the slots of runs and the order of those that are pending.
pub struct Admission {
    inner: Mutex<Inner>,
    turned: Notify,
}

struct Inner {
    /// While partitions are taken up it is not known what executes, so nothing that is pending begins.
    is_held: bool,
    scheduler: Scheduler<Waiting>,
    executing: HashMap<TaskId, (i32, Arc<Lane>)>,
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("pending", &self.pending()).finish_non_exhaustive()
    }
}

fn lane(run: &Run) -> Lane {
    Lane { tenant: run.tenant.to_string(), definition: run.workflow.1.clone(), queue: String::new() }
}

impl Admission {
    /// Nothing runs and nothing is pending.
    pub fn new(policy: Policy) -> Self {
        let inner = Inner { is_held: false, scheduler: Scheduler::new(policy), executing: HashMap::new() };
        Self { inner: Mutex::new(inner), turned: Notify::new() }
    }

    /// Goes by another policy from here on.
    pub fn adopt(&self, policy: Policy) {
        self.inner.lock().scheduler.adopt(policy);
        self.turned.notify_one();
    }

    /// Runs that are pending.
    pub fn pending(&self) -> usize {
        self.inner.lock().scheduler.waiting()
    }

    /// What to do with a new run: start it, in a slot that it then has, or accept it as pending.
    pub fn admit(&self, run: &Run) -> Command {
        if run.depth > 0 {
            return Command::Start;
        }
        let mut inner = self.inner.lock();
        if inner.executing.contains_key(&run.id) {
            return Command::Start;
        }
        let lane = lane(run);
        if !inner.scheduler.try_take(&lane, UnixMillis::now()) {
            return Command::Accept;
        }
        inner.executing.insert(run.id.clone(), (partition_of(&run.tenant, &run.id), Arc::new(lane)));
        Command::Start
    }

    /// Takes notice of how a run stands after a move, or after one that failed. Doing so twice is the same.
    pub fn observe(&self, state: Option<&State>) {
        let Some(state) = state else { return };
        let run = &state.run;
        if run.depth > 0 {
            return;
        }
        let is_executing = state.seq > 0 && state.status == Status::Running && !state.is_waiting();
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        match (is_executing, inner.executing.contains_key(&run.id)) {
            (true, false) => {
                let lane = Arc::new(lane(run));
                inner.scheduler.resume(&lane);
                inner.executing.insert(run.id.clone(), (partition_of(&run.tenant, &run.id), lane));
            }
            (false, true) => self.release(inner, &run.id),
            _ => {}
        }
        if state.status == Status::Pending {
            let since = state.accepted_at.unwrap_or(state.updated_at);
            inner.scheduler.push(Waiting::new(&run.tenant, &run.id), &lane(run), run.priority, since);
            self.turned.notify_one();
        } else if inner.scheduler.waiting() > 0 {
            inner.scheduler.remove(&Waiting::new(&run.tenant, &run.id));
        }
    }

    fn release(&self, inner: &mut Inner, run: &TaskId) {
        if let Some((_, lane)) = inner.executing.remove(run) {
            inner.scheduler.release(&lane);
            if inner.scheduler.waiting() > 0 {
                self.turned.notify_one();
            }
        }
    }

    /// Forgets the runs of a partition that this process has let go.
    pub fn let_go(&self, partition: i32) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let gone = inner.executing.iter().filter(|(_, (of, _))| *of == partition);
        let gone: Vec<TaskId> = gone.map(|(run, _)| run.clone()).collect();
        gone.iter().for_each(|run| self.release(inner, run));
        inner.scheduler.retain(|waiting| waiting.partition != partition);
    }

    /// Puts the pending runs of a partition that this process takes over in their places.
    pub async fn recover(&self, kernel: &Kernel, partition: i32) -> Result<(), StoreError> {
        let rows = kernel.store.pending(partition).await?;
        let mut inner = self.inner.lock();
        for row in rows {
            if let (Ok(tenant), Ok(run)) = (TenantId::new(&row.tenant), TaskId::new(&row.run_id)) {
                let lane = Lane { tenant: row.tenant, definition: row.workflow, queue: String::new() };
                let priority = u32::try_from(row.priority).unwrap_or(0);
                let since = UnixMillis(u64::try_from(row.since_ms).unwrap_or(0));
                inner.scheduler.push(Waiting { partition, tenant, run }, &lane, priority, since);
            }
        }
        drop(inner);
        self.turned.notify_one();
        Ok(())
    }

    /// Lets nothing that is pending begin, until it is called with `false`.
    pub fn hold(&self, is_held: bool) {
        self.inner.lock().is_held = is_held;
        self.turned.notify_one();
    }

    fn next(&self) -> Result<Waiting, Option<UnixMillis>> {
        let mut inner = self.inner.lock();
        if inner.is_held {
            return Err(None);
        }
        match inner.scheduler.next(UnixMillis::now()) {
            Next::Ready(waiting, lane) => {
                inner.executing.insert(waiting.run.clone(), (waiting.partition, lane));
                Ok(waiting)
            }
            Next::At(at) => Err(Some(at)),
            Next::Nobody => Err(None),
        }
    }
}

/// The supervised task that begins pending runs, for as long as the service runs.
pub fn spec(kernel: Arc<Kernel>) -> TaskSpec {
    TaskSpec::new("admission", move |task| {
        let kernel = kernel.clone();
        async move {
            tokio::select! {
                () = dispatch(kernel) => Ok::<(), StoreError>(()),
                () = task.draining() => Ok(()),
            }
        }
    })
}

async fn dispatch(kernel: Arc<Kernel>) {
    loop {
        let until = match kernel.admission.next() {
            Ok(waiting) => {
                actix::spawn(begin(kernel.clone(), waiting));
                continue;
            }
            Err(until) => until.map_or(SLEEP_MAX, |at| at.since(UnixMillis::now()).min(SLEEP_MAX)),
        };
        metrics::gauge!("orrery.kernel.runs.pending").set(kernel.admission.pending() as f64);
        // Woken or not, it looks again.
        let _woken = tokio::time::timeout(until, kernel.admission.turned.notified()).await;
    }
}

/// Starts a pending run; one that is gone or under way already gives the slot back.
async fn begin(kernel: Arc<Kernel>, waiting: Waiting) {
    let Waiting { partition, tenant, run } = waiting;
    let mut pause = RETRY_FIRST;
    loop {
        match kernel.act(&tenant, &run, Command::Start).await {
            // Its partition has taken notice of how it stands.
            Ok(_) => return,
            Err(error @ (ActError::Failed(_) | ActError::Moved)) if kernel.owns(partition) => {
                tracing::warn!(task.id = %run, %error, "a pending task has not begun yet");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
            Err(_) => {
                let mut inner = kernel.admission.inner.lock();
                kernel.admission.release(&mut inner, &run);
                return;
            }
        }
    }
}
