//! Batches: one operation on every task that a filter meets.

use std::collections::HashMap;

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::{Verb, verbs};
use orrery_proto::v1::{
    Batch, ControlBatchRequest, CreateBatchRequest, GetBatchRequest, ListBatchesRequest, ListTasksRequest,
};
use orrery_types::BatchId;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::task_batch_view::{BatchView, operation, states};
use super::task_view::statuses;
use super::tasks::{bound, idempotency_key};
use crate::http::answer::Page;
use crate::http::{Answer, Call, Failure, Gateway, body, call};

/// What to do with many tasks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// `retry`, `cancel`, `terminate`, `signal`, `reset` or `migrate`.
    operation: String,
    /// Which tasks; it names something.
    filter: BatchFilter,
    /// Tasks a second, 0.01 to 1,000; 10 when left out.
    rate: Option<f64>,
    /// For the record of each task.
    #[serde(default)]
    reason: String,
    /// Of a reset: the step, for example `/do/2/pay`.
    #[serde(default)]
    pointer: String,
    /// Of a reset: which of the step's visits, from 0; left out: the last.
    iteration: Option<u32>,
    /// Of a signal: its name.
    #[serde(default)]
    signal: String,
    /// Of a signal: what it says; null when left out.
    payload: Option<Value>,
    /// Of a migration: `name:version` or `name@sha256:…`.
    #[serde(default)]
    workflow: String,
    /// Only tell how many tasks it would meet.
    #[serde(default)]
    dry_run: bool,
}

/// Which tasks; all that is given must fit.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BatchFilter {
    /// Any of these; left out: all that the operation is for.
    status: Vec<String>,
    workflow: String,
    version: String,
    submitted_by: String,
    /// RFC 3339, as the three below: started then or later.
    created_from: Option<String>,
    /// Started before.
    created_before: Option<String>,
    /// Over then or later.
    finished_from: Option<String>,
    /// Over before.
    finished_before: Option<String>,
    attributes: HashMap<String, String>,
    /// The code of the error of a faulted task.
    error: String,
}

impl BatchFilter {
    fn into_request(self) -> Result<ListTasksRequest, Failure> {
        Ok(ListTasksRequest {
            statuses: statuses(&self.status.join(","))?,
            workflow: self.workflow,
            version: self.version,
            submitted_by: self.submitted_by,
            created_from_ms: bound("created_from", self.created_from.as_deref())?,
            created_before_ms: bound("created_before", self.created_before.as_deref())?,
            finished_from_ms: bound("finished_from", self.finished_from.as_deref())?,
            finished_before_ms: bound("finished_before", self.finished_before.as_deref())?,
            attributes: self.attributes,
            error_code: self.error,
            ..ListTasksRequest::default()
        })
    }
}

/// Which batches.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BatchesFilter {
    /// `running`, `paused`, `cancelled`, `finished`; several separated by commas.
    state: Option<String>,
    /// 1 to 500; 50 when left out.
    limit: Option<u32>,
    /// From the page before.
    cursor: Option<String>,
}

/// Does one operation, at a rate, on every task that meets the filter now; tasks that start later are not meant.
///
/// What is begun anew waits for its turn like any other task. With an `Idempotency-Key` the same request makes one batch.
#[utoipa::path(post, path = "/v1/task-batches", tag = "task-batches",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible characters")),
    request_body = BatchRequest, responses((status = 201, body = BatchView),
        (status = 200, description = "a dry run, or made before by the same key", body = BatchView)))]
pub async fn create(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let key = idempotency_key(&request)?;
    let wanted: BatchRequest = body::json(&gateway, &request, payload).await?;
    let create = CreateBatchRequest {
        caller: call.caller(),
        operation: operation(&wanted.operation)?.into(),
        filter: Some(wanted.filter.into_request()?),
        rate: rate(wanted.rate)?,
        reason: wanted.reason,
        pointer: wanted.pointer,
        iteration: wanted.iteration,
        signal: wanted.signal,
        payload_json: wanted.payload.map(|payload| payload.to_string()).unwrap_or_default(),
        workflow: wanted.workflow,
        dry_run: wanted.dry_run,
        idempotency_key: key.unwrap_or_default(),
    };
    let batch = gateway.bus.call(verbs::kernel::BATCH_CREATE, &call.context(), &create).await?;
    if batch.id.is_empty() || batch.duplicate {
        return Ok(HttpResponse::Ok().json(BatchView::from(batch)));
    }
    let location = (LOCATION, format!("/v1/task-batches/{}", batch.id));
    Ok(HttpResponse::Created().insert_header(location).json(BatchView::from(batch)))
}

/// Zero is how the bus says that none was given.
fn rate(asked: Option<f64>) -> Result<f64, Failure> {
    match asked {
        Some(0.0) => Err(Failure::param("rate", "the rate is 0: choose 0.01 to 1000 tasks a second")),
        asked => Ok(asked.unwrap_or_default()),
    }
}

/// Batches of the tenant, newest first.
#[utoipa::path(get, path = "/v1/task-batches", tag = "task-batches", params(BatchesFilter),
    responses((status = 200, body = Page<BatchView>)))]
pub async fn list(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let filter: BatchesFilter = call::query(&request)?;
    let list = ListBatchesRequest {
        caller: call.caller(),
        states: states(filter.state.as_deref().unwrap_or_default())?,
        limit: filter.limit.unwrap_or(0),
        cursor: filter.cursor.unwrap_or_default(),
    };
    let reply = gateway.bus.call(verbs::kernel::BATCHES, &call.context(), &list).await?;
    let batches = reply.batches.into_iter().map(BatchView::from).collect();
    Ok(HttpResponse::Ok().json(Page::with_cursor(batches, reply.next_cursor)))
}

fn batch_id(request: &HttpRequest) -> Result<String, Failure> {
    let id = request.match_info().get("id").unwrap_or_default();
    let checked = BatchId::new(id).map_err(|error| Failure::param("id", error.to_string()))?;
    Ok(checked.to_string())
}

/// One batch: how far it is, and the first tasks that it could not do, with reasons.
#[utoipa::path(get, path = "/v1/task-batches/{id}", tag = "task-batches", params(("id" = String, Path)),
    responses((status = 200, body = BatchView)))]
pub async fn get(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let get = GetBatchRequest { caller: call.caller(), batch_id: batch_id(&request)? };
    let batch = gateway.bus.call(verbs::kernel::BATCH, &call.context(), &get).await?;
    Ok(HttpResponse::Ok().json(BatchView::from(batch)))
}

async fn control(
    gateway: &Gateway,
    call: &Call,
    request: &HttpRequest,
    verb: Verb<ControlBatchRequest, Batch>,
) -> Answer {
    let control = ControlBatchRequest { caller: call.caller(), batch_id: batch_id(request)? };
    let batch = gateway.bus.call(verb, &call.context(), &control).await?;
    Ok(HttpResponse::Ok().json(BatchView::from(batch)))
}

/// Begins nothing more until it is resumed.
#[utoipa::path(post, path = "/v1/task-batches/{id}/pause", tag = "task-batches", params(("id" = String, Path)),
    responses((status = 200, body = BatchView)))]
pub async fn pause(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    control(&gateway, &call, &request, verbs::kernel::BATCH_PAUSE).await
}

/// Goes on with a batch.
#[utoipa::path(post, path = "/v1/task-batches/{id}/resume", tag = "task-batches", params(("id" = String, Path)),
    responses((status = 200, body = BatchView)))]
pub async fn resume(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    control(&gateway, &call, &request, verbs::kernel::BATCH_RESUME).await
}

/// Ends a batch; what it has done stays done.
#[utoipa::path(post, path = "/v1/task-batches/{id}/cancel", tag = "task-batches", params(("id" = String, Path)),
    responses((status = 200, body = BatchView)))]
pub async fn cancel(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    control(&gateway, &call, &request, verbs::kernel::BATCH_CANCEL).await
}
