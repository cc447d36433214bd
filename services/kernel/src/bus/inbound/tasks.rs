//! Starting, reading and cancelling tasks.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    CancelTaskRequest, GetTaskRequest, ListTasksReply, ListTasksRequest, StartTaskRequest, Task, TaskEvent,
    TaskHistoryReply, TaskHistoryRequest, WaitTaskRequest,
};
use orrery_types::{TaskId, TenantId, UnixMillis};
use serde_json::Value;

use super::{Api, next_cursor, page, retention};
use crate::actors::partition::Start;
use crate::bus::convert;
use crate::domain::command::{Command, INPUT_BYTES_MAX, Run};
use crate::domain::transition::check_attributes;
use crate::error::ActError;
use crate::kernel::Acted;
use crate::payloads;
use crate::store::{RunRow, StartKey};

/// Highest priority of a task.
const PRIORITY_MAX: u32 = 9;
const KEY_BYTES_MAX: usize = 256;
/// Bytes of the events of one answer.
const EVENTS_BYTES_MAX: usize = 4 * 1024 * 1024;
const EVENTS_DEFAULT: u32 = 200;
const EVENTS_MAX: u32 = 1_000;

/// Time to send an answer within the caller's deadline.
const ANSWER: Duration = Duration::from_millis(100);
/// A task that is watched is looked at this often all the same: its owner may change.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

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
        let (_, definition) = self.kernel.definitions.resolve(tenant.as_str(), &request.workflow).await?;
        let id = self.kernel.new_id(&tenant);
        let run = Run {
            roles: person.roles,
            attachments: convert::attachments(request.attachments)?,
            deadline_at,
            seed: rand::random(),
            traceparent: orrery_telemetry::traceparent(),
            attributes: attributes(request.attributes)?,
            priority: request.priority,
            ..Run::of(&definition, id.clone(), tenant.clone(), &person.principal, input)
        };
        let key = key.map(|key| StartKey { key, request_digest: digest.clone() });
        match self.kernel.start(Start { run, definition, key }).await {
            Ok(acted) => self.acted(acted, &tenant, &id).await,
            Err(ActError::Duplicate { run, request_digest }) => {
                self.duplicate(&tenant, run, &request_digest, &digest).await
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn acted(&self, acted: Acted, tenant: &TenantId, run: &TaskId) -> Result<Task, Error> {
        Ok(convert::task(match acted {
            Acted::Here(state) => RunRow::of(&state),
            Acted::There => self.kernel.row(tenant, run.as_str()).await?,
        }))
    }

    pub(super) async fn duplicate(
        &self,
        tenant: &TenantId,
        run: String,
        seen: &str,
        digest: &str,
    ) -> Result<Task, Error> {
        if seen != digest {
            let message = format!("the idempotency key was used before for another request, which started {run}");
            return Err(Error::new(ErrorCode::Conflict, message));
        }
        Ok(Task { duplicate: true, ..convert::task(self.kernel.row(tenant, &run).await?) })
    }

    pub(super) async fn get(self, _context: CallContext, request: GetTaskRequest) -> Result<Task, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        match self.kernel.row(&tenant, &request.task_id).await {
            Err(error) if error.code == ErrorCode::NotFound => {
                let archived = self.archived(&tenant, &request.task_id).await?;
                archived.map(|row| retention::task(&row)).ok_or(error)
            }
            row => Ok(convert::task(row?)),
        }
    }

    /// As `get`, but answers when the task is over or the time has passed.
    pub(super) async fn wait(self, context: CallContext, request: WaitTaskRequest) -> Result<Task, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        let asked = Duration::from_millis(request.within_ms);
        // The answer itself needs a moment.
        let until = Instant::now() + asked.min(context.remaining()?.saturating_sub(ANSWER));
        let run = TaskId::new(&request.task_id).map_err(|error| convert::invalid(error.to_string()))?;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.kernel.ended(&tenant, &run, left.min(LOOK_AGAIN)).await {
                Ok(Some(state)) if state.run.tenant == tenant => return Ok(convert::task(RunRow::of(&state))),
                Ok(_) => {}
                // Its owner is not there just now; the row says more, a little later.
                Err(error) => {
                    tracing::debug!(task.id = %run, %error, "a task cannot be watched");
                    tokio::time::sleep(left.min(Duration::from_millis(200))).await;
                }
            }
            let row = self.kernel.row(&tenant, &request.task_id).await?;
            if row.finished_ms > 0 || Instant::now() >= until {
                return Ok(convert::task(row));
            }
        }
    }

    pub(super) async fn list(self, _context: CallContext, request: ListTasksRequest) -> Result<ListTasksReply, Error> {
        let filter = convert::run_filter(&request)?;
        let (tenant, _) = convert::caller(request.caller)?;
        let page = page(request.limit, request.cursor);
        let limit = page.limit;
        let rows = self.kernel.store.runs(tenant.to_string(), filter, page).await?;
        let next_cursor = next_cursor(rows.last().map(|row| row.id.clone()), rows.len(), limit);
        // What is too long for a row is read with the task itself.
        let shown =
            |row: RunRow| RunRow { input: payloads::shown(row.input), output: payloads::shown(row.output), ..row };
        let tasks = rows.into_iter().map(|row| convert::task(shown(row))).collect();
        Ok(ListTasksReply { tasks, next_cursor })
    }

    pub(super) async fn cancel(self, _context: CallContext, request: CancelTaskRequest) -> Result<Task, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let command = Command::Cancel { by: person.principal, reason: request.reason };
        self.end(&tenant, &request.task_id, command).await
    }

    pub(super) async fn history(
        self,
        _context: CallContext,
        request: TaskHistoryRequest,
    ) -> Result<TaskHistoryReply, Error> {
        let (tenant, _) = convert::caller(request.caller.clone())?;
        let limit = if request.limit == 0 { EVENTS_DEFAULT } else { request.limit.min(EVENTS_MAX) };
        // Read before the events: a task that is over by now has none after those that follow.
        let row = match self.kernel.row(&tenant, &request.task_id).await {
            Err(error) if error.code == ErrorCode::NotFound => {
                let archived = self.archived(&tenant, &request.task_id).await?.ok_or(error)?;
                return self.archived_history(&tenant, &archived, &request, limit).await;
            }
            row => row?,
        };
        let after = i64::try_from(request.after_seq).unwrap_or(i64::MAX);
        let moves = self.kernel.store.journal(row.id.clone(), after, i64::from(limit)).await?;
        let mut events = EventPage::new(limit);
        for it in moves {
            let first = u64::try_from(it.seq).unwrap_or(0);
            let found = self.kernel.events(&tenant, it.events).await?;
            for (seq, event) in (first..).zip(&found).filter(|(seq, _)| *seq > request.after_seq) {
                events.add(convert::event(&row.id, seq, event));
            }
            if events.is_full {
                break;
            }
        }
        let last = events.taken.last().map_or(request.after_seq, |event| event.seq);
        let finished = row.finished_ms > 0 && last >= u64::try_from(row.seq).unwrap_or(0);
        Ok(TaskHistoryReply { events: events.taken, finished })
    }
}

fn attributes(attributes: HashMap<String, String>) -> Result<BTreeMap<String, String>, Error> {
    let attributes = attributes.into_iter().collect();
    check_attributes(&attributes, 0).map_err(convert::invalid)?;
    Ok(attributes)
}

/// As many events as were asked for and one message takes, and at least one: what an event that is too large itself holds
/// is left out.
pub(super) struct EventPage {
    limit: usize,
    pub(super) taken: Vec<TaskEvent>,
    bytes: usize,
    pub(super) is_full: bool,
}

impl EventPage {
    pub(super) fn new(limit: u32) -> Self {
        Self { limit: usize::try_from(limit).unwrap_or(usize::MAX), taken: Vec::new(), bytes: 0, is_full: false }
    }

    pub(super) fn add(&mut self, mut event: TaskEvent) {
        let bytes = event.data_json.len();
        self.is_full |= self.taken.len() >= self.limit || (self.bytes + bytes > EVENTS_BYTES_MAX && self.bytes > 0);
        if self.is_full {
            return;
        }
        if bytes > EVENTS_BYTES_MAX {
            event.data_json = serde_json::json!({ "omitted_bytes": bytes }).to_string();
        }
        self.bytes += bytes;
        self.taken.push(event);
    }
}
