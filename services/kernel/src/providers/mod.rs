//! Who does the work of platform functions: one trait, one file per provider. A call that fails in passing is made again
//! with the same key, within the step's time; any other failure goes to the workflow at once.

mod arguments;
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

use crate::domain::command::{Reply, Run};
use crate::domain::definition::Function;
use crate::domain::effect::Call;
use crate::domain::fault::Fault;
use crate::store::KernelStore;

/// How long the first attempt may take; the step's own time bounds all of them. It is doubled after an attempt that took
/// all of it: an answer that was lost is missed soon, and slow work gets the time that it needs.
const ATTEMPT: Duration = Duration::from_secs(120);
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Does the work of some functions. The call's key makes doing it twice harmless.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Makes one attempt, which must end by `deadline`.
    async fn call(&self, run: &Run, call: &Call, deadline: UnixMillis) -> Result<Reply, Error>;
}

/// All providers.
pub struct Providers {
    router: router::Router,
    retrieval: retrieval::Retrieval,
    register: register::Register,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Providers").finish_non_exhaustive()
    }
}

impl Providers {
    /// The real ones.
    pub fn new(bus: &Bus, store: KernelStore) -> Self {
        Self {
            router: router::Router::new(bus.clone()),
            retrieval: retrieval::Retrieval::new(bus.clone()),
            register: register::Register::new(store),
        }
    }

    fn of(&self, function: Function) -> Option<&dyn Provider> {
        match function {
            Function::Read | Function::Extract | Function::Classify | Function::Generate | Function::Embed => {
                Some(&self.router)
            }
            Function::Retrieve => Some(&self.retrieval),
            Function::Register => Some(&self.register),
            // Answered at once; people and workers are asked by the domain.
            Function::Uuid | Function::Human | Function::Work => None,
        }
    }

    /// The reply to a call that needs nothing beyond this process, so that it takes no turn among the others.
    pub fn at_once(call: &Call) -> Option<Reply> {
        match call.function {
            Function::Uuid => Some(uuid::reply()),
            _ => None,
        }
    }

    /// Makes a call to its end.
    pub async fn perform(&self, run: &Run, call: &Call) -> Result<Reply, Fault> {
        let Some(provider) = self.of(call.function) else {
            let error = Error::new(ErrorCode::Internal, format!("{} has no provider", call.function.name()));
            return Err(Fault::from(&error));
        };
        let (mut attempt, mut pause) = (ATTEMPT, PAUSE_FIRST);
        let mut last = Error::new(ErrorCode::DeadlineExceeded, "the step's time was over before the call was made");
        loop {
            let now = UnixMillis::now();
            if now >= call.deadline_at {
                return Err(Fault::from(&last));
            }
            let deadline = now.saturating_add(attempt).min(call.deadline_at);
            match provider.call(run, call, deadline).await {
                Ok(reply) => return Ok(reply),
                Err(error) if is_passing(error.code) => {
                    tracing::info!(task.id = %run.id, step = %call.pointer, error.code = %error.code, %error, "a call is tried again");
                    metrics::counter!("orrery.kernel.call.retries").increment(1);
                    if UnixMillis::now() >= deadline {
                        attempt *= 2;
                    }
                    let wait = error.retry_after.unwrap_or(pause).min(call.deadline_at.since(UnixMillis::now()));
                    last = error;
                    tokio::time::sleep(wait.max(Duration::from_millis(10))).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(error) => return Err(Fault::from(&error)),
            }
        }
    }
}

/// Failures of the way to the provider, not of the call.
fn is_passing(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Unavailable | ErrorCode::Overloaded | ErrorCode::RateLimited | ErrorCode::DeadlineExceeded
    )
}
