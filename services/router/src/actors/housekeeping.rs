//! Forgetting what is too old to be asked for again.

use std::time::Duration;

use orrery_store::StoreError;
use orrery_supervise::TaskSpec;
use orrery_types::UnixMillis;

use crate::calls::REPLY_KEPT;
use crate::store::Ledger;

const PERIOD: Duration = Duration::from_secs(600);

/// Forgets replies of keyed calls that are too old.
pub fn replies(ledger: &Ledger) -> TaskSpec {
    let ledger = ledger.clone();
    TaskSpec::new("replies", move |task| {
        let ledger = ledger.clone();
        async move {
            loop {
                let before = UnixMillis(UnixMillis::now().0.saturating_sub(millis(REPLY_KEPT)));
                let forgotten = ledger.forget_replies(before).await?;
                if forgotten > 0 {
                    tracing::info!(replies.forgotten = forgotten, "forgot old replies");
                }
                tokio::select! {
                    () = tokio::time::sleep(PERIOD) => {}
                    () = task.draining() => return Ok::<(), StoreError>(()),
                }
            }
        }
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
