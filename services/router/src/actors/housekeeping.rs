//! Tasks beside the calls.

use std::time::Duration;

use orrery_bus::Bus;
use orrery_store::StoreError;
use orrery_supervise::TaskSpec;
use orrery_types::UnixMillis;

use crate::calls::REPLY_KEPT;
use crate::store::Ledger;

const PERIOD: Duration = Duration::from_secs(600);

/// Carries audit records from the outbox to the bus; a row goes only when the bus has stored its record.
pub fn outbox(ledger: &Ledger, bus: &Bus) -> TaskSpec {
    let (pump, bus) = (ledger.pump().clone(), bus.clone());
    TaskSpec::new("outbox", move |task| {
        let (pump, bus) = (pump.clone(), bus.clone());
        async move {
            let publish = |message: orrery_store::outbox::Message| {
                let bus = bus.clone();
                async move { bus.publish_durable(message.subject, &message.message_id, message.payload).await }
            };
            tokio::select! {
                ended = pump.run(publish) => ended,
                () = task.draining() => Ok(()),
            }
        }
    })
}

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
