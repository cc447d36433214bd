//! Batches of calls to models: made, looked at, cancelled. What runs them is in `crate::batches`.

use std::collections::BTreeMap;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_errors::{Error, ErrorCode};
use orrery_types::{BatchId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::files::kept_s;
use super::{ListObject, page, seconds};
use crate::domain::batch::{Endpoint, Status, window_s};
use crate::http::answer::{json, present};
use crate::http::{Answer, Call, Failure, Gateway, body, call};
use crate::models::Terms;
use crate::store::{BatchRow, Slice, integer};

/// What an input file is for.
const PURPOSE: &str = "batch";
const METADATA_MAX: usize = 16;
const METADATA_KEY_MAX: usize = 64;
const METADATA_VALUE_MAX: usize = 512;
const PAGE_MAX: u32 = 100;
const PAGE: u32 = 20;

/// A batch to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelBatchRequest {
    /// A file with the purpose `batch`: on each line `{custom_id, method: "POST", url, body}`.
    input_file_id: String,
    /// `/v1/chat/completions`, `/v1/completions`, `/v1/embeddings`, `/v1/responses` or `/v1/moderations`.
    endpoint: String,
    /// `24h`, or another number of `h`, `m` or `s`, up to 168 hours; what is not done by then is not done.
    completion_window: String,
    /// Up to 16 notes.
    metadata: Option<BTreeMap<String, String>>,
    /// How long the output and error files are kept; left out: until they are deleted.
    output_expires_after: Option<OutputExpiry>,
}

/// How long files are kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputExpiry {
    /// `created_at`.
    anchor: String,
    /// 3600 to 2592000.
    seconds: u64,
}

/// A batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelBatch {
    id: String,
    /// Always `batch`.
    object: &'static str,
    endpoint: String,
    /// What is wrong with the input, of a batch that failed.
    errors: Option<BatchFaults>,
    input_file_id: String,
    completion_window: String,
    /// `validating`, `failed`, `in_progress`, `finalizing`, `completed`, `expired`, `cancelling` or `cancelled`.
    status: String,
    output_file_id: Option<String>,
    error_file_id: Option<String>,
    created_at: u64,
    in_progress_at: Option<u64>,
    expires_at: Option<u64>,
    finalizing_at: Option<u64>,
    completed_at: Option<u64>,
    failed_at: Option<u64>,
    expired_at: Option<u64>,
    cancelling_at: Option<u64>,
    cancelled_at: Option<u64>,
    request_counts: RequestCounts,
    #[schema(value_type = Object)]
    metadata: Option<Value>,
    /// The task that runs it, for `/v1/tasks`.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
}

/// Faults of an input.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchFaults {
    /// Always `list`.
    object: &'static str,
    /// Each `{code, message, param, line}`, the first hundred.
    #[schema(value_type = Vec<Object>)]
    data: Value,
}

/// Lines of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestCounts {
    total: i64,
    completed: i64,
    failed: i64,
}

impl From<BatchRow> for ModelBatch {
    fn from(row: BatchRow) -> Self {
        let status = row.status();
        let finished = |as_this: Status| seconds(row.finished_ms).filter(|_| status == as_this);
        Self {
            object: "batch",
            errors: json(row.errors).map(|data| BatchFaults { object: "list", data }),
            status: row.status,
            output_file_id: present(row.output_file_id),
            error_file_id: present(row.error_file_id),
            created_at: seconds(row.created_ms).unwrap_or(0),
            in_progress_at: seconds(row.in_progress_ms),
            expires_at: seconds(row.expires_ms),
            finalizing_at: seconds(row.finalizing_ms),
            completed_at: finished(Status::Completed),
            failed_at: finished(Status::Failed),
            expired_at: finished(Status::Expired),
            cancelling_at: seconds(row.cancelling_ms),
            cancelled_at: finished(Status::Cancelled),
            request_counts: RequestCounts { total: row.total, completed: row.completed, failed: row.failed },
            metadata: json(row.metadata),
            task_id: present(row.task_id),
            id: row.id,
            endpoint: row.endpoint,
            input_file_id: row.input_file_id,
            completion_window: row.completion_window,
        }
    }
}

/// Which batches.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ModelBatchesFilter {
    /// 1 to 100; 20 when left out.
    limit: Option<u32>,
    /// The last batch of the page before.
    after: Option<String>,
}

/// Calls every request of a file within a time, at the priority `batch`.
///
/// The lines are called by the rights of the key that makes the batch, under its limits and policies, and on the terms that the
/// head of this request states: `Orrery-Data-Classes`, `Orrery-Purpose`, `Orrery-Cost-Max-Nanos` and `Orrery-Deadline-Ms` (of each
/// line; three minutes when left out), `Orrery-Session` and `Orrery-Cache`. A line that fails goes into the error file and ends nothing else.
#[utoipa::path(post, path = "/v1/batches", tag = "openai", request_body = ModelBatchRequest,
    responses((status = 200, body = ModelBatch)))]
pub async fn create(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: ModelBatchRequest = body::json(&gateway, &request, payload).await?;
    let terms = Terms::read(&gateway, &request)?.in_batch(&call);
    let row = row(&call, &terms, wanted)?;
    let file = gateway.files.get(&call.identity.tenant, &row.input_file_id).await;
    let file = file.map_err(|error| Failure { param: Some("input_file_id".to_owned()), ..error.into() })?;
    if file.purpose != PURPOSE {
        let wrong = format!("the file is for {:?}; upload it with the purpose {PURPOSE:?}", file.purpose);
        return Err(Failure::param("input_file_id", wrong));
    }
    let batch = gateway.batches.create(row).await?;
    Ok(HttpResponse::Ok().json(ModelBatch::from(batch)))
}

fn row(call: &Call, terms: &Terms, wanted: ModelBatchRequest) -> Result<BatchRow, Failure> {
    if Endpoint::of(&wanted.endpoint).is_none() {
        let known = Endpoint::ALL.map(Endpoint::path).join(", ");
        return Err(Failure::param("endpoint", format!("endpoint is {:?}; use one of {known}", wanted.endpoint)));
    }
    let window_s = window_s(&wanted.completion_window).ok_or_else(|| {
        let rule = "completion_window is 24h, or another number of h, m or s up to 168h";
        Failure::param("completion_window", rule)
    })?;
    let expiry = wanted.output_expires_after.as_ref();
    let (anchor, seconds) = (expiry.map(|expiry| expiry.anchor.as_str()), expiry.map(|expiry| expiry.seconds));
    let outputs_kept_s = kept_s(anchor, seconds, "output_expires_after")?.unwrap_or(0);
    let now = UnixMillis::now();
    Ok(BatchRow {
        id: BatchId::from_uuid(Uuid::now_v7()).to_string(),
        tenant: call.identity.tenant.to_string(),
        key_id: call.identity.key_id.clone(),
        created_by: call.principal(),
        endpoint: wanted.endpoint,
        input_file_id: wanted.input_file_id,
        completion_window: wanted.completion_window,
        metadata: wanted.metadata.map(|metadata| notes(&metadata)).transpose()?.unwrap_or_default(),
        terms: serde_json::to_string(terms).map_err(|error| Error::internal(&error))?,
        outputs_kept_s: integer(outputs_kept_s),
        status: Status::Validating.as_str().to_owned(),
        task_id: String::new(),
        errors: String::new(),
        parts: 0,
        total: 0,
        completed: 0,
        failed: 0,
        output_file_id: String::new(),
        error_file_id: String::new(),
        created_ms: integer(now.0),
        expires_ms: integer(now.0.saturating_add(window_s.saturating_mul(1_000))),
        in_progress_ms: 0,
        finalizing_ms: 0,
        cancelling_ms: 0,
        finished_ms: 0,
    })
}

fn notes(metadata: &BTreeMap<String, String>) -> Result<String, Failure> {
    let fits = |(key, value): (&String, &String)| {
        key.chars().count() <= METADATA_KEY_MAX && value.chars().count() <= METADATA_VALUE_MAX
    };
    if metadata.len() > METADATA_MAX || !metadata.iter().all(fits) {
        let rule = format!(
            "metadata has up to {METADATA_MAX} notes, keys of {METADATA_KEY_MAX} and texts of {METADATA_VALUE_MAX} characters"
        );
        return Err(Failure::param("metadata", rule));
    }
    serde_json::to_string(metadata).map_err(|error| Error::internal(&error).into())
}

/// Batches of the tenant, newest first.
#[utoipa::path(get, path = "/v1/batches", tag = "openai", params(ModelBatchesFilter),
    responses((status = 200, body = ListObject<ModelBatch>)))]
pub async fn list(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let filter: ModelBatchesFilter = call::query(&request)?;
    let limit = page(filter.limit, PAGE, PAGE_MAX)?;
    let slice = Slice { after: filter.after, limit, ascending: false };
    let rows = gateway.batches.control.batches(&call.identity.tenant, slice).await.map_err(Error::from)?;
    let batches: Vec<ModelBatch> = rows.into_iter().map(ModelBatch::from).collect();
    Ok(HttpResponse::Ok().json(ListObject::of(batches, limit, |batch| batch.id.clone())))
}

/// One batch.
#[utoipa::path(get, path = "/v1/batches/{id}", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, body = ModelBatch)))]
pub async fn get(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let id = call::name(&request, "id")?;
    let row = gateway.batches.control.batch(&call.identity.tenant, &id).await.map_err(Error::from)?;
    let row = row.ok_or_else(|| missing(&id))?;
    Ok(HttpResponse::Ok().json(ModelBatch::from(row)))
}

/// Ends a batch: what is under way is answered, nothing more begins, and what was done is in its files.
#[utoipa::path(post, path = "/v1/batches/{id}/cancel", tag = "openai", params(("id" = String, Path)),
    responses((status = 200, body = ModelBatch)))]
pub async fn cancel(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let id = call::name(&request, "id")?;
    let cancelled = gateway.batches.control.cancel_batch(&call.identity.tenant, &id, UnixMillis::now()).await;
    let row = cancelled.map_err(Error::from)?.ok_or_else(|| missing(&id))?;
    if row.cancelling_ms == 0 {
        let message = format!("the batch {id} is {} and cannot be cancelled", row.status);
        return Err(Error::new(ErrorCode::FailedPrecondition, message).into());
    }
    Ok(HttpResponse::Ok().json(ModelBatch::from(row)))
}

fn missing(id: &str) -> Failure {
    Error::new(ErrorCode::NotFound, format!("there is no batch {id:?}; `GET /v1/batches` lists them")).into()
}
