//! Operations on many runs: creating one, looking at it, and stopping it.

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    Batch, ControlBatchRequest, CreateBatchRequest, GetBatchRequest, ListBatchesReply, ListBatchesRequest,
};
use orrery_types::{BatchId, TenantId, UnixMillis};
use serde_json::json;
use uuid::Uuid;

use super::{Api, next_cursor, page};
use crate::bus::convert_batch::{self, Wanted};
use crate::bus::{batch_facts, convert};
use crate::domain::batch::{BatchState, Operation};
use crate::store::{BatchRow, Created, RunFilter, partition_of_batch};

/// Longest idempotency key.
const KEY_BYTES_MAX: usize = 256;

impl Api {
    pub(super) async fn create_batch(self, _context: CallContext, request: CreateBatchRequest) -> Result<Batch, Error> {
        let (tenant, person) = convert::caller(request.caller.clone())?;
        if request.idempotency_key.len() > KEY_BYTES_MAX {
            return Err(convert::invalid(format!("the idempotency key is longer than {KEY_BYTES_MAX} bytes")));
        }
        let wanted = convert_batch::wanted(&request)?;
        let asked = convert_batch::filter(request.filter.as_ref())?;
        let rate = convert_batch::rate(request.rate, self.kernel.batches.rate_max)?;
        let digest = convert_batch::request_digest(&request, &asked, &person.principal);
        if !request.idempotency_key.is_empty() {
            let key = request.idempotency_key.clone();
            if let Some(seen) = self.kernel.store.batch_by_key(tenant.to_string(), key).await? {
                return same(seen, &digest);
            }
        }
        let operation = self.operation(&tenant, wanted).await?;
        let now = UnixMillis::now();
        let now_ms = i64::try_from(now.0).unwrap_or(i64::MAX);
        let filter = bounded(asked, &operation, now_ms)?;
        let total = self.kernel.store.count_runs(tenant.to_string(), filter.clone()).await?;
        let id = BatchId::from_uuid(Uuid::now_v7());
        let row = BatchRow {
            partition: partition_of_batch(&tenant, &id),
            id: id.to_string(),
            tenant: tenant.to_string(),
            idempotency_key: request.idempotency_key,
            request_digest: digest.clone(),
            operation: json!(operation).to_string(),
            filter: json!(filter).to_string(),
            rate,
            created_by: person.principal,
            reason: request.reason,
            state: BatchState::Running.word().to_owned(),
            after_run: String::new(),
            page: "[]".to_owned(),
            total,
            done: 0,
            failed: 0,
            skipped: 0,
            created_ms: now_ms,
            updated_ms: now_ms,
            finished_ms: 0,
        };
        if request.dry_run {
            return Ok(convert_batch::batch(BatchRow { id: String::new(), ..row }, Vec::new()));
        }
        let active_max = self.kernel.batches.active_max;
        let messages = batch_facts::created(&row, now);
        match self.kernel.store.create_batch(row.clone(), i64::from(active_max), messages).await? {
            Created::New => {
                self.kernel.outbox.wake();
                Ok(convert_batch::batch(row, Vec::new()))
            }
            Created::Seen(seen) => same(*seen, &digest),
            Created::Full => {
                let message = format!(
                    "{active_max} batches of the tenant are under way: wait for one of them to finish, or cancel one"
                );
                Err(Error::new(ErrorCode::RateLimited, message).retry_after(std::time::Duration::from_secs(10)))
            }
        }
    }

    /// The operation with what only the database knows.
    async fn operation(&self, tenant: &TenantId, wanted: Wanted) -> Result<Operation, Error> {
        match wanted {
            Wanted::Operation(operation) => Ok(operation),
            Wanted::Migrate(version) => {
                let (target, definition) = self.kernel.definitions.resolve(tenant.as_str(), &version).await?;
                let workflow = (target.namespace, target.name, target.version);
                Ok(Operation::Migrate { workflow, definition: definition.hash })
            }
        }
    }

    pub(super) async fn batch(self, _context: CallContext, request: GetBatchRequest) -> Result<Batch, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        let row = self.kernel.store.batch(tenant.to_string(), request.batch_id.clone()).await?;
        self.with_failures(row.ok_or_else(|| missing(&request.batch_id))?).await
    }

    async fn with_failures(&self, row: BatchRow) -> Result<Batch, Error> {
        let failures = self.kernel.store.batch_failures(row.id.clone()).await?;
        Ok(convert_batch::batch(row, failures))
    }

    pub(super) async fn batches(
        self,
        _context: CallContext,
        request: ListBatchesRequest,
    ) -> Result<ListBatchesReply, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        let states = convert_batch::state_words(&request.states)?;
        let page = page(request.limit, request.cursor);
        let limit = page.limit;
        let rows = self.kernel.store.batches(tenant.to_string(), states, page).await?;
        let next_cursor = next_cursor(rows.last().map(|row| row.id.clone()), rows.len(), limit);
        let batches = rows.into_iter().map(|row| convert_batch::batch(row, Vec::new())).collect();
        Ok(ListBatchesReply { batches, next_cursor })
    }

    pub(super) async fn pause_batch(self, _context: CallContext, request: ControlBatchRequest) -> Result<Batch, Error> {
        self.change_batch(request, BatchState::Paused).await
    }

    pub(super) async fn resume_batch(
        self,
        _context: CallContext,
        request: ControlBatchRequest,
    ) -> Result<Batch, Error> {
        self.change_batch(request, BatchState::Running).await
    }

    pub(super) async fn cancel_batch(
        self,
        _context: CallContext,
        request: ControlBatchRequest,
    ) -> Result<Batch, Error> {
        self.change_batch(request, BatchState::Cancelled).await
    }

    async fn change_batch(&self, request: ControlBatchRequest, to: BatchState) -> Result<Batch, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let now = UnixMillis::now();
        let decide = move |row: &BatchRow| {
            let refused = |reason| Refused::State(Error::new(ErrorCode::FailedPrecondition, reason));
            let to = row.state().to(to).map_err(refused)?;
            Ok::<_, Refused>(to.map(|to| (to, batch_facts::changed(row, to, &person.principal, row.tally(), now))))
        };
        let now_ms = i64::try_from(now.0).unwrap_or(i64::MAX);
        let changed =
            self.kernel.store.change_batch(tenant.to_string(), request.batch_id.clone(), now_ms, decide).await;
        let row = changed.map_err(Error::from)?.ok_or_else(|| missing(&request.batch_id))?;
        self.kernel.outbox.wake();
        self.with_failures(row).await
    }
}

/// Why a batch was not changed.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    State(Error),
    #[error(transparent)]
    Store(#[from] orrery_store::StoreError),
}

impl From<diesel::result::Error> for Refused {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::State(error) => error,
            Refused::Store(error) => error.into(),
        }
    }
}

/// The filter with the statuses that the operation is for, and with now as its bound: what starts later is not meant.
fn bounded(asked: RunFilter, operation: &Operation, now_ms: i64) -> Result<RunFilter, Error> {
    let statuses = operation.statuses(asked.statuses).map_err(convert::invalid)?;
    // Up to and with this millisecond.
    let next = now_ms.saturating_add(1);
    let before = asked.created_before.map_or(next, |asked| asked.min(next));
    Ok(RunFilter { statuses, created_before: Some(before), ..asked })
}

fn same(seen: BatchRow, digest: &str) -> Result<Batch, Error> {
    if seen.request_digest != digest {
        let message = format!("the idempotency key was used before for another request, which made {}", seen.id);
        return Err(Error::new(ErrorCode::Conflict, message));
    }
    Ok(Batch { duplicate: true, ..convert_batch::batch(seen, Vec::new()) })
}

fn missing(id: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("there is no batch {id:?}"))
}
