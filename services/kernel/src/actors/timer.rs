//! Wakes runs when something of theirs is due. The rows are the truth; this actor holds a copy, ordered by time. Waking a
//! run too often does nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use orrery_store::StoreError;
use orrery_supervise::ActorSpec;
use orrery_types::{TaskId, TenantId, UnixMillis};

use crate::domain::command::Command;
use crate::kernel::Kernel;

/// It looks at the clock at least this often, so that a clock that jumps is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(30);
const MAILBOX: usize = 65_536;
/// Loading the timers of all waiting runs.
const RECOVERY: Duration = Duration::from_secs(60);

/// When a run wants to be woken; none: not at all.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct SetWake {
    /// Its tenant.
    pub tenant: TenantId,
    /// Which.
    pub run: TaskId,
    /// When.
    pub at: Option<UnixMillis>,
}

/// Owns the order of wake-ups.
#[derive(Debug)]
pub struct Timer {
    kernel: Arc<Kernel>,
    order: BTreeSet<(UnixMillis, TaskId)>,
    runs: HashMap<TaskId, (UnixMillis, TenantId)>,
    alarm: Option<(UnixMillis, SpawnHandle)>,
}

/// The supervised timer.
pub fn spec(kernel: Arc<Kernel>) -> ActorSpec<Timer> {
    let open = move || {
        let kernel = kernel.clone();
        async move { Timer::recover(kernel).await }
    };
    ActorSpec::try_new("timer", open).mailbox(MAILBOX).start_timeout(RECOVERY)
}

impl Timer {
    async fn recover(kernel: Arc<Kernel>) -> Result<Self, StoreError> {
        let rows = kernel.store.timers().await?;
        let mut timer = Self { kernel, order: BTreeSet::new(), runs: HashMap::new(), alarm: None };
        for (tenant, run, at) in rows {
            if let (Ok(tenant), Ok(run)) = (TenantId::new(&tenant), TaskId::new(&run)) {
                timer.set(SetWake { tenant, run, at: Some(UnixMillis(u64::try_from(at).unwrap_or(0))) });
            }
        }
        Ok(timer)
    }

    fn set(&mut self, SetWake { tenant, run, at }: SetWake) {
        if let Some((before, _)) = self.runs.remove(&run) {
            self.order.remove(&(before, run.clone()));
        }
        if let Some(at) = at {
            self.order.insert((at, run.clone()));
            self.runs.insert(run, (at, tenant));
        }
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let next = self.order.first().map(|(at, _)| *at);
        if let Some((set_for, alarm)) = self.alarm.take() {
            if Some(set_for) == next {
                self.alarm = Some((set_for, alarm));
                return;
            }
            ctx.cancel_future(alarm);
        }
        if let Some(at) = next {
            let after = at.since(UnixMillis::now()).min(SLEEP_MAX);
            let alarm = ctx.run_later(after, |timer, ctx| {
                timer.alarm = None;
                timer.ring(ctx);
            });
            self.alarm = Some((at, alarm));
        }
    }

    fn ring(&mut self, ctx: &mut Context<Self>) {
        let now = UnixMillis::now();
        while let Some((_, run)) = self.order.first().filter(|(at, _)| *at <= now).cloned() {
            let Some((at, tenant)) = self.runs.remove(&run) else { return };
            self.order.remove(&(at, run.clone()));
            let kernel = self.kernel.clone();
            let waking = async move { kernel.deliver(&tenant, &run, Command::Wake).await };
            ctx.spawn(waking.into_actor(self));
        }
        self.arm(ctx);
    }
}

impl Actor for Timer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.arm(ctx);
    }
}

impl Handler<SetWake> for Timer {
    type Result = ();

    fn handle(&mut self, wake: SetWake, ctx: &mut Self::Context) {
        self.set(wake);
        self.arm(ctx);
    }
}
