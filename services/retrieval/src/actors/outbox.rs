//! Carries audit records from the outbox to the bus; a row goes only when the bus has stored its record.

use orrery_bus::Bus;
use orrery_store::StoreError;
use orrery_store::outbox::Message;
use orrery_supervise::TaskSpec;

use crate::store::KnowledgeStore;

/// The supervised pump.
pub fn spec(store: &KnowledgeStore, bus: &Bus) -> TaskSpec {
    let (pump, bus) = (store.pump().clone(), bus.clone());
    TaskSpec::new("outbox", move |task| {
        let (pump, bus) = (pump.clone(), bus.clone());
        async move {
            let publish = |message: Message| {
                let bus = bus.clone();
                async move { bus.publish_durable(message.subject, &message.message_id, message.payload).await }
            };
            tokio::select! {
                ended = pump.run(publish) => ended,
                () = task.draining() => Ok::<(), StoreError>(()),
            }
        }
    })
}
