//! Workers outside: leases, heartbeats, results. Each refusal says which it is in `detail.refusal`, so that a worker can tell
//! what to do without reading the message.

use std::sync::Arc;
use std::time::Duration;

use orrery_bus::WORK_ACK_WAIT;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    CompleteWorkReply, CompleteWorkRequest, FailWorkReply, FailWorkRequest, HeartbeatWorkReply, HeartbeatWorkRequest,
    LeaseWorkReply, LeaseWorkRequest, OpenWorkReply, OpenWorkRequest, Work as Lease, WorkError,
};
use orrery_types::{TaskId, TenantId, UnixMillis};
use serde_json::{Value, json};

use super::Api;
use super::work_content::PART_BYTES_MAX;
use crate::bus::convert;
use crate::domain::command::{Command, Reject};
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{Activity, State};
use crate::domain::work::{self, Stage, Work};
use crate::error::ActError;
use crate::kernel::Acted;
use crate::leases::{AT_LIMIT, Place};
use crate::store::{Beat, Held, WorkRow, work_status};

/// Largest input or result in a message; what is larger goes in parts.
pub(super) const INLINE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest details of a heartbeat.
const DETAILS_BYTES_MAX: usize = 64 * 1024;
/// What a worker may say of an error.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// Rows that a lease looks at beside those that other leases are taking.
const ROWS: usize = 8;
/// A worker asks again after this when others were faster.
const CONTENDED: Duration = Duration::from_millis(50);
/// Longer than giving a step to a worker may take, wherever its run is.
const HOLD: Duration = Duration::from_secs(120);

pub(super) fn refusal(code: ErrorCode, kind: &str, message: impl Into<String>) -> Error {
    Error::new(code, message).detail(json!({ "refusal": kind }))
}

pub(super) fn unknown() -> Error {
    refusal(ErrorCode::NotFound, "unknown_attempt", "no attempt of any step of this tenant has this key and token")
}

/// Why an attempt that is not under way is refused.
pub(super) fn closed(row: &WorkRow, token: &str) -> Error {
    let late = "this attempt is over: its time ran out or it failed; another may be under way";
    let Some(attempt) = work::attempt_of(token) else { return unknown() };
    if row.token != token {
        let was = i64::from(attempt) < row.attempt;
        return if was { refusal(ErrorCode::FailedPrecondition, "late", late) } else { unknown() };
    }
    match row.status.as_str() {
        work_status::COMPLETED => {
            refusal(ErrorCode::Conflict, "duplicate", "this attempt has completed the step already; its result stands")
        }
        work_status::WITHDRAWN => refusal(ErrorCode::Cancelled, "cancelled", "nobody wants the result any more"),
        _ => refusal(ErrorCode::FailedPrecondition, "late", late),
    }
}

fn work_in<'a>(state: &'a State, key: &str) -> Option<(&'a str, &'a Work)> {
    state.frames.values().find_map(|frame| match &frame.activity {
        Activity::Work { work } if work.key == key => Some((&*frame.pointer, &**work)),
        _ => None,
    })
}

fn lease(state: &State, row: &WorkRow) -> Option<Lease> {
    let (pointer, work) = work_in(state, &row.key)?;
    let run = &state.run;
    Some(Lease {
        key: work.key.clone(),
        token: work::token(run.seed, &work.key, work.attempt),
        attempt: work.attempt,
        task_id: run.id.to_string(),
        workflow: format!("{}:{}", run.workflow.1, run.workflow.2),
        pointer: pointer.to_owned(),
        queue: work.queue.clone(),
        priority: work.priority,
        input_json: work.input.to_string(),
        input_content: None,
        heartbeat_details_json: row.details.clone(),
        scheduled_at_ms: work.scheduled_at.0,
        close_at_ms: work.close_at().map_or(0, |at| at.0),
        heartbeat_ms: work.timeouts.heartbeat_ms.unwrap_or(0),
        traceparent: run.traceparent.clone(),
    })
}

fn fault(error: Option<WorkError>) -> Result<Fault, Error> {
    let error = error.unwrap_or_default();
    if error.r#type.len() + error.title.len() + error.detail.len() > ERROR_BYTES_MAX {
        let message = format!("the error is longer than {ERROR_BYTES_MAX} bytes");
        return Err(refusal(ErrorCode::PayloadTooLarge, "too_large", message));
    }
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let standard = Fault::new(Standard::Runtime, "the worker gave no reason");
    Ok(Fault {
        kind: some(error.r#type).unwrap_or(standard.kind),
        status: if error.status == 0 { standard.status } else { u64::from(error.status) },
        title: some(error.title),
        detail: some(error.detail).or(standard.detail),
        instance: None,
    })
}

fn queue_name(queue: &str) -> Result<(), Error> {
    // Queues are named as other things are.
    TaskId::new(queue).map(drop).map_err(|error| convert::invalid(error.to_string().replace("task id", "task queue")))
}

impl Api {
    pub(super) async fn open_work(self, tenant: TenantId, request: OpenWorkRequest) -> Result<OpenWorkReply, Error> {
        queue_name(&request.queue)?;
        let queue = self.kernel.bus.open_work(&tenant, &request.queue).await?;
        let payload = self.kernel.bus.client().server_info().max_payload;
        Ok(OpenWorkReply {
            stream: queue.stream,
            consumer: queue.consumer,
            ack_wait_ms: u64::try_from(WORK_ACK_WAIT.as_millis()).unwrap_or(u64::MAX),
            payload_bytes_max: payload as u64,
            result_bytes_max: INLINE_BYTES_MAX as u64,
            content_bytes_max: work::CONTENT_BYTES_MAX as u64,
            part_bytes_max: PART_BYTES_MAX as u64,
        })
    }

    /// Takes the step whose turn it is. Several workers may ask at once, here and at other kernels: whoever loses a step to
    /// another tries the next.
    pub(super) async fn lease_work(self, tenant: TenantId, request: LeaseWorkRequest) -> Result<LeaseWorkReply, Error> {
        queue_name(&request.queue)?;
        let kernel = &self.kernel;
        let later = |after: Duration| LeaseWorkReply {
            work: None,
            retry_after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
        };
        let taking = kernel.leases.taking(&tenant, &request.queue);
        let limit = i64::try_from(ROWS.saturating_add(taking)).unwrap_or(i64::MAX);
        let rows = kernel.store.queued_work(tenant.to_string(), request.queue.clone(), limit).await?;
        if rows.is_empty() {
            return Ok(LeaseWorkReply::default());
        }
        for row in rows {
            let _taking = match kernel.leases.enter(&tenant, &request.queue, &row.key) {
                Place::Free(taking) => taking,
                Place::Taken => continue,
                Place::Limited => return Ok(later(AT_LIMIT)),
            };
            let limited = kernel.leases.max(&request.queue);
            if let Some(most) = limited {
                match self.hold_place(&row, most).await? {
                    Held::Yes => {}
                    Held::Taken => continue,
                    Held::Full => return Ok(later(AT_LIMIT)),
                }
            }
            let run = TaskId::new(&row.run_id).map_err(|error| convert::invalid(error.to_string()))?;
            let attempt = u32::try_from(row.attempt).unwrap_or(0);
            let command = Command::StartWork { key: row.key.clone(), attempt, worker: request.worker.clone() };
            let acted = kernel.act(&tenant, &run, command).await;
            // Of a start that failed it is not known whether it was made: its place stays taken for a while.
            if limited.is_some() && !matches!(acted, Err(ActError::Failed(_))) {
                kernel.store.let_work_go(row.key.clone()).await?;
            }
            match acted {
                Ok(acted) => {
                    let state = self.state(acted, &tenant, &run).await?;
                    let work = match lease(&state, &row) {
                        Some(work) => Some(self.fit(&tenant, &run, work).await?),
                        None => None,
                    };
                    return Ok(LeaseWorkReply { work, retry_after_ms: 0 });
                }
                Err(ActError::Rejected(Reject::Stale | Reject::Over) | ActError::Unknown) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(later(CONTENDED))
    }

    /// Holds a step of a queue whose workers may hold so many.
    async fn hold_place(&self, row: &WorkRow, most: u32) -> Result<Held, Error> {
        let now = UnixMillis::now();
        let ms = |at: UnixMillis| i64::try_from(at.0).unwrap_or(i64::MAX);
        let times = (ms(now), ms(now.saturating_add(HOLD)));
        let queue = (row.tenant.clone(), row.queue.clone());
        Ok(self.kernel.store.hold_work(queue, row.key.clone(), most, times).await?)
    }

    /// The state after a command, wherever it was acted on.
    async fn state(&self, acted: Acted, tenant: &TenantId, run: &TaskId) -> Result<Arc<State>, ActError> {
        match acted {
            Acted::Here(state) => Ok(state),
            Acted::There => self.kernel.load(tenant, run).await?.map(|(state, _)| state).ok_or(ActError::Unknown),
        }
    }

    pub(super) async fn work_row(&self, tenant: &TenantId, key: &str) -> Result<(WorkRow, TaskId), Error> {
        let row = self.kernel.store.work(tenant.to_string(), key.to_owned()).await?.ok_or_else(unknown)?;
        let run = TaskId::new(&row.run_id).map_err(|error| convert::invalid(error.to_string()))?;
        Ok((row, run))
    }

    pub(super) async fn heartbeat_work(
        self,
        tenant: TenantId,
        request: HeartbeatWorkRequest,
    ) -> Result<HeartbeatWorkReply, Error> {
        if request.details_json.len() > DETAILS_BYTES_MAX {
            let message = format!("the details are longer than {DETAILS_BYTES_MAX} bytes");
            return Err(refusal(ErrorCode::PayloadTooLarge, "too_large", message));
        }
        if !request.details_json.is_empty() && serde_json::from_str::<Value>(&request.details_json).is_err() {
            return Err(convert::invalid("the details are not JSON"));
        }
        let (row, run) = self.work_row(&tenant, &request.key).await?;
        if row.token == request.token && row.status == work_status::WITHDRAWN {
            return Ok(HeartbeatWorkReply { cancelled: true });
        }
        if row.token != request.token || row.status != work_status::STARTED {
            return Err(closed(&row, &request.token));
        }
        let details = Some(request.details_json).filter(|details| !details.is_empty());
        let beat = Beat { key: row.key.clone(), token: row.token.clone(), details };
        if beat.details.is_some() {
            self.kernel.heartbeats.keep(beat).await?;
        }
        // The run hears of it in time, and not more often than it has to.
        let silent = i64::try_from(UnixMillis::now().0).unwrap_or(i64::MAX).saturating_sub(row.beat_ms);
        if row.heartbeat_ms > 0 && silent >= row.heartbeat_ms / 2 {
            let command = Command::BeatWork { key: row.key.clone(), token: request.token.clone() };
            if let Err(error) = self.kernel.act(&tenant, &run, command).await {
                return match self.refused(&tenant, &row.key, &request.token, error).await {
                    error if error.code == ErrorCode::Cancelled => Ok(HeartbeatWorkReply { cancelled: true }),
                    error => Err(error),
                };
            }
        }
        Ok(HeartbeatWorkReply { cancelled: false })
    }

    pub(super) async fn complete_work(
        self,
        tenant: TenantId,
        request: CompleteWorkRequest,
    ) -> Result<CompleteWorkReply, Error> {
        let (row, run) = self.work_row(&tenant, &request.key).await?;
        let output = self.output(&tenant, &row, &request).await?;
        let command = Command::CompleteWork { key: row.key.clone(), token: request.token.clone(), output };
        match self.kernel.act(&tenant, &run, command).await {
            Ok(_) => Ok(CompleteWorkReply {}),
            Err(error) => Err(self.refused(&tenant, &row.key, &request.token, error).await),
        }
    }

    pub(super) async fn fail_work(self, tenant: TenantId, request: FailWorkRequest) -> Result<FailWorkReply, Error> {
        let (row, run) = self.work_row(&tenant, &request.key).await?;
        let command = Command::FailWork {
            key: row.key.clone(),
            token: request.token.clone(),
            error: fault(request.error)?,
            retryable: !request.non_retryable,
        };
        match self.kernel.act(&tenant, &run, command).await {
            Ok(acted) => {
                let state = self.state(acted, &tenant, &run).await?;
                let until = work_in(&state, &row.key).and_then(|(_, work)| match work.stage {
                    Stage::Backoff { until } => Some(until.0),
                    _ => None,
                });
                Ok(FailWorkReply { retry_at_ms: until.unwrap_or(0) })
            }
            Err(error) => Err(self.refused(&tenant, &row.key, &request.token, error).await),
        }
    }

    /// A refusal of the run, said in terms of the attempt.
    async fn refused(&self, tenant: &TenantId, key: &str, token: &str, error: ActError) -> Error {
        match error {
            ActError::Rejected(Reject::UnknownAttempt) => unknown(),
            ActError::Rejected(Reject::Unfit(why)) => refusal(ErrorCode::InvalidRequest, "schema", why),
            ActError::Rejected(Reject::Stale | Reject::Over) | ActError::Unknown => {
                match self.work_row(tenant, key).await {
                    Ok((row, _)) => closed(&row, token),
                    Err(error) => error,
                }
            }
            error => error.into(),
        }
    }
}
