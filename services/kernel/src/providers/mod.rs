//! Who does the work of calls: one trait, one file per provider. A call that fails in passing is made again with the same
//! key, within the step's time; any other failure goes to the workflow at once.

mod arguments;
mod failure;
mod outside;
mod register;
mod retrieval;
mod router;
mod uuid;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use orrery_bus::Bus;
use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;

use crate::config::KernelConfig;
use crate::domain::command::{Reply, Run};
use crate::domain::definition::{Function, Target};
use crate::domain::effect::Call;
use crate::domain::fault::Fault;
use crate::store::KernelStore;

pub use failure::{Again, Failure};
pub use outside::{NetworkConfig, OutwardCalls, SandboxConfig, SecretsConfig};

/// How long the first attempt may take; the step's own time bounds all of them. It is doubled after an attempt that took
/// all of it: an answer that was lost is missed soon, and slow work gets the time that it needs.
const ATTEMPT: Duration = Duration::from_secs(120);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Attempts at what is outside: whether it comes back is the workflow's own `retry` to wait for.
const ATTEMPTS_BRIEFLY: u32 = 3;

/// Does the work of some functions. The call's key makes doing it twice harmless.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Makes one attempt, which must end by `deadline`.
    async fn call(&self, run: &Run, call: &Call, deadline: UnixMillis) -> Result<Reply, Failure>;
}

/// All providers.
pub struct Providers {
    router: router::Router,
    retrieval: retrieval::Retrieval,
    register: register::Register,
    outside: OutwardCalls,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers").finish_non_exhaustive()
    }
}

impl Providers {
    /// The real ones.
    pub fn new(bus: &Bus, store: KernelStore, config: &KernelConfig) -> Result<Self, Error> {
        Ok(Self {
            router: router::Router::new(bus.clone()),
            retrieval: retrieval::Retrieval::new(bus.clone()),
            register: register::Register::new(store),
            outside: OutwardCalls::new(config)?,
        })
    }

    fn of(&self, target: Target) -> Option<&dyn Provider> {
        let function = match target {
            Target::Platform(function) => function,
            Target::Outward(_) => return Some(&self.outside),
        };
        match function {
            Function::Read | Function::Extract | Function::Classify | Function::Generate | Function::Embed => {
                Some(&self.router)
            }
            Function::Retrieve => Some(&self.retrieval),
            Function::Register => Some(&self.register),
            // Answered at once; the others are the domain's own: people, workers, signals, other runs, what a run is found by.
            Function::Uuid
            | Function::Human
            | Function::Work
            | Function::Signal
            | Function::Map
            | Function::Attributes => None,
        }
    }

    /// Who makes the calls that leave the platform.
    pub fn outside(&self) -> &OutwardCalls {
        &self.outside
    }

    /// The reply to a call that needs nothing beyond this process, so that it takes no turn among the others.
    pub fn at_once(call: &Call) -> Option<Reply> {
        match call.function {
            Target::Platform(Function::Uuid) => Some(uuid::reply()),
            _ => None,
        }
    }

    /// Makes a call to its end.
    pub async fn perform(&self, run: &Run, call: &Call) -> Result<Reply, Fault> {
        let Some(provider) = self.of(call.function) else {
            let error = Error::new(ErrorCode::Internal, format!("{} has no provider", call.function.name()));
            return Err(Fault::from(&error));
        };
        perform(provider, run, call).await
    }
}

/// Makes a call to its end: again while its failure is one in passing.
pub async fn perform(provider: &dyn Provider, run: &Run, call: &Call) -> Result<Reply, Fault> {
    let (mut attempt, mut pause, mut made) = (ATTEMPT, PAUSE_FIRST, 0);
    let late = Error::new(ErrorCode::DeadlineExceeded, "the step's time was over before the call was made");
    let mut last = Fault::from(&late);
    loop {
        let now = UnixMillis::now();
        if now >= call.deadline_at {
            return Err(last);
        }
        let deadline = now.saturating_add(attempt).min(call.deadline_at);
        let Failure { fault, again } = match provider.call(run, call, deadline).await {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure,
        };
        made += 1;
        let wanted = match again {
            Again::Never => return Err(fault),
            Again::Briefly if made >= ATTEMPTS_BRIEFLY => return Err(fault),
            Again::Briefly => None,
            Again::UntilDeadline(wanted) => wanted,
        };
        let (code, detail) = (fault.code(), fault.detail.as_deref().unwrap_or_default());
        tracing::info!(task.id = %run.id, step = %call.pointer, error.code = code, detail, "a call is tried again");
        metrics::counter!("orrery.kernel.call.retries").increment(1);
        if UnixMillis::now() >= deadline {
            attempt *= 2;
        }
        let wait = wanted.unwrap_or(pause).min(call.deadline_at.since(UnixMillis::now()));
        last = fault;
        tokio::time::sleep(wait.max(Duration::from_millis(10))).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
