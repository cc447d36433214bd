//! Tasks: submit, get, list, cancel.

use std::collections::HashMap;

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Payload};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use orrery_bus::verbs;
use orrery_proto::v1::{Attachment, CancelTaskRequest, GetTaskRequest, ListTasksRequest, StartTaskRequest};
use orrery_types::{TaskId, UnixMillis};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::identity::{later, moment};
use super::task_view::{TaskView, statuses};
use crate::http::answer::Page;
use crate::http::{Answer, Call, Failure, Gateway, body, call, multipart};

const IDEMPOTENCY_HEADER: &str = "Idempotency-Key";
const IDEMPOTENCY_KEY_MAX: usize = 128;
/// Parts of a form that are not attachments.
const TEXT_PARTS: [&str; 4] = ["workflow", "input", "deadline", "attributes"];

/// A task to be started.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRequest {
    /// `name`, `name:version` or `name@sha256:…`.
    workflow: String,
    /// The workflow's input.
    input: Option<Value>,
    /// RFC 3339; the task is stopped then.
    deadline: Option<String>,
    /// By what the task is found: names and texts.
    #[serde(default)]
    attributes: HashMap<String, String>,
    /// 0 to 9, 0 when left out; higher goes first among the tenant's own tasks that wait for their turn.
    priority: Option<u32>,
}

/// Which tasks.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TaskFilter {
    /// Separated by commas.
    status: Option<String>,
    /// Of one workflow.
    workflow: Option<String>,
    /// Of one version.
    version: Option<String>,
    /// Submitted by them.
    submitted_by: Option<String>,
    /// RFC 3339, as the three below: started then or later.
    created_from: Option<String>,
    /// Started before.
    created_before: Option<String>,
    /// Over then or later.
    finished_from: Option<String>,
    /// Over before.
    finished_before: Option<String>,
    /// `name=value`, several separated by commas; all must fit.
    attributes: Option<String>,
    /// The code of the error of a faulted task.
    error: Option<String>,
    /// 1 to 500; 50 when left out.
    limit: Option<u32>,
    /// From the page before.
    cursor: Option<String>,
}

/// Why it is stopped.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// For the record.
    #[serde(default)]
    pub reason: String,
}

/// Starts a task: JSON, or a form whose parts beside `workflow`, `input`, `deadline` and `attributes` are attachments.
///
/// With an `Idempotency-Key` the same request starts one task, however often it is sent.
#[utoipa::path(post, path = "/v1/tasks", tag = "tasks",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible characters")),
    request_body(content((TaskRequest = "application/json"), (TaskRequest = "multipart/form-data"))),
    responses((status = 201, body = TaskView), (status = 200, description = "started before by the same key", body = TaskView)))]
pub async fn submit(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let idempotency_key = idempotency_key(&request)?;
    let (wanted, attachments) = if request.content_type().eq_ignore_ascii_case("multipart/form-data") {
        from_form(&gateway, &call, &request, payload).await?
    } else {
        (body::json::<TaskRequest>(&gateway, &request, payload).await?, Vec::new())
    };
    if wanted.workflow.is_empty() {
        return Err(Failure::param("workflow", "the workflow is empty; name one that `GET /v1/workflows` lists"));
    }
    let deadline = wanted.deadline.as_deref().map(|text| later(text, "deadline", UnixMillis::now())).transpose()?;
    let start = StartTaskRequest {
        caller: call.caller(),
        workflow: wanted.workflow,
        input_json: wanted.input.unwrap_or_else(|| json!({})).to_string(),
        attachments,
        idempotency_key: idempotency_key.unwrap_or_default(),
        deadline_ms: deadline.map_or(0, |at| at.0),
        attributes: wanted.attributes,
        priority: wanted.priority.unwrap_or(0),
    };
    let task = gateway.bus.call(verbs::kernel::START, &call.context(), &start).await?;
    let mut response = if task.duplicate { HttpResponse::Ok() } else { HttpResponse::Created() };
    response.insert_header((LOCATION, format!("/v1/tasks/{}", task.id)));
    Ok(response.json(TaskView::from(task)))
}

pub fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Failure> {
    let Some(value) = request.headers().get(IDEMPOTENCY_HEADER) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > IDEMPOTENCY_KEY_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message =
            format!("{IDEMPOTENCY_HEADER} holds 1 to {IDEMPOTENCY_KEY_MAX} visible characters without spaces");
        return Err(Failure::invalid(message));
    }
    Ok(Some(text.to_owned()))
}

async fn from_form(
    gateway: &Gateway,
    call: &Call,
    request: &HttpRequest,
    payload: Payload,
) -> Result<(TaskRequest, Vec<Attachment>), Failure> {
    let _place = gateway.uploads.enter()?;
    let mut form = multipart::receive(gateway, request, payload, |part| TEXT_PARTS.contains(&part)).await?;
    let workflow =
        form.take("workflow")?.ok_or_else(|| Failure::param("workflow", "the form has no part `workflow`"))?;
    let input = match form.take("input")? {
        None => None,
        Some(text) => Some(
            serde_json::from_str(&text)
                .map_err(|error| Failure::param("input", format!("the part `input` is not JSON: {error}")))?,
        ),
    };
    let attributes = match form.take("attributes")? {
        None => HashMap::new(),
        Some(text) => serde_json::from_str(&text).map_err(|error| {
            Failure::param("attributes", format!("the part `attributes` does not map names to texts: {error}"))
        })?,
    };
    let priority = form.take("priority")?.map(|text| text.trim().parse());
    let priority =
        priority.transpose().map_err(|_| Failure::param("priority", "the part `priority` is no number from 0 to 9"))?;
    let deadline = form.take("deadline")?;
    let wanted = TaskRequest { workflow: workflow.trim().to_owned(), input, deadline, attributes, priority };
    let mut names: Vec<&str> = form.files.iter().map(|file| file.field.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()).and_then(|pair| pair.first()) {
        return Err(Failure::param(*twice, format!("two attachments are named {twice:?}; give each its own name")));
    }
    let mut attachments = Vec::new();
    for file in form.files {
        let name = file.field.clone();
        let blob = gateway.uploads.store(&gateway.bus, &call.identity.tenant, file).await?;
        attachments.push(Attachment { name, blob: Some(blob) });
    }
    Ok((wanted, attachments))
}

/// The id in the path.
pub fn task_id(request: &HttpRequest) -> Result<String, Failure> {
    let id = request.match_info().get("id").unwrap_or_default();
    let checked = TaskId::new(id).map_err(|error| Failure::param("id", error.to_string()))?;
    Ok(checked.to_string())
}

/// One task.
#[utoipa::path(get, path = "/v1/tasks/{id}", tag = "tasks", params(("id" = String, Path)),
    responses((status = 200, body = TaskView)))]
pub async fn get(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let get = GetTaskRequest { caller: call.caller(), task_id: task_id(&request)? };
    let task = gateway.bus.call(verbs::kernel::GET, &call.context(), &get).await?;
    Ok(HttpResponse::Ok().json(TaskView::from(task)))
}

/// Tasks of the tenant, newest first.
#[utoipa::path(get, path = "/v1/tasks", tag = "tasks", params(TaskFilter),
    responses((status = 200, body = Page<TaskView>)))]
pub async fn list(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let filter: TaskFilter = call::query(&request)?;
    let list = ListTasksRequest {
        caller: call.caller(),
        statuses: statuses(filter.status.as_deref().unwrap_or_default())?,
        workflow: filter.workflow.unwrap_or_default(),
        version: filter.version.unwrap_or_default(),
        submitted_by: filter.submitted_by.unwrap_or_default(),
        created_from_ms: bound("created_from", filter.created_from.as_deref())?,
        created_before_ms: bound("created_before", filter.created_before.as_deref())?,
        finished_from_ms: bound("finished_from", filter.finished_from.as_deref())?,
        finished_before_ms: bound("finished_before", filter.finished_before.as_deref())?,
        attributes: named(filter.attributes.as_deref().unwrap_or_default())?,
        error_code: filter.error.unwrap_or_default(),
        limit: filter.limit.unwrap_or(0),
        cursor: filter.cursor.unwrap_or_default(),
    };
    let reply = gateway.bus.call(verbs::kernel::LIST, &call.context(), &list).await?;
    let tasks = reply.tasks.into_iter().map(TaskView::from).collect();
    Ok(HttpResponse::Ok().json(Page::with_cursor(tasks, reply.next_cursor)))
}

/// Zero: not bounded.
pub fn bound(field: &'static str, text: Option<&str>) -> Result<u64, Failure> {
    text.map_or(Ok(0), |text| moment(text, field).map(|at| at.0))
}

fn named(text: &str) -> Result<HashMap<String, String>, Failure> {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err(Failure::param("attributes", format!("{pair:?} is no `name=value`"))),
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(pair).collect()
}

/// Stops a task: what is under way is given up, then what it did is undone where its workflow says how.
#[utoipa::path(post, path = "/v1/tasks/{id}/cancel", tag = "tasks", params(("id" = String, Path)),
    request_body = Option<CancelRequest>, responses((status = 200, body = TaskView)))]
pub async fn cancel(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let task_id = task_id(&request)?;
    let CancelRequest { reason } = body::optional_json(&gateway, &request, payload).await?;
    let cancel = CancelTaskRequest { caller: call.caller(), task_id, reason };
    let task = gateway.bus.call(verbs::kernel::CANCEL, &call.context(), &cancel).await?;
    Ok(HttpResponse::Ok().json(TaskView::from(task)))
}
