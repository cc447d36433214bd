//! Makes the calls that committed moves ask for, a bounded number at a time, and brings their results back to the runs.
//! Calls that are lost with this actor are asked for again from the journal, under the same keys.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use orrery_supervise::ActorSpec;
use orrery_telemetry::STEP_DURATION;
use orrery_types::TenantId;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::errands;
use crate::domain::command::{Command, Run};
use crate::domain::effect::{Call, Effect};
use crate::kernel::Kernel;

/// Calls at the same time. Who runs the models queues them; this bounds what one kernel asks for.
const CALLS_MAX: usize = 64;
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

/// Owns the calls under way.
pub struct Executor {
    kernel: Arc<Kernel>,
    slots: Arc<Semaphore>,
    calls: HashMap<String, SpawnHandle>,
}

/// The supervised executor.
pub fn spec(kernel: Arc<Kernel>) -> ActorSpec<Executor> {
    let fresh =
        move || Executor { kernel: kernel.clone(), slots: Arc::new(Semaphore::new(CALLS_MAX)), calls: HashMap::new() };
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
                Effect::CancelCall { key } => {
                    if let Some(call) = self.calls.remove(&key) {
                        // Dropping the call cancels it upstream.
                        ctx.cancel_future(call);
                    }
                }
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

impl Executor {
    fn call(&mut self, run: Arc<Run>, call: Call, ctx: &mut Context<Self>) {
        if self.calls.contains_key(&call.key) {
            return;
        }
        let (kernel, slots) = (self.kernel.clone(), self.slots.clone());
        let key = call.key.clone();
        let done = key.clone();
        let span = tracing::info_span!("kernel.call", task.id = %run.id, step = %call.pointer);
        // The request that started the run has long been answered; its trace goes on here.
        orrery_telemetry::extract_http(&run.traceparent, "", &span);
        let began = std::time::Instant::now();
        let calling = async move {
            let outcome = {
                let _slot = slots.acquire().await;
                kernel.providers.perform(&run, &call).await
            };
            let finish = Command::FinishCall { key: call.key, outcome };
            // A result that nobody waits for any more is of an attempt that is over.
            let _stale = kernel.deliver(&run.tenant, &run.id, finish).await;
            // From the commit that asked for the call to the commit of what came of it.
            metrics::histogram!(STEP_DURATION).record(began.elapsed().as_secs_f64());
        };
        let handle = ctx.spawn(calling.instrument(span).into_actor(self).map(move |(), executor, _| {
            executor.calls.remove(&done);
        }));
        self.calls.insert(key, handle);
        metrics::gauge!("orrery.kernel.calls").set(self.calls.len() as f64);
    }
}
