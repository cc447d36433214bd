//! Makes the calls that committed moves ask for, a bounded number at a time and fairly across tenants, and brings their
//! results back to the runs. Calls that are lost with this actor are asked for again from the journal, under the same keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use orrery_supervise::ActorSpec;
use orrery_telemetry::STEP_DURATION;
use orrery_types::{TenantId, UnixMillis};
use tracing::Instrument as _;

use super::errands;
use crate::domain::command::{Command, Run};
use crate::domain::effect::{Call, Effect};
use crate::domain::fairness::{Lane, Next, Policy, Scheduler};
use crate::kernel::Kernel;

const MAILBOX: usize = 65_536;
const DRAIN: Duration = Duration::from_secs(1);

/// Does the effects of one move.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Perform {
    /// On whose behalf.
    pub run: Arc<Run>,
    /// What.
    pub effects: Vec<Effect>,
}

/// Tells another run something, and notes when that is done.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct RunErrand {
    /// Of both runs.
    pub tenant: TenantId,
    /// Under which it is stored.
    pub id: String,
    /// What.
    pub errand: Effect,
}

/// Goes by another policy from here on.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Adopt(pub Policy);

/// A call that is asked for.
struct Asked {
    run: Arc<Run>,
    call: Call,
    at: Instant,
}

/// Owns the calls under way and those that wait for a slot.
pub struct Executor {
    kernel: Arc<Kernel>,
    slots: Scheduler<String>,
    waiting: HashMap<String, Asked>,
    calls: HashMap<String, (Arc<Lane>, SpawnHandle)>,
}

/// The supervised executor.
pub fn spec(kernel: Arc<Kernel>) -> ActorSpec<Executor> {
    let fresh = move || Executor {
        kernel: kernel.clone(),
        slots: Scheduler::new(kernel.shares.calls()),
        waiting: HashMap::new(),
        calls: HashMap::new(),
    };
    ActorSpec::new("executor", fresh).mailbox(MAILBOX).drain_deadline(DRAIN)
}

impl Actor for Executor {
    type Context = Context<Self>;
}

impl Handler<Perform> for Executor {
    type Result = ();

    fn handle(&mut self, Perform { run, effects }: Perform, ctx: &mut Self::Context) {
        for effect in effects {
            match effect {
                Effect::Call(call) => self.call(run.clone(), call, ctx),
                Effect::CancelCall { key } => self.cancel(&key, ctx),
                Effect::AnnounceWork { queue } => self.kernel.announcer.announce(run.tenant.clone(), queue),
                // The others go elsewhere: into the outbox, to other runs, or back to this one.
                Effect::Publish(_)
                | Effect::Continue
                | Effect::StartChild(_)
                | Effect::CancelChild { .. }
                | Effect::NotifyParent { .. } => {}
            }
        }
    }
}

impl Handler<RunErrand> for Executor {
    type Result = ();

    fn handle(&mut self, RunErrand { tenant, id, errand }: RunErrand, ctx: &mut Self::Context) {
        ctx.spawn(errands::run(self.kernel.clone(), tenant, id, errand).into_actor(self));
    }
}

impl Handler<Adopt> for Executor {
    type Result = ();

    fn handle(&mut self, Adopt(policy): Adopt, ctx: &mut Self::Context) {
        self.slots.adopt(policy);
        self.make_ready(ctx);
    }
}

fn lane(run: &Run) -> Lane {
    Lane { tenant: run.tenant.to_string(), definition: run.workflow.1.clone(), queue: String::new() }
}

impl Executor {
    /// Makes a call when a slot is free, or lets it wait for its turn.
    fn call(&mut self, run: Arc<Run>, call: Call, ctx: &mut Context<Self>) {
        if self.calls.contains_key(&call.key) || self.waiting.contains_key(&call.key) {
            return;
        }
        let (lane, now) = (lane(&run), UnixMillis::now());
        let asked = Asked { run, call, at: Instant::now() };
        if self.slots.try_take(&lane, now) {
            self.make(Arc::new(lane), asked, ctx);
        } else {
            self.slots.push(asked.call.key.clone(), &lane, asked.run.priority, now);
            self.waiting.insert(asked.call.key.clone(), asked);
        }
        metrics::gauge!("orrery.kernel.calls.waiting").set(self.waiting.len() as f64);
    }

    fn cancel(&mut self, key: &String, ctx: &mut Context<Self>) {
        if self.waiting.remove(key).is_some() {
            self.slots.remove(key);
        } else if let Some((lane, call)) = self.calls.remove(key) {
            // Dropping the call cancels it upstream.
            ctx.cancel_future(call);
            self.release(&lane, ctx);
        }
    }

    fn release(&mut self, lane: &Lane, ctx: &mut Context<Self>) {
        self.slots.release(lane);
        self.make_ready(ctx);
    }

    /// Makes the calls whose turn it is.
    fn make_ready(&mut self, ctx: &mut Context<Self>) {
        while let Next::Ready(key, lane) = self.slots.next(UnixMillis::now()) {
            match self.waiting.remove(&key) {
                Some(asked) => self.make(lane, asked, ctx),
                None => self.slots.release(&lane),
            }
        }
    }

    fn make(&mut self, lane: Arc<Lane>, asked: Asked, ctx: &mut Context<Self>) {
        let Asked { run, call, at: began } = asked;
        let kernel = self.kernel.clone();
        let (tenant, id) = (run.tenant.clone(), run.id.clone());
        let key = call.key.clone();
        let done = key.clone();
        let span = tracing::info_span!("kernel.call", task.id = %run.id, step = %call.pointer);
        // The request that started the run has long been answered; its trace goes on here.
        orrery_telemetry::extract_http(&run.traceparent, "", &span);
        let calling = async move { kernel.providers.perform(&run, &call).await }.instrument(span);
        let handle = ctx.spawn(calling.into_actor(self).map(move |outcome, executor, ctx| {
            if let Some((lane, _)) = executor.calls.remove(&done) {
                executor.release(&lane, ctx);
            }
            let kernel = executor.kernel.clone();
            let finish = Command::FinishCall { key: done, outcome };
            let delivering = async move {
                // A result that nobody waits for any more is of an attempt that is over.
                let _stale = kernel.deliver(&tenant, &id, finish).await;
                // From the commit that asked for the call to the commit of what came of it.
                metrics::histogram!(STEP_DURATION).record(began.elapsed().as_secs_f64());
            };
            ctx.spawn(delivering.into_actor(executor));
        }));
        self.calls.insert(key, (lane, handle));
        metrics::gauge!("orrery.kernel.calls").set(self.calls.len() as f64);
    }
}
