//! Starting, reading and cancelling tasks.

use std::sync::Arc;

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    CancelTaskRequest, GetTaskRequest, ListTasksReply, ListTasksRequest, StartTaskRequest, Task, TaskHistoryReply,
    TaskHistoryRequest,
};
use orrery_types::{TaskId, TenantId, UnixMillis};
use serde_json::Value;
use uuid::Uuid;

use super::{Api, next_cursor, page};
use crate::actors::partition::Start;
use crate::bus::convert;
use crate::domain::command::{Command, Reject, Run};
use crate::error::ActError;
use crate::store::{JournalRow, RunFilter, RunRow, StartKey};

/// Longest input of a task; files belong in attachments.
const INPUT_BYTES_MAX: usize = 512 * 1024;
/// Highest priority of a task.
const PRIORITY_MAX: u32 = 9;
const KEY_BYTES_MAX: usize = 256;
/// Bytes of the events of one answer.
const EVENTS_BYTES_MAX: usize = 4 * 1024 * 1024;
const EVENTS_DEFAULT: u32 = 200;
const EVENTS_MAX: u32 = 1_000;

impl Api {
    pub(super) async fn start(self, _context: CallContext, request: StartTaskRequest) -> Result<Task, Error> {
        let (tenant, person) = convert::caller(request.caller.clone())?;
        if request.input_json.len() > INPUT_BYTES_MAX {
            let message = format!("the input is longer than {INPUT_BYTES_MAX} bytes: send files as attachments");
            return Err(Error::new(ErrorCode::PayloadTooLarge, message));
        }
        if request.idempotency_key.len() > KEY_BYTES_MAX {
            return Err(convert::invalid(format!("the idempotency key is longer than {KEY_BYTES_MAX} bytes")));
        }
        if request.priority > PRIORITY_MAX {
            return Err(convert::invalid(format!("the priority is {}: choose 0 to {PRIORITY_MAX}", request.priority)));
        }
        let digest = convert::request_digest(&request, &person.principal);
        let key = Some(request.idempotency_key.clone()).filter(|key| !key.is_empty());
        if let Some(key) = &key
            && let Some((run, seen)) = self.kernel.store.started(tenant.to_string(), key.clone()).await?
        {
            return self.duplicate(&tenant, run, &seen, &digest).await;
        }
        let input: Value = match request.input_json.as_str() {
            "" => Value::Object(serde_json::Map::new()),
            text => serde_json::from_str(text)
                .map_err(|error| convert::invalid(format!("the input is not JSON: {error}")))?,
        };
        let deadline_at = Some(UnixMillis(request.deadline_ms)).filter(|at| at.0 > 0);
        if deadline_at.is_some_and(|at| at <= UnixMillis::now()) {
            return Err(Error::new(ErrorCode::DeadlineExceeded, "the task's deadline is in the past"));
        }
        let (row, definition) = self.kernel.definitions.resolve(tenant.as_str(), &request.workflow).await?;
        let run = Run {
            id: TaskId::from_uuid(Uuid::now_v7()),
            tenant: tenant.clone(),
            workflow: (row.namespace, row.name, row.version),
            definition: definition.hash,
            submitted_by: person.principal,
            roles: person.roles,
            input: Arc::new(input),
            attachments: convert::attachments(request.attachments)?,
            deadline_at,
            seed: rand::random(),
            parent: None,
            depth: 0,
            traceparent: orrery_telemetry::traceparent(),
            priority: request.priority,
        };
        let key = key.map(|key| StartKey { key, request_digest: digest.clone() });
        match self.kernel.start(Start { run, definition, key }).await {
            Ok(state) => Ok(convert::task(RunRow::of(&state))),
            Err(ActError::Duplicate { run, request_digest }) => {
                self.duplicate(&tenant, run, &request_digest, &digest).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn duplicate(&self, tenant: &TenantId, run: String, seen: &str, digest: &str) -> Result<Task, Error> {
        if seen != digest {
            let message = format!("the idempotency key was used before for another request, which started {run}");
            return Err(Error::new(ErrorCode::Conflict, message));
        }
        Ok(Task { duplicate: true, ..convert::task(self.row(tenant, &run).await?) })
    }

    pub(super) async fn row(&self, tenant: &TenantId, id: &str) -> Result<RunRow, Error> {
        let row = self.kernel.store.run(tenant.to_string(), id.to_owned()).await?;
        row.ok_or_else(|| Error::new(ErrorCode::NotFound, format!("there is no task {id:?}")))
    }

    pub(super) async fn get(self, _context: CallContext, request: GetTaskRequest) -> Result<Task, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        Ok(convert::task(self.row(&tenant, &request.task_id).await?))
    }

    pub(super) async fn list(self, _context: CallContext, request: ListTasksRequest) -> Result<ListTasksReply, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        let filter = RunFilter { statuses: convert::status_words(&request.statuses)?, workflow: request.workflow };
        let page = page(request.limit, request.cursor);
        let limit = page.limit;
        let rows = self.kernel.store.runs(tenant.to_string(), filter, page).await?;
        let next_cursor = next_cursor(rows.last().map(|row| row.id.clone()), rows.len(), limit);
        Ok(ListTasksReply { tasks: rows.into_iter().map(convert::task).collect(), next_cursor })
    }

    pub(super) async fn cancel(self, _context: CallContext, request: CancelTaskRequest) -> Result<Task, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let row = self.row(&tenant, &request.task_id).await?;
        let id = TaskId::new(&row.id).map_err(|error| convert::invalid(error.to_string()))?;
        let command = Command::Cancel { by: person.principal, reason: request.reason };
        match self.kernel.act(&tenant, &id, command).await {
            Ok(state) => Ok(convert::task(RunRow::of(&state))),
            // Cancelling what is over changes nothing; the answer says how it ended.
            Err(ActError::Rejected(Reject::Over) | ActError::Unknown) => {
                let row = self.row(&tenant, &request.task_id).await?;
                if row.finished_ms == 0 {
                    let message = "the journal of this task cannot be read; `orrery status` and the log say why";
                    return Err(Error::new(ErrorCode::DataCorrupted, message));
                }
                Ok(convert::task(row))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn history(
        self,
        _context: CallContext,
        request: TaskHistoryRequest,
    ) -> Result<TaskHistoryReply, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        // Read before the events: a task that is over by now has none after those that follow.
        let row = self.row(&tenant, &request.task_id).await?;
        let limit = if request.limit == 0 { EVENTS_DEFAULT } else { request.limit.min(EVENTS_MAX) };
        let after = i64::try_from(request.after_seq).unwrap_or(i64::MAX);
        let rows = self.kernel.store.history(row.id, after, i64::from(limit)).await?;
        let rows = within_message(rows);
        let last = rows.last().map_or(after, |row| row.seq);
        let finished = row.finished_ms > 0 && last >= row.seq;
        Ok(TaskHistoryReply { events: rows.into_iter().map(convert::event).collect(), finished })
    }
}

/// As many events as one message takes, and at least one: what an event that is too large itself holds is left out.
fn within_message(rows: Vec<JournalRow>) -> Vec<JournalRow> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    for mut row in rows {
        bytes += row.event.len();
        if bytes > EVENTS_BYTES_MAX && !taken.is_empty() {
            break;
        }
        if bytes > EVENTS_BYTES_MAX {
            row.event = serde_json::json!({ "fact": { "omitted_bytes": row.event.len() } }).to_string();
        }
        taken.push(row);
    }
    taken
}
