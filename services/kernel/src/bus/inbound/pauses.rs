//! Pausing and resuming a run, a workflow or a tenant.

use orrery_bus::CallContext;
use orrery_errors::Error;
use orrery_proto::v1::{ListPausesRequest, Pause, PauseReply, PauseRequest, PauseTarget, ResumeRequest, pause_target};
use orrery_types::{TenantId, UnixMillis};
use uuid::Uuid;

use super::Api;
use super::control::task_id;
use crate::bus::{control_facts, convert};
use crate::domain::command::{Command, Scope};
use crate::store::PauseRow;

/// Longest reason.
const REASON_BYTES_MAX: usize = 4_000;

impl Api {
    pub(super) async fn pause(self, _context: CallContext, request: PauseRequest) -> Result<PauseReply, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        if request.reason.len() > REASON_BYTES_MAX {
            return Err(convert::invalid(format!("the reason is longer than {REASON_BYTES_MAX} bytes")));
        }
        let (by, reason) = (person.principal, request.reason);
        let changed = match kind(request.target)? {
            pause_target::Kind::TaskId(task) => {
                self.hold(&tenant, &task, Command::Pause { scope: Scope::Run, by, reason }).await?
            }
            many => {
                let workflow = self.workflow(&tenant, many).await?;
                let paused_ms = i64::try_from(UnixMillis::now().0).unwrap_or(i64::MAX);
                let row = PauseRow { tenant: tenant.to_string(), workflow, paused_by: by, reason, paused_ms };
                let told = control_facts::many(&row, true, &row.paused_by, UnixMillis::now(), &fresh());
                self.kernel.store.pause(row, told).await?
            }
        };
        self.paused(&tenant, changed).await
    }

    pub(super) async fn resume(self, _context: CallContext, request: ResumeRequest) -> Result<PauseReply, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let changed = match kind(request.target)? {
            pause_target::Kind::TaskId(task) => {
                self.hold(&tenant, &task, Command::Resume { scope: Scope::Run, by: person.principal }).await?
            }
            many => {
                let workflow = self.workflow(&tenant, many).await?;
                let (tenant, reason) = (tenant.to_string(), String::new());
                let row = PauseRow { tenant, workflow, paused_by: person.principal.clone(), reason, paused_ms: 0 };
                let told = control_facts::many(&row, false, &person.principal, UnixMillis::now(), &fresh());
                self.kernel.store.resume(row.tenant, row.workflow, told).await?
            }
        };
        self.paused(&tenant, changed).await
    }

    pub(super) async fn pauses(self, _context: CallContext, request: ListPausesRequest) -> Result<PauseReply, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        self.paused(&tenant, false).await
    }

    /// What is paused now; runs that start from here on know it at once.
    async fn paused(&self, tenant: &TenantId, changed: bool) -> Result<PauseReply, Error> {
        let rows = self.kernel.store.pauses().await?;
        self.kernel.pauses.replace(&rows);
        self.kernel.outbox.wake();
        let pause = |row: PauseRow| Pause {
            workflow: row.workflow,
            by: row.paused_by,
            reason: row.reason,
            at_ms: u64::try_from(row.paused_ms).unwrap_or(0),
        };
        let pauses = rows.into_iter().filter(|row| row.tenant == tenant.as_str()).map(pause).collect();
        Ok(PauseReply { changed, pauses })
    }

    async fn hold(&self, tenant: &TenantId, task: &str, command: Command) -> Result<bool, Error> {
        let row = self.kernel.row(tenant, task).await?;
        let id = task_id(&row)?;
        self.send(tenant, &id, command).await?;
        Ok(self.kernel.row(tenant, task).await?.seq > row.seq)
    }

    /// The workflow that a target names; none for the tenant. It has to be there, so that no typing error pauses nothing.
    async fn workflow(&self, tenant: &TenantId, target: pause_target::Kind) -> Result<String, Error> {
        match target {
            pause_target::Kind::Workflow(name) if !name.is_empty() => {
                self.kernel.definitions.resolve(tenant.as_str(), &name).await.map(|(row, _)| row.name)
            }
            pause_target::Kind::Tenant(true) => Ok(String::new()),
            _ => Err(convert::invalid("the target names a task, a workflow or the tenant")),
        }
    }
}

/// Names one pause or resumption, so that the next is told of as well.
fn fresh() -> String {
    Uuid::now_v7().to_string()
}

fn kind(target: Option<PauseTarget>) -> Result<pause_target::Kind, Error> {
    target.and_then(|target| target.kind).ok_or_else(|| convert::invalid("the target is missing"))
}
