//! Control of one run: signals, updates and queries, and its end by force.

use std::sync::Arc;

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{CancelTaskRequest, QueryTaskReply, QueryTaskRequest, SignalTaskRequest, Task, UpdateTaskReply};
use orrery_types::{TaskId, TenantId, UnixMillis};
use serde_json::Value;

use super::Api;
use crate::bus::convert;
use crate::domain::command::{Command, Reject, Signal};
use crate::domain::live::Live;
use crate::domain::state::State;
use crate::domain::transition::PAYLOAD_BYTES_MAX;
use crate::error::ActError;
use crate::kernel::Acted;
use crate::store::RunRow;

/// Longest answer to a query.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Api {
    pub(super) async fn terminate(self, _context: CallContext, request: CancelTaskRequest) -> Result<Task, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let command = Command::Terminate { by: person.principal, reason: request.reason, replaced_by: None };
        self.end(&tenant, &request.task_id, command).await
    }

    /// Ends a run; what is over stays as it ended, and the answer says how.
    pub(super) async fn end(&self, tenant: &TenantId, task: &str, command: Command) -> Result<Task, Error> {
        let id = task_id(&self.kernel.row(tenant, task).await?)?;
        match self.kernel.act(tenant, &id, command).await {
            Ok(acted) => self.acted(acted, tenant, &id).await,
            Err(ActError::Rejected(Reject::Over) | ActError::Unknown) => {
                let row = self.kernel.row(tenant, task).await?;
                if row.finished_ms == 0 {
                    let message = "the journal of this task cannot be read; `orrery status` and the log say why";
                    return Err(Error::new(ErrorCode::DataCorrupted, message));
                }
                Ok(convert::task(row))
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn signal(self, _context: CallContext, request: SignalTaskRequest) -> Result<Task, Error> {
        let (tenant, signal, id) = self.message(request).await?;
        let acted = self.send(&tenant, &id, Command::Signal(Box::new(signal))).await?;
        self.acted(acted, &tenant, &id).await
    }

    pub(super) async fn update(
        self,
        _context: CallContext,
        request: SignalTaskRequest,
    ) -> Result<UpdateTaskReply, Error> {
        let (tenant, signal, id) = self.message(request).await?;
        let (name, payload) = (signal.name.clone(), signal.payload.clone());
        let state = match self.send(&tenant, &id, Command::Update(Box::new(signal))).await? {
            Acted::Here(state) => state,
            Acted::There => self.kernel.state(&tenant, &id).await?,
        };
        let result = self.ask(&tenant, state, payload, move |live| live.update_result(&name)).await?;
        Ok(UpdateTaskReply { result_json: result })
    }

    pub(super) async fn query(self, _context: CallContext, request: QueryTaskRequest) -> Result<QueryTaskReply, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        let payload = payload(&request.payload_json)?;
        let id = task_id(&self.kernel.row(&tenant, &request.task_id).await?)?;
        let state = self.kernel.state(&tenant, &id).await?;
        let name = request.name;
        let result = self.ask(&tenant, state, payload, move |live| live.query(&name)).await?;
        Ok(QueryTaskReply { result_json: result })
    }

    async fn message(&self, request: SignalTaskRequest) -> Result<(TenantId, Signal, TaskId), Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let payload = payload(&request.payload_json)?;
        let id = task_id(&self.kernel.row(&tenant, &request.task_id).await?)?;
        let signal = Signal { key: request.idempotency_key, name: request.name, payload, by: person.principal };
        Ok((tenant, signal, id))
    }

    pub(super) async fn send(&self, tenant: &TenantId, id: &TaskId, command: Command) -> Result<Acted, Error> {
        match self.kernel.act(tenant, id, command).await {
            Err(ActError::Unknown) => Err(ActError::Rejected(Reject::Over).into()),
            other => other.map_err(Error::from),
        }
    }

    /// Asks a state something; expressions are bounded but not quick, so not on an actor's thread.
    async fn ask(
        &self,
        tenant: &TenantId,
        state: Arc<State>,
        payload: Arc<Value>,
        question: impl FnOnce(&Live<'_>) -> Result<Value, Reject> + Send + 'static,
    ) -> Result<String, Error> {
        let definition = self.kernel.definitions.pinned(tenant.as_str(), &state.run.definition.to_string()).await?;
        let asking = tokio::task::spawn_blocking(move || {
            let now = UnixMillis::now();
            let live = Live { state: &state, definition: &definition, payload: &payload, now };
            question(&live).map(|answer| answer.to_string())
        });
        let answer = asking.await.map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))?;
        let answer = answer.map_err(|reject| Error::from(ActError::Rejected(reject)))?;
        if answer.len() > ANSWER_BYTES_MAX {
            let message = format!("the answer is longer than {ANSWER_BYTES_MAX} bytes: ask for a part of it");
            return Err(Error::new(ErrorCode::PayloadTooLarge, message));
        }
        Ok(answer)
    }
}

pub(super) fn task_id(row: &RunRow) -> Result<TaskId, Error> {
    TaskId::new(&row.id).map_err(|error| convert::invalid(error.to_string()))
}

fn payload(text: &str) -> Result<Arc<Value>, Error> {
    if text.len() > PAYLOAD_BYTES_MAX {
        let message = format!("the payload is longer than {PAYLOAD_BYTES_MAX} bytes: send a reference instead");
        return Err(Error::new(ErrorCode::PayloadTooLarge, message));
    }
    let parsed = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(text) };
    parsed.map(Arc::new).map_err(|error| convert::invalid(format!("the payload is not JSON: {error}")))
}
