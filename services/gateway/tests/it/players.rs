//! The other services as the gateway meets them: on the bus, by their verbs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use orrery_bus::{Bus, RunningServer, Server, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::*;
use orrery_testkit::NatsServer;
use orrery_types::{TaskId, TenantId};
use parking_lot::Mutex;
use serde_json::json;
use uuid::Uuid;

use crate::bulk_players::{batches, retention};
use crate::model_players::router_server;

pub const LIMIT: usize = 64;

#[derive(Default)]
pub struct Seen {
    pub tasks: HashMap<String, Task>,
    pub by_key: HashMap<String, String>,
    pub events: HashMap<String, Vec<TaskEvent>>,
    pub callers: Vec<Caller>,
    pub invocations: Vec<InvokeRequest>,
    pub decisions: Vec<DecideReviewRequest>,
    pub review_lists: Vec<ListReviewsRequest>,
    pub ingested: Vec<(IngestRequest, Vec<u8>)>,
    pub budget: u64,
    pub controlled: Vec<String>,
    pub kernel_is_away: bool,
}

pub struct Players {
    pub kernel: Bus,
    pub audit: Bus,
    pub seen: Arc<Mutex<Seen>>,
    pub stream_was_cancelled: Arc<AtomicBool>,
    _servers: Vec<RunningServer>,
}

pub type Shared = Arc<Mutex<Seen>>;

impl Players {
    pub async fn start(nats: &NatsServer) -> Self {
        let seen = Shared::default();
        let cancelled = Arc::new(AtomicBool::new(false));
        let connect = |user: &'static str| async move { nats.connect(user).await.unwrap() };
        let (kernel, router) = (connect("kernel").await, connect("router").await);
        let (retrieval, audit) = (connect("retrieval").await, connect("audit").await);
        let servers = vec![
            kernel_server(&kernel, &seen).start().await.unwrap(),
            router_server(&router, &seen, &cancelled).start().await.unwrap(),
            retrieval_server(&retrieval, &seen).start().await.unwrap(),
            audit_server(&audit).start().await.unwrap(),
        ];
        Self { kernel, audit, seen, stream_was_cancelled: cancelled, _servers: servers }
    }

    /// Adds an event to a task, and says so as the kernel does.
    pub async fn event(&self, task_id: &str, kind: &str) {
        let (tenant, event) = {
            let mut seen = self.seen.lock();
            let tenant = seen.tasks[task_id].tenant.clone();
            let events = seen.events.entry(task_id.to_owned()).or_default();
            let event = TaskEvent {
                task_id: task_id.to_owned(),
                seq: events.len() as u64 + 1,
                kind: kind.to_owned(),
                pointer: "/do/0".to_owned(),
                data_json: json!({"text": "a\nb"}).to_string(),
                at_ms: 1_700_000_000_000,
            };
            events.push(event.clone());
            (tenant, event)
        };
        let (entity, what) = event.kind.split_once('.').unwrap();
        let subject = orrery_bus::subjects::event(&tenant, entity, what);
        let body = json!({"subject": task_id, "data": {"task_id": task_id, "seq": event.seq}});
        self.kernel.publish_durable(subject, &Uuid::now_v7().to_string(), body.to_string().into_bytes()).await.unwrap();
    }
}

fn not_found(what: &str, name: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("there is no {what} {name:?}"))
}

fn kernel_server(bus: &Bus, seen: &Shared) -> Server {
    let server = control(history_and_people(tasks(Server::new(bus, "kernel", "1.0.0"), seen), seen), seen);
    retention(batches(server, seen), bus, seen)
}

fn tasks(server: Server, seen: &Shared) -> Server {
    let (start, get, list) = (seen.clone(), seen.clone(), seen.clone());
    server
        .handle(verbs::kernel::START, LIMIT, move |_, request: StartTaskRequest| {
            let seen = start.clone();
            async move {
                if seen.lock().kernel_is_away {
                    return Err(Error::new(ErrorCode::Unavailable, "it starts just now"));
                }
                if request.workflow == "unknown" {
                    return Err(not_found("workflow", &request.workflow));
                }
                let mut seen = seen.lock();
                let caller = request.caller.clone().unwrap();
                seen.callers.push(caller.clone());
                if let Some(id) = seen.by_key.get(&request.idempotency_key) {
                    return Ok(Task { duplicate: true, ..seen.tasks[id].clone() });
                }
                let task = Task {
                    id: TaskId::from_uuid(Uuid::now_v7()).to_string(),
                    tenant: caller.tenant,
                    workflow: format!("{}:1.0.0", request.workflow),
                    status: TaskStatus::Running.into(),
                    submitted_by: caller.principal,
                    input_json: request.input_json,
                    attachments: request.attachments,
                    created_at_ms: 1_700_000_000_000,
                    ..Task::default()
                };
                if !request.idempotency_key.is_empty() {
                    seen.by_key.insert(request.idempotency_key, task.id.clone());
                }
                seen.tasks.insert(task.id.clone(), task.clone());
                Ok(task)
            }
        })
        .handle(verbs::kernel::GET, LIMIT, move |_, request: GetTaskRequest| {
            let seen = get.clone();
            async move {
                let tenant = request.caller.unwrap().tenant;
                let task = seen.lock().tasks.get(&request.task_id).filter(|task| task.tenant == tenant).cloned();
                task.ok_or_else(|| not_found("task", &request.task_id))
            }
        })
        .handle(verbs::kernel::LIST, LIMIT, move |_, request: ListTasksRequest| {
            let seen = list.clone();
            async move {
                let keep = |task: &&Task| request.statuses.is_empty() || request.statuses.contains(&task.status);
                let tasks = seen.lock().tasks.values().filter(keep).cloned().collect();
                Ok(ListTasksReply { tasks, next_cursor: "more".to_owned() })
            }
        })
        .handle(verbs::kernel::CANCEL, LIMIT, |_, request: CancelTaskRequest| async move {
            let error_json = json!({"title": request.reason}).to_string();
            Ok(Task { id: request.task_id, status: TaskStatus::Cancelled.into(), error_json, ..Task::default() })
        })
}

/// Control: what was asked is kept as text.
fn control(server: Server, seen: &Shared) -> Server {
    let note = |what: &'static str| {
        let seen = seen.clone();
        move |about: String| seen.lock().controlled.push(format!("{what} {about}"))
    };
    let (terminated, signalled, updated, asked) = (note("terminate"), note("signal"), note("update"), note("query"));
    let (paused, resumed, restarted, migrated) = (note("pause"), note("resume"), note("restart"), note("migrate"));
    let pauses = || PauseReply {
        changed: true,
        pauses: vec![Pause { by: "ada".to_owned(), at_ms: 1_700_000_000_000, ..Pause::default() }],
    };
    let running = |id: String| Task { id, status: TaskStatus::Running.into(), ..Task::default() };
    server
        .handle(verbs::kernel::TERMINATE, LIMIT, move |_, request: CancelTaskRequest| {
            terminated(request.reason.clone());
            async move { Ok(Task { id: request.task_id, status: TaskStatus::Terminated.into(), ..Task::default() }) }
        })
        .handle(verbs::kernel::SIGNAL, LIMIT, move |_, request: SignalTaskRequest| {
            signalled(format!("{} {} {}", request.name, request.payload_json, request.idempotency_key));
            async move { Ok(running(request.task_id)) }
        })
        .handle(verbs::kernel::UPDATE, LIMIT, move |_, request: SignalTaskRequest| {
            updated(format!("{} {}", request.name, request.payload_json));
            async move {
                if request.payload_json == "11" {
                    let detail = json!({"reasons": ["at most 10"]});
                    return Err(Error::new(ErrorCode::FailedPrecondition, "refused: at most 10").detail(detail));
                }
                Ok(UpdateTaskReply { result_json: "{\"amount\":7}".to_owned() })
            }
        })
        .handle(verbs::kernel::QUERY, LIMIT, move |_, request: QueryTaskRequest| {
            asked(format!("{:?} {}", request.name, request.payload_json));
            async move { Ok(QueryTaskReply { result_json: "[1]".to_owned() }) }
        })
        .handle(verbs::kernel::PAUSE, LIMIT, move |_, request: PauseRequest| {
            paused(format!("{:?} {}", request.target.unwrap().kind.unwrap(), request.reason));
            async move { Ok(pauses()) }
        })
        .handle(verbs::kernel::RESUME, LIMIT, move |_, request: ResumeRequest| {
            resumed(format!("{:?}", request.target.unwrap().kind.unwrap()));
            async move { Ok(PauseReply { changed: true, pauses: vec![] }) }
        })
        .handle(verbs::kernel::PAUSES, LIMIT, move |_, _: ListPausesRequest| async move { Ok(pauses()) })
        .handle(verbs::kernel::FORK, LIMIT, move |_, request: RestartTaskRequest| {
            restarted(format!("{} {:?}", request.pointer, request.iteration));
            async move { Ok(running("task_2".to_owned())) }
        })
        .handle(verbs::kernel::MIGRATE, LIMIT, move |_, request: MigrateTaskRequest| {
            migrated(request.workflow.clone());
            async move { Ok(running(request.task_id)) }
        })
}

fn history_and_people(server: Server, seen: &Shared) -> Server {
    let (history, decide, deploy, lists) = (seen.clone(), seen.clone(), seen.clone(), seen.clone());
    server
        .handle(verbs::kernel::HISTORY, LIMIT, move |_, request: TaskHistoryRequest| {
            let seen = history.clone();
            async move {
                let seen = seen.lock();
                if !seen.tasks.contains_key(&request.task_id) {
                    return Err(not_found("task", &request.task_id));
                }
                let all = seen.events.get(&request.task_id).cloned().unwrap_or_default();
                let finished = all.last().is_some_and(|event| event.kind == "task.completed");
                let events = all.into_iter().filter(|event| event.seq > request.after_seq).collect();
                Ok(TaskHistoryReply { events, finished })
            }
        })
        .handle(verbs::kernel::REVIEWS, LIMIT, move |_, request: ListReviewsRequest| {
            lists.lock().review_lists.push(request);
            async move { Ok(ListReviewsReply { reviews: vec![review("rev_1")], next_cursor: String::new() }) }
        })
        .handle(verbs::kernel::REVIEW_WORK, LIMIT, |_, _: ReviewWorkRequest| async move {
            Ok(ReviewWorkReply { mine: 1, claimable: 2, overdue: 3, open: 4 })
        })
        .handle(verbs::kernel::REVIEW_KEYS, LIMIT, |_, _: ReviewKeysRequest| async move {
            Ok(ReviewKeysReply { verifier_keys: vec!["orrery-kernel+1+key".to_owned()] })
        })
        .handle(verbs::kernel::RELEASE, LIMIT, |_, _: ReleaseReviewRequest| async move { Ok(review("rev_1")) })
        .handle(verbs::kernel::DELEGATE, LIMIT, |_, request: DelegateReviewRequest| async move {
            let status = ReviewStatus::Claimed.into();
            let (claimed_by, roles) = (request.to, request.to_roles);
            Ok(Review { status, claimed_by, roles, delegated_by: request.caller.unwrap().principal, ..review("rev_1") })
        })
        .handle(verbs::kernel::REASSIGN, LIMIT, |_, request: ReassignReviewRequest| async move {
            Ok(Review { roles: request.to, ..review("rev_1") })
        })
        .handle(verbs::kernel::COMMENT, LIMIT, |_, request: CommentReviewRequest| async move {
            let by = request.caller.unwrap().principal;
            let comment = ReviewComment { id: "com_1".to_owned(), by, text: request.text, at_ms: 1_700_000_000_000 };
            Ok(Review { comments: vec![comment], ..review("rev_1") })
        })
        .handle(verbs::kernel::DECIDE, LIMIT, move |_, request: DecideReviewRequest| {
            let seen = decide.clone();
            async move {
                if request.caller.as_ref().unwrap().principal == "submitter" {
                    return Err(Error::new(ErrorCode::Forbidden, "nobody reviews a task they submitted"));
                }
                seen.lock().decisions.push(request.clone());
                let decided =
                    Review { status: ReviewStatus::Decided.into(), decision: request.decision, ..review("rev_1") };
                Ok(decided)
            }
        })
        .handle(verbs::kernel::DEPLOY, LIMIT, move |_, request: DeployRequest| {
            let seen = deploy.clone();
            async move {
                seen.lock().callers.push(request.caller.unwrap());
                if request.source.contains("broken") {
                    let fault = json!([{"line": 3, "reason": "unknown task"}]);
                    return Err(Error::new(ErrorCode::InvalidDefinition, "the definition is invalid").detail(fault));
                }
                let definition =
                    Definition { name: "claims".to_owned(), version: "1.0.0".to_owned(), ..Definition::default() };
                Ok(DeployReply { definition: Some(definition), created: true })
            }
        })
}

fn review(id: &str) -> Review {
    Review {
        id: id.to_owned(),
        task_id: "task_1".to_owned(),
        title: "Check the amount".to_owned(),
        subject_json: json!({"amount": 7}).to_string(),
        status: ReviewStatus::Open.into(),
        submitted_by: "submitter".to_owned(),
        ..Review::default()
    }
}

pub fn identity(name: &str) -> ModelIdentity {
    ModelIdentity {
        name: name.to_owned(),
        version: "1".to_owned(),
        digest: String::new(),
        provider: "local".to_owned(),
    }
}

fn retrieval_server(bus: &Bus, seen: &Shared) -> Server {
    let (ingest, blobs) = (seen.clone(), bus.clone());
    Server::new(bus, "retrieval", "1.0.0")
        .handle(verbs::retrieval::INGEST, LIMIT, move |_, request: IngestRequest| {
            let (seen, bus) = (ingest.clone(), blobs.clone());
            async move {
                let tenant = TenantId::new(&request.caller.as_ref().unwrap().tenant).unwrap();
                let bytes = bus.blobs().await?.get(&tenant, request.blob.as_ref().unwrap(), 1 << 20).await?;
                let reply = IngestReply {
                    collection: request.collection.clone(),
                    document: request.document.clone(),
                    chunks: 1,
                    changed: true,
                    ..IngestReply::default()
                };
                seen.lock().ingested.push((request, bytes));
                Ok(reply)
            }
        })
        .handle(verbs::retrieval::SEARCH, LIMIT, |_, request: SearchRequest| async move {
            let hit = Hit { text: request.query, clause: "H-2.1".to_owned(), score: 0.5, ..Hit::default() };
            Ok(SearchReply { hits: vec![hit], collection_version: 3, embedding_model: Some(identity("minilm")) })
        })
}

fn audit_server(bus: &Bus) -> Server {
    Server::new(bus, "audit", "1.0.0")
        .handle(verbs::audit::EXPLAIN, LIMIT, |_, request: ExplainRequest| async move {
            Ok(ExplainReply {
                explanation_json: json!({"task": request.task_id}).to_string(),
                plain: "It was decided.\n".to_owned(),
            })
        })
        .handle(verbs::audit::PROOF, LIMIT, |_, _: ProofRequest| async move {
            Ok(ProofReply { proof: vec![1, 2, 3], verifier_key: "log+1+key".to_owned() })
        })
        .handle(verbs::audit::EXPORT, LIMIT, |_, request: ExportRequest| async move {
            let record =
                AuditRecord { kind: "task.started".to_owned(), facts_json: "{}".to_owned(), ..AuditRecord::default() };
            let records = vec![ExportedRecord {
                index: request.after_index + 1,
                record: Some(record),
                leaf_hash: "aa".to_owned(),
            }];
            Ok(ExportReply { records, tree_size: 9 })
        })
        .handle(verbs::audit::HEALTH, LIMIT, |_, _: HealthRequest| async move {
            Ok(HealthReport {
                service: "audit".to_owned(),
                live: true,
                ready: true,
                tree_json: "{\"name\":\"audit\"}".to_owned(),
                ..Default::default()
            })
        })
}
