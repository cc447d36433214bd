//! Publishes the outbox. A row goes only when JetStream has stored its message.

use std::sync::Arc;

use orrery_store::StoreError;
use orrery_supervise::TaskSpec;

use crate::kernel::Kernel;

/// The supervised publisher.
pub fn spec(kernel: Arc<Kernel>) -> TaskSpec {
    TaskSpec::new("publisher", move |task| {
        let kernel = kernel.clone();
        async move {
            let bus = kernel.bus.clone();
            let publish = move |message: orrery_store::outbox::Message| {
                let bus = bus.clone();
                async move { bus.publish_durable(message.subject, &message.message_id, message.payload).await }
            };
            tokio::select! {
                ended = kernel.outbox.run(publish) => ended,
                () = task.draining() => Ok::<(), StoreError>(()),
            }
        }
    })
}
