//! Forgetting what is too old to be asked for again.

use std::time::Duration;

use orrery_dataplane::REPLY_KEPT;
use orrery_store::StoreError;
use orrery_supervise::TaskSpec;
use orrery_types::UnixMillis;

use crate::store::Ledger;

const PERIOD: Duration = Duration::from_secs(600);
/// Accounts stay for some time after the longest window, a month, has ended: calls of its last moments come late.
const WINDOWS_KEPT: Duration = Duration::from_secs(40 * 86_400);
/// Decisions older than this are not made again.
const STATISTICS_KEPT: Duration = WINDOWS_KEPT;

/// Forgets replies of keyed calls, statistics and windows of limits that are too old.
pub fn housekeeping(ledger: &Ledger) -> TaskSpec {
    let ledger = ledger.clone();
    TaskSpec::new("housekeeping", move |task| {
        let ledger = ledger.clone();
        async move {
            loop {
                let replies = ledger.forget_replies(before(REPLY_KEPT)).await?;
                let windows = ledger.forget_windows(before(WINDOWS_KEPT)).await?;
                let statistics = ledger.forget_statistics(before(STATISTICS_KEPT)).await?;
                if replies + windows + statistics > 0 {
                    tracing::info!(
                        replies.forgotten = replies,
                        windows.forgotten = windows,
                        statistics.forgotten = statistics,
                        "forgot what is old"
                    );
                }
                tokio::select! {
                    () = tokio::time::sleep(PERIOD) => {}
                    () = task.draining() => return Ok::<(), StoreError>(()),
                }
            }
        }
    })
}

fn before(kept: Duration) -> UnixMillis {
    let kept = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
    UnixMillis(UnixMillis::now().0.saturating_sub(kept))
}
