//! Control of tasks under way: signals, updates, queries, pauses, and running them anew.

use actix_web::http::header::LOCATION;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::{Verb, verbs};
use orrery_proto::v1::{
    CancelTaskRequest, ListPausesRequest, MigrateTaskRequest, PauseReply, PauseRequest, PauseTarget, QueryTaskRequest,
    RestartTaskRequest, ResumeRequest, SignalTaskRequest, Task, pause_target,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::task_view::TaskView;
use super::tasks::{CancelRequest, idempotency_key, task_id};
use crate::http::answer::{present, time};
use crate::http::{Answer, Call, Failure, Gateway, body};

/// A message to a task.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageRequest {
    /// What it says; null when left out.
    payload: Option<Value>,
}

/// What a task answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultView {
    result: Value,
}

/// Why it is paused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonRequest {
    /// For the record.
    #[serde(default)]
    reason: String,
}

/// Where a task begins anew.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartRequest {
    /// The step, for example `/do/2/pay`; a retry begins with the step that failed.
    #[serde(default)]
    pointer: String,
    /// Which of its visits, from 0; left out: the last.
    iteration: Option<u32>,
    /// For the record.
    #[serde(default)]
    reason: String,
}

/// Where a task moves to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrationRequest {
    /// `name:version` or `name@sha256:…`, of the same workflow.
    workflow: String,
}

/// What is paused.
#[derive(Debug, Serialize, ToSchema)]
pub struct PausesView {
    /// Whether this call changed anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<bool>,
    pauses: Vec<PauseView>,
}

/// A pause that holds many tasks.
#[derive(Debug, Serialize, ToSchema)]
pub struct PauseView {
    /// Left out: all of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<String>,
    by: String,
    reason: String,
    at: Option<String>,
}

impl PausesView {
    fn of(reply: PauseReply, changed: Option<bool>) -> Self {
        let pause = |pause: orrery_proto::v1::Pause| PauseView {
            workflow: present(pause.workflow),
            by: pause.by,
            reason: pause.reason,
            at: time(pause.at_ms),
        };
        Self { changed, pauses: reply.pauses.into_iter().map(pause).collect() }
    }
}

fn part(request: &HttpRequest, name: &str) -> String {
    request.match_info().get(name).unwrap_or_default().to_owned()
}

/// Ends a task at once; nothing is undone.
#[utoipa::path(post, path = "/v1/tasks/{id}/terminate", tag = "tasks", params(("id" = String, Path)),
    request_body = Option<CancelRequest>, responses((status = 200, body = TaskView)))]
pub async fn terminate(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let task_id = task_id(&request)?;
    let CancelRequest { reason } = body::optional_json(&gateway, &request, payload).await?;
    let terminate = CancelTaskRequest { caller: call.caller(), task_id, reason };
    let task = gateway.bus.call(verbs::kernel::TERMINATE, &call.context(), &terminate).await?;
    Ok(HttpResponse::Ok().json(TaskView::from(task)))
}

async fn message(
    gateway: &Gateway,
    call: &Call,
    request: &HttpRequest,
    payload: Payload,
) -> Result<SignalTaskRequest, Failure> {
    let key = idempotency_key(request)?;
    let MessageRequest { payload } = body::optional_json(gateway, request, payload).await?;
    Ok(SignalTaskRequest {
        caller: call.caller(),
        task_id: task_id(request)?,
        name: part(request, "name"),
        payload_json: payload.map(|payload| payload.to_string()).unwrap_or_default(),
        idempotency_key: key.unwrap_or_default(),
    })
}

/// Sends a task a signal. It is kept until a step asks for it; with an `Idempotency-Key` it counts once.
#[utoipa::path(post, path = "/v1/tasks/{id}/signals/{name}", tag = "tasks",
    params(("id" = String, Path), ("name" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible characters")),
    request_body = Option<MessageRequest>, responses((status = 202, body = TaskView)))]
pub async fn signal(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let signal = message(&gateway, &call, &request, payload).await?;
    let task = gateway.bus.call(verbs::kernel::SIGNAL, &call.context(), &signal).await?;
    Ok(HttpResponse::Accepted().json(TaskView::from(task)))
}

/// Sends a task an update, which its workflow checks and answers, or refuses with reasons.
#[utoipa::path(post, path = "/v1/tasks/{id}/updates/{name}", tag = "tasks",
    params(("id" = String, Path), ("name" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible characters")),
    request_body = Option<MessageRequest>, responses((status = 200, body = ResultView)))]
pub async fn update(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let update = message(&gateway, &call, &request, payload).await?;
    let reply = gateway.bus.call(verbs::kernel::UPDATE, &call.context(), &update).await?;
    Ok(HttpResponse::Ok().json(result(&reply.result_json)))
}

fn result(text: &str) -> ResultView {
    ResultView { result: serde_json::from_str(text).unwrap_or_else(|_| json!(text)) }
}

async fn ask(gateway: &Gateway, call: &Call, request: &HttpRequest, payload: Payload, name: String) -> Answer {
    let MessageRequest { payload } = body::optional_json(gateway, request, payload).await?;
    let query = QueryTaskRequest {
        caller: call.caller(),
        task_id: task_id(request)?,
        name,
        payload_json: payload.map(|payload| payload.to_string()).unwrap_or_default(),
    };
    let reply = gateway.bus.call(verbs::kernel::QUERY, &call.context(), &query).await?;
    Ok(HttpResponse::Ok().json(result(&reply.result_json)))
}

/// Asks a task one of the queries that its workflow declares. Nothing is recorded.
#[utoipa::path(post, path = "/v1/tasks/{id}/queries/{name}", tag = "tasks",
    params(("id" = String, Path), ("name" = String, Path)),
    request_body = Option<MessageRequest>, responses((status = 200, body = ResultView)))]
pub async fn query(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let name = part(&request, "name");
    ask(&gateway, &call, &request, payload, name).await
}

/// The live state of a task: its context, its active steps, signals that wait, and how it ended.
#[utoipa::path(get, path = "/v1/tasks/{id}/state", tag = "tasks", params(("id" = String, Path)),
    responses((status = 200, body = ResultView)))]
pub async fn state(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    ask(&gateway, &call, &request, payload, String::new()).await
}

async fn pause_target(
    gateway: &Gateway,
    call: &Call,
    request: &HttpRequest,
    payload: Payload,
    kind: pause_target::Kind,
) -> Answer {
    let ReasonRequest { reason } = body::optional_json(gateway, request, payload).await?;
    let pause = PauseRequest { caller: call.caller(), target: Some(PauseTarget { kind: Some(kind) }), reason };
    let reply = gateway.bus.call(verbs::kernel::PAUSE, &call.context(), &pause).await?;
    let changed = Some(reply.changed);
    Ok(HttpResponse::Ok().json(PausesView::of(reply, changed)))
}

async fn resume_target(gateway: &Gateway, call: &Call, kind: pause_target::Kind) -> Answer {
    let resume = ResumeRequest { caller: call.caller(), target: Some(PauseTarget { kind: Some(kind) }) };
    let reply = gateway.bus.call(verbs::kernel::RESUME, &call.context(), &resume).await?;
    let changed = Some(reply.changed);
    Ok(HttpResponse::Ok().json(PausesView::of(reply, changed)))
}

/// Schedules nothing new of a task; results that come are kept, and time that runs out acts when it is resumed.
#[utoipa::path(post, path = "/v1/tasks/{id}/pause", tag = "tasks", params(("id" = String, Path)),
    request_body = Option<ReasonRequest>, responses((status = 200, body = PausesView)))]
pub async fn pause_task(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let kind = pause_target::Kind::TaskId(task_id(&request)?);
    pause_target(&gateway, &call, &request, payload, kind).await
}

/// Goes on with a task.
#[utoipa::path(post, path = "/v1/tasks/{id}/resume", tag = "tasks", params(("id" = String, Path)),
    responses((status = 200, body = PausesView)))]
pub async fn resume_task(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    resume_target(&gateway, &call, pause_target::Kind::TaskId(task_id(&request)?)).await
}

/// Pauses every task of a workflow, in all its versions; new ones are accepted and wait.
#[utoipa::path(post, path = "/v1/workflows/{name}/pause", tag = "workflows", params(("name" = String, Path)),
    request_body = Option<ReasonRequest>, responses((status = 200, body = PausesView)))]
pub async fn pause_workflow(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let kind = pause_target::Kind::Workflow(part(&request, "name"));
    pause_target(&gateway, &call, &request, payload, kind).await
}

/// Goes on with the tasks of a workflow.
#[utoipa::path(post, path = "/v1/workflows/{name}/resume", tag = "workflows", params(("name" = String, Path)),
    responses((status = 200, body = PausesView)))]
pub async fn resume_workflow(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    resume_target(&gateway, &call, pause_target::Kind::Workflow(part(&request, "name"))).await
}

/// Pauses every task of the tenant; new ones are accepted and wait.
#[utoipa::path(post, path = "/v1/pause", tag = "tasks", request_body = Option<ReasonRequest>,
    responses((status = 200, body = PausesView)))]
pub async fn pause_tenant(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    pause_target(&gateway, &call, &request, payload, pause_target::Kind::Tenant(true)).await
}

/// What is paused in the tenant.
#[utoipa::path(get, path = "/v1/pause", tag = "tasks", responses((status = 200, body = PausesView)))]
pub async fn pauses(gateway: Data<Gateway>, call: Call) -> Answer {
    let list = ListPausesRequest { caller: call.caller() };
    let reply = gateway.bus.call(verbs::kernel::PAUSES, &call.context(), &list).await?;
    Ok(HttpResponse::Ok().json(PausesView::of(reply, None)))
}

/// Goes on with the tasks of the tenant.
#[utoipa::path(delete, path = "/v1/pause", tag = "tasks", responses((status = 200, body = PausesView)))]
pub async fn resume_tenant(gateway: Data<Gateway>, call: Call) -> Answer {
    resume_target(&gateway, &call, pause_target::Kind::Tenant(true)).await
}

async fn restart(
    gateway: &Gateway,
    call: &Call,
    request: &HttpRequest,
    payload: Payload,
    verb: Verb<RestartTaskRequest, Task>,
) -> Answer {
    let key = idempotency_key(request)?;
    let wanted: RestartRequest = body::optional_json(gateway, request, payload).await?;
    let restart = RestartTaskRequest {
        caller: call.caller(),
        task_id: task_id(request)?,
        pointer: wanted.pointer,
        iteration: wanted.iteration,
        reason: wanted.reason,
        idempotency_key: key.unwrap_or_default(),
    };
    let task = gateway.bus.call(verb, &call.context(), &restart).await?;
    let mut response = if task.duplicate { HttpResponse::Ok() } else { HttpResponse::Created() };
    response.insert_header((LOCATION, format!("/v1/tasks/{}", task.id)));
    Ok(response.json(TaskView::from(task)))
}

/// Begins a task anew from a step, in place of the old one, which ends at once. Later steps are done again.
#[utoipa::path(post, path = "/v1/tasks/{id}/reset", tag = "tasks",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible characters")),
    request_body = RestartRequest, responses((status = 201, body = TaskView), (status = 200, description = "done before by the same key", body = TaskView)))]
pub async fn reset(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    restart(&gateway, &call, &request, payload, verbs::kernel::RESET).await
}

/// Begins a second task from a step; the first goes on.
#[utoipa::path(post, path = "/v1/tasks/{id}/fork", tag = "tasks",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible characters")),
    request_body = RestartRequest, responses((status = 201, body = TaskView), (status = 200, description = "done before by the same key", body = TaskView)))]
pub async fn fork(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    restart(&gateway, &call, &request, payload, verbs::kernel::FORK).await
}

/// Begins a failed task anew from the step that failed.
#[utoipa::path(post, path = "/v1/tasks/{id}/retry", tag = "tasks",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible characters")),
    request_body = Option<RestartRequest>, responses((status = 201, body = TaskView), (status = 200, description = "done before by the same key", body = TaskView)))]
pub async fn retry(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    restart(&gateway, &call, &request, payload, verbs::kernel::RETRY).await
}

/// Moves a task to another version of its workflow, or says why it cannot.
#[utoipa::path(post, path = "/v1/tasks/{id}/migrate", tag = "tasks", params(("id" = String, Path)),
    request_body = MigrationRequest, responses((status = 200, body = TaskView)))]
pub async fn migrate(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: MigrationRequest = body::json(&gateway, &request, payload).await?;
    let migrate = MigrateTaskRequest { caller: call.caller(), task_id: task_id(&request)?, workflow: wanted.workflow };
    let task = gateway.bus.call(verbs::kernel::MIGRATE, &call.context(), &migrate).await?;
    Ok(HttpResponse::Ok().json(TaskView::from(task)))
}
