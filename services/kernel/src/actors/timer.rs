//! Wakes runs when something of theirs is due. The rows are the truth; this actor holds a copy of the next few, ordered by
//! time. Waking a run too often does nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use orrery_supervise::ActorSpec;
use orrery_types::{TaskId, TenantId, UnixMillis};
use tokio::sync::Semaphore;

use crate::domain::command::Command;
use crate::kernel::Kernel;

/// It looks at the clock at least this often, so that a clock that jumps is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(5);
const MAILBOX: usize = 65_536;
/// How far ahead timers are held.
const WINDOW: Duration = Duration::from_secs(60);
/// Timers that are read at once; the window ends where they do.
const READ_MAX: i64 = 20_000;
/// Runs that are woken at the same time.
const WAKING_MAX: usize = 256;

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

/// The partitions whose timers are held have changed.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Reload;

/// Owns the order of wake-ups.
#[allow(missing_debug_implementations)] // the kernel has none
pub struct Timer {
    kernel: Arc<Kernel>,
    order: BTreeSet<(UnixMillis, TaskId)>,
    runs: HashMap<TaskId, (UnixMillis, TenantId)>,
    /// Every timer up to here is held.
    horizon: UnixMillis,
    reading: bool,
    read_again: bool,
    waking: Arc<Semaphore>,
    alarm: Option<(UnixMillis, SpawnHandle)>,
}

/// The supervised timer.
pub fn spec(kernel: Arc<Kernel>) -> ActorSpec<Timer> {
    let fresh = move || Timer {
        kernel: kernel.clone(),
        order: BTreeSet::new(),
        runs: HashMap::new(),
        horizon: UnixMillis(0),
        reading: false,
        read_again: false,
        waking: Arc::new(Semaphore::new(WAKING_MAX)),
        alarm: None,
    };
    ActorSpec::new("timer", fresh).mailbox(MAILBOX)
}

impl Timer {
    fn set(&mut self, SetWake { tenant, run, at }: SetWake) {
        if let Some((before, _)) = self.runs.remove(&run) {
            self.order.remove(&(before, run.clone()));
        }
        // A later one is read from its row when its time comes near.
        if let Some(at) = at.filter(|at| *at <= self.horizon) {
            self.order.insert((at, run.clone()));
            self.runs.insert(run, (at, tenant));
        }
    }

    /// Reads the timers of the next window.
    fn read(&mut self, ctx: &mut Context<Self>) {
        if self.reading {
            self.read_again = true;
            return;
        }
        self.reading = true;
        let until = UnixMillis::now().saturating_add(WINDOW);
        let (store, mine) = (self.kernel.store.clone(), self.kernel.ownership.mine());
        // From here on, timers up to the end of the window are taken in as they are set.
        let before = std::mem::replace(&mut self.horizon, until);
        let limit = i64::try_from(until.0).unwrap_or(i64::MAX);
        let reading = async move { store.timers(mine, limit, READ_MAX).await };
        ctx.spawn(reading.into_actor(self).map(move |rows, timer, ctx| {
            timer.reading = false;
            match rows {
                Ok(rows) => timer.take_in(rows),
                Err(error) => {
                    tracing::warn!(%error, "timers are not read yet");
                    timer.horizon = before;
                }
            }
            if std::mem::take(&mut timer.read_again) {
                timer.read(ctx);
            }
            timer.arm(ctx);
        }));
    }

    fn take_in(&mut self, rows: Vec<(String, String, i64)>) {
        let full = i64::try_from(rows.len()).is_ok_and(|found| found >= READ_MAX);
        if let Some((_, _, last)) = rows.last().filter(|_| full) {
            self.horizon = UnixMillis(u64::try_from(*last).unwrap_or(0));
        }
        for (tenant, run, at) in rows {
            if let (Ok(tenant), Ok(run)) = (TenantId::new(&tenant), TaskId::new(&run)) {
                // What was set meanwhile is newer than the row.
                if !self.runs.contains_key(&run) {
                    self.set(SetWake { tenant, run, at: Some(UnixMillis(u64::try_from(at).unwrap_or(0))) });
                }
            }
        }
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let now = UnixMillis::now();
        let next = self.order.first().map_or(self.horizon, |(at, _)| *at).min(now.saturating_add(SLEEP_MAX));
        if let Some((set_for, alarm)) = self.alarm.take() {
            if set_for <= next && set_for > now {
                self.alarm = Some((set_for, alarm));
                return;
            }
            ctx.cancel_future(alarm);
        }
        let alarm = ctx.run_later(next.since(now), |timer, ctx| {
            timer.alarm = None;
            timer.ring(ctx);
        });
        self.alarm = Some((next, alarm));
    }

    fn ring(&mut self, ctx: &mut Context<Self>) {
        let now = UnixMillis::now();
        while let Some((_, run)) = self.order.first().filter(|(at, _)| *at <= now).cloned() {
            let Some((at, tenant)) = self.runs.remove(&run) else { return };
            self.order.remove(&(at, run.clone()));
            let (kernel, waking) = (self.kernel.clone(), self.waking.clone());
            let waking = async move {
                let _turn = waking.acquire().await;
                // A run that is over needs no waking.
                let _over = kernel.deliver(&tenant, &run, Command::Wake).await;
            };
            ctx.spawn(waking.into_actor(self));
        }
        // Half a window before its end, so that nothing is late.
        if self.horizon.since(now) < WINDOW / 2 {
            self.read(ctx);
        }
        self.arm(ctx);
    }
}

impl Actor for Timer {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.read(ctx);
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

impl Handler<Reload> for Timer {
    type Result = ();

    fn handle(&mut self, _: Reload, ctx: &mut Self::Context) {
        self.read(ctx);
    }
}
