//! Carries audit records from the outbox to the bus.

use orrery_bus::Bus;
use orrery_store::StoreError;
use orrery_supervise::TaskSpec;

use crate::store::ControlPlane;

/// The supervised pump.
pub fn outbox(control: &ControlPlane, bus: &Bus) -> TaskSpec {
    let (pump, bus) = (control.pump().clone(), bus.clone());
    TaskSpec::new("outbox", move |task| {
        let (pump, bus) = (pump.clone(), bus.clone());
        async move {
            let publish = |message: orrery_store::outbox::Message| {
                let bus = bus.clone();
                async move { bus.publish_durable(message.subject, &message.message_id, message.payload).await }
            };
            tokio::select! {
                failed = pump.run(publish) => failed,
                () = task.draining() => Ok::<(), StoreError>(()),
            }
        }
    })
}
