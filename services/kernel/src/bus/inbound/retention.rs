//! How long tasks are kept after their end, and where those that were removed are archived.

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    self, Archive, GetArchiveRequest, ListRetentionRequest, RemoveRetentionRequest, RetentionReply, RetentionRule,
    SetRetentionRequest, Task, TaskEvent, TaskHistoryReply, TaskHistoryRequest,
};
use orrery_types::{TenantId, UnixMillis};

use super::Api;
use super::tasks::EventPage;
use crate::archives;
use crate::bus::{convert, retention_facts};
use crate::domain::retention;
use crate::store::{ArchiveRow, RetentionRow};

impl Api {
    pub(super) async fn retention(
        self,
        _context: CallContext,
        request: ListRetentionRequest,
    ) -> Result<RetentionReply, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        self.rules(&tenant, false).await
    }

    pub(super) async fn set_retention(
        self,
        _context: CallContext,
        request: SetRetentionRequest,
    ) -> Result<RetentionReply, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let rule = request.rule.ok_or_else(|| convert::invalid("the rule is missing"))?;
        let keep_ms = i64::try_from(rule.keep_ms).unwrap_or(i64::MAX);
        retention::check(keep_ms, self.kernel.retention.keep_ms_min).map_err(convert::invalid)?;
        // A workflow has to be there, so that no typing error keeps for good what should go.
        let workflow = match rule.workflow.as_str() {
            "" => String::new(),
            name => self.kernel.definitions.resolve(tenant.as_str(), name).await?.0.name,
        };
        let row = RetentionRow { tenant: tenant.to_string(), workflow, keep_ms, archive: rule.archive };
        if self.kernel.store.retention().await?.contains(&row) {
            return self.rules(&tenant, false).await;
        }
        let messages = retention_facts::changed(&row, true, &person.principal, UnixMillis::now());
        if !self.kernel.store.set_retention(row, messages).await? {
            let message = "the tenant has as many rules as it may: take one away first";
            return Err(Error::new(ErrorCode::FailedPrecondition, message));
        }
        self.kernel.outbox.wake();
        self.rules(&tenant, true).await
    }

    pub(super) async fn remove_retention(
        self,
        _context: CallContext,
        request: RemoveRetentionRequest,
    ) -> Result<RetentionReply, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let row =
            RetentionRow { tenant: tenant.to_string(), workflow: request.workflow.clone(), keep_ms: 0, archive: false };
        let messages = retention_facts::changed(&row, false, &person.principal, UnixMillis::now());
        let removed = self.kernel.store.remove_retention(row.tenant, row.workflow, messages).await?;
        self.kernel.outbox.wake();
        self.rules(&tenant, removed).await
    }

    async fn rules(&self, tenant: &TenantId, changed: bool) -> Result<RetentionReply, Error> {
        let rows = self.kernel.store.retention().await?;
        let rule =
            |workflow, keep_ms, archive| RetentionRule { workflow, keep_ms: convert::unsigned(keep_ms), archive };
        let own = rows.into_iter().filter(|row| row.tenant == tenant.as_str());
        let system = self.kernel.retention;
        Ok(RetentionReply {
            changed,
            rules: own.map(|row| rule(row.workflow, row.keep_ms, row.archive)).collect(),
            system: system.keep_ms.map(|keep_ms| rule(String::new(), keep_ms, system.archive)),
        })
    }

    pub(super) async fn archive(self, _context: CallContext, request: GetArchiveRequest) -> Result<Archive, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        match self.archived(&tenant, &request.task_id).await? {
            Some(row) => Ok(archive(&row)),
            None => {
                // Whether there is such a task at all is said first.
                self.kernel.row(&tenant, &request.task_id).await?;
                let message = "the task is not archived: it is still kept as it is";
                Err(Error::new(ErrorCode::FailedPrecondition, message))
            }
        }
    }

    pub(super) async fn archived(&self, tenant: &TenantId, task: &str) -> Result<Option<ArchiveRow>, Error> {
        Ok(self.kernel.store.archived(tenant.to_string(), task.to_owned()).await?)
    }

    /// The history of a task that was removed, from its archive.
    pub(super) async fn archived_history(
        &self,
        tenant: &TenantId,
        row: &ArchiveRow,
        request: &TaskHistoryRequest,
        limit: u32,
    ) -> Result<TaskHistoryReply, Error> {
        let events = archives::history(&self.kernel, tenant, row).await?;
        let last = events.len() as u64;
        let mut page = EventPage::new(limit);
        for (seq, event) in (1..).zip(&events).filter(|(seq, _)| *seq > request.after_seq) {
            page.add(convert::event(&row.run_id, seq, event));
            if page.is_full {
                break;
            }
        }
        let events: Vec<TaskEvent> = page.taken;
        let shown = events.last().map_or(request.after_seq, |event| event.seq);
        Ok(TaskHistoryReply { finished: shown >= last, events })
    }
}

fn archive(row: &ArchiveRow) -> Archive {
    Archive { blob: Some(archives::blob(row)), archived_at_ms: convert::unsigned(row.archived_ms) }
}

/// A task that was removed, as far as it can be told without its archive.
pub(super) fn task(row: &ArchiveRow) -> Task {
    v1::Task {
        id: row.run_id.clone(),
        tenant: row.tenant.clone(),
        workflow: format!("{}:{}", row.workflow, row.version),
        definition_hash: row.definition_hash.clone(),
        status: convert::task_status(&row.status).into(),
        submitted_by: row.submitted_by.clone(),
        created_at_ms: convert::unsigned(row.created_ms),
        updated_at_ms: convert::unsigned(row.finished_ms),
        finished_at_ms: convert::unsigned(row.finished_ms),
        archive: Some(archive(row)),
        ..Task::default()
    }
}
