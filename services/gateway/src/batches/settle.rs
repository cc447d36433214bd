//! What nobody else comes back to: batches that the kernel has not been told of, batches whose task ended without ending them,
//! and files that are over.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::TaskStatus;
use orrery_types::UnixMillis;

use super::finish::{Why, finish};
use crate::domain::batch::Fault;
use crate::http::Gateway;
use crate::store::{BatchRow, integer, tenant_of};

/// Batches that are looked at in one sweep.
const BATCHES_MAX: i64 = 10_000;
/// A batch that is younger is still being begun by who took it in.
const YOUNG_MS: i64 = 10_000;
/// A task that was cancelled by itself leaves its lines under way so long to be answered and kept.
const ANSWERED_MS: i64 = 30_000;

/// One sweep over all that is open.
pub async fn settle(gateway: &Gateway) -> Result<(), Error> {
    for row in gateway.batches.control.batches_open(BATCHES_MAX).await? {
        if let Err(error) = settle_one(gateway, &row).await {
            tracing::warn!(%error, batch.id = row.id, "the batch was not looked after");
        }
    }
    gateway.files.sweep().await
}

fn before(millis: i64) -> i64 {
    integer(UnixMillis::now().0).saturating_sub(millis)
}

async fn settle_one(gateway: &Gateway, row: &BatchRow) -> Result<(), Error> {
    if row.task_id.is_empty() {
        if row.created_ms > before(YOUNG_MS) {
            return Ok(());
        }
        return match gateway.batches.begin(row).await {
            Err(error) if !error.code.retryable() => {
                let fault = Fault::whole("task_not_started", format!("the batch cannot be run: {}", error.message));
                finish(gateway, row, Why::Abandoned(fault)).await.map(drop)
            }
            begun => begun.map(drop),
        };
    }
    let why = match gateway.batches.task(row).await {
        Ok(task) => match task.status() {
            TaskStatus::Cancelled | TaskStatus::Terminated => {
                gateway.batches.control.cancel_batch(&tenant_of(&row.tenant)?, &row.id, UnixMillis::now()).await?;
                if row.cancelling_ms == 0 || row.cancelling_ms > before(ANSWERED_MS) {
                    return Ok(());
                }
                Why::Cancelled
            }
            TaskStatus::Faulted | TaskStatus::Completed => {
                let why =
                    format!("the task {} that ran the batch ended without ending it: {}", task.id, task.error_json);
                Why::Abandoned(Fault::whole("task_faulted", why))
            }
            _ => return Ok(()),
        },
        Err(error) if error.code == ErrorCode::NotFound => {
            let why = format!("the task {} that ran the batch is gone", row.task_id);
            Why::Abandoned(Fault::whole("task_gone", why))
        }
        Err(error) => return Err(error),
    };
    // It may have ended between being read and being judged.
    let row =
        gateway.batches.control.batch(&tenant_of(&row.tenant)?, &row.id).await?.filter(|row| row.finished_ms == 0);
    match row {
        Some(row) => finish(gateway, &row, why).await.map(drop),
        None => Ok(()),
    }
}
