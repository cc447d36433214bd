//! The worker that does the steps of batches, for every tenant that has some under way. It asks for steps: soon after
//! something was done or begun, and more and more seldom while there is nothing.

use std::sync::Arc;
use std::time::Duration;

use orrery_bus::{CallContext, MODEL_BATCHES, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{CompleteWorkRequest, FailWorkRequest, HeartbeatWorkRequest, LeaseWorkRequest, Work, WorkError};
use orrery_supervise::TaskSpec;
use orrery_types::TenantId;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::finish::{Why, finish};
use super::run::{Stops, run};
use super::settle::settle;
use super::validate::validate;
use crate::http::Gateway;

/// Steps that this process does at once.
const STEPS_MAX: usize = 8;
/// Between two questions for steps: at first, and at most.
const SOON: Duration = Duration::from_millis(50);
const LATE: Duration = Duration::from_secs(1);
/// After the kernel or the database did not answer.
const AWAY: Duration = Duration::from_secs(3);
const SWEEP: Duration = Duration::from_secs(20);
/// Calls to the kernel.
const PATIENCE: Duration = Duration::from_secs(10);
/// Less than half of what the workflow allows.
const BEAT: Duration = Duration::from_secs(10);
/// How long the result of a step is offered to a kernel that is away.
const OFFERED: Duration = Duration::from_secs(120);
const OFFER_AGAIN: Duration = Duration::from_secs(1);
/// Time for lines under way to be answered when the process goes down.
const DRAIN: Duration = Duration::from_secs(10);

/// What the workflow asks for.
#[derive(Debug, Deserialize)]
struct Asked {
    batch: String,
    step: Step,
    #[serde(default)]
    part: i64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Step {
    Validate,
    Run,
    Finish,
}

/// Under supervision.
pub fn worker(gateway: Arc<Gateway>) -> TaskSpec {
    let places = Arc::new(Semaphore::new(gateway.config.batch_lines_max));
    TaskSpec::new("batches", move |task| {
        let (gateway, places) = (gateway.clone(), places.clone());
        async move {
            let down = CancellationToken::new();
            let mut steps = JoinSet::new();
            tokio::select! {
                () = task.draining() => {}
                () = lease(&gateway, &places, &down, &mut steps) => {}
                () = sweep(&gateway) => {}
            }
            down.cancel();
            while steps.join_next().await.is_some() {}
            Ok::<(), Error>(())
        }
    })
    .drain_deadline(DRAIN)
}

async fn sweep(gateway: &Gateway) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = settle(gateway).await {
            tracing::warn!(%error, "batches and files were not looked after");
        }
    }
}

/// Takes steps and begins them, for as long as this is polled.
async fn lease(gateway: &Arc<Gateway>, places: &Arc<Semaphore>, down: &CancellationToken, steps: &mut JoinSet<()>) {
    let mut pause = SOON;
    loop {
        tokio::select! {
            Some(done) = steps.join_next() => {
                if let Err(error) = done {
                    tracing::error!(%error, "a step of a batch broke off; it is done again");
                }
                pause = SOON;
            }
            () = gateway.batches.begun.notified() => pause = SOON,
            () = tokio::time::sleep(pause), if steps.len() < STEPS_MAX => {
                let taken = match take(gateway, STEPS_MAX - steps.len()).await {
                    Ok(taken) => taken,
                    Err(error) => {
                        tracing::warn!(%error, "no steps of batches can be taken now");
                        pause = AWAY;
                        continue;
                    }
                };
                pause = if taken.is_empty() { (pause * 2).min(LATE) } else { SOON };
                for (tenant, work) in taken {
                    let (gateway, places, down) = (gateway.clone(), places.clone(), down.clone());
                    steps.spawn(async move { perform(&gateway, &places, &down, &tenant, work).await });
                }
            }
        }
    }
}

/// Takes at most one step of each tenant.
async fn take(gateway: &Gateway, most: usize) -> Result<Vec<(TenantId, Work)>, Error> {
    let mut taken = Vec::new();
    for tenant in gateway.batches.control.tenants_with_batches().await? {
        if taken.len() >= most {
            break;
        }
        let Ok(tenant) = TenantId::new(&tenant) else { continue };
        let request = LeaseWorkRequest { queue: MODEL_BATCHES.to_owned(), worker: "gateway".to_owned() };
        let context = CallContext::within(PATIENCE);
        match gateway.bus.call_as_worker(&tenant, verbs::worker::LEASE, &context, &request).await {
            Ok(reply) => taken.extend(reply.work.map(|work| (tenant, work))),
            // Of the others none would be answered either.
            Err(error) if taken.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    Ok(taken)
}

async fn perform(gateway: &Gateway, places: &Arc<Semaphore>, down: &CancellationToken, tenant: &TenantId, work: Work) {
    let stops = Stops { batch: CancellationToken::new(), process: down.clone() };
    let done = tokio::select! {
        done = step(gateway, places, &stops, tenant, &work) => done,
        never = beat(gateway, &stops.batch, tenant, &work) => match never {},
    };
    let told = match done {
        Ok(output) => {
            let complete = CompleteWorkRequest {
                key: work.key.clone(),
                token: work.token.clone(),
                output_json: output.to_string(),
                output_content: None,
            };
            offer(|context| {
                let complete = &complete;
                async move {
                    gateway.bus.call_as_worker(tenant, verbs::worker::COMPLETE, &context, complete).await.map(drop)
                }
            })
            .await
        }
        Err(error) => {
            tracing::warn!(%error, task.id = work.task_id, "a step of a batch was not done");
            let fail = FailWorkRequest {
                key: work.key.clone(),
                token: work.token.clone(),
                error: Some(WorkError {
                    title: error.code.as_str().to_owned(),
                    detail: error.message.clone(),
                    ..WorkError::default()
                }),
                non_retryable: matches!(
                    error.code,
                    ErrorCode::NotFound | ErrorCode::DataCorrupted | ErrorCode::Forbidden
                ),
            };
            offer(|context| {
                let fail = &fail;
                async move { gateway.bus.call_as_worker(tenant, verbs::worker::FAIL, &context, fail).await.map(drop) }
            })
            .await
        }
    };
    if let Err(error) = told {
        // The kernel has it done again, or wants it no more.
        tracing::warn!(%error, task.id = work.task_id, "the result of a step of a batch was not taken");
    }
}

/// Makes a call until the kernel answers it.
async fn offer<F: Future<Output = Result<(), Error>>>(call: impl Fn(CallContext) -> F) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        match call(CallContext::within(PATIENCE)).await {
            Err(error) if error.code.retryable() && begun.elapsed() < OFFERED => {
                tokio::time::sleep(error.retry_after.unwrap_or(OFFER_AGAIN)).await;
            }
            told => return told,
        }
    }
}

/// Shows life, and learns that nobody wants the step any more.
async fn beat(
    gateway: &Gateway,
    unwanted: &CancellationToken,
    tenant: &TenantId,
    work: &Work,
) -> std::convert::Infallible {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let request = HeartbeatWorkRequest { key: work.key.clone(), token: work.token.clone(), ..Default::default() };
        let context = CallContext::within(PATIENCE);
        match gateway.bus.call_as_worker(tenant, verbs::worker::HEARTBEAT, &context, &request).await {
            Ok(reply) if !reply.cancelled => {}
            Err(error) if error.code.retryable() => tracing::warn!(%error, "the kernel was not shown life"),
            // Cancelled, or another attempt is under way.
            Ok(_) | Err(_) => unwanted.cancel(),
        }
    }
}

async fn step(
    gateway: &Gateway,
    places: &Arc<Semaphore>,
    stops: &Stops,
    tenant: &TenantId,
    work: &Work,
) -> Result<Value, Error> {
    let asked: Asked = serde_json::from_str(&work.input_json)
        .map_err(|error| Error::new(ErrorCode::NotFound, format!("the step is not known here: {error}")))?;
    let row = gateway.batches.control.batch(tenant, &asked.batch).await?.ok_or_else(|| {
        Error::new(ErrorCode::NotFound, format!("there is no batch {:?} of this tenant", asked.batch))
    })?;
    if row.task_id.is_empty() {
        return Err(Error::new(ErrorCode::Unavailable, "it is not noted yet which task runs the batch"));
    }
    // Any workflow of the tenant can name this queue.
    if row.task_id != work.task_id {
        let message = format!("the batch {} is run by the task {}, not by this one", row.id, row.task_id);
        return Err(Error::new(ErrorCode::Forbidden, message));
    }
    let output = match asked.step {
        Step::Validate => json!({ "parts": validate(gateway, &row).await? }),
        Step::Run if !(0..row.parts).contains(&asked.part) => {
            return Err(Error::new(ErrorCode::NotFound, format!("the batch has no part {}", asked.part)));
        }
        Step::Run => {
            let tally = run(gateway, &row, asked.part, places, stops).await?;
            json!({ "completed": tally.completed, "failed": tally.failed })
        }
        Step::Finish => json!({ "batch": row.id, "status": finish(gateway, &row, Why::Done).await?.as_str() }),
    };
    Ok(output)
}
