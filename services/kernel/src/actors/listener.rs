//! Brings the events of the bus to the runs and schedules that wait for them. An event is acknowledged once everyone whom it
//! concerns has taken it; whoever gets it a second time notices.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use orrery_bus::{ConsumerSpec, Delivery, subjects};
use orrery_errors::Error;
use orrery_supervise::{TaskContext, TaskSpec};
use orrery_types::{TaskId, TenantId};
use serde_json::Value;

use super::starter;
use crate::domain::command::Command;
use crate::domain::consumption;
use crate::kernel::Kernel;

const DURABLE: &str = "kernel-listener";
/// Events handed out and not yet acknowledged, over all kernels.
const PENDING_MAX: i64 = 1_024;
/// How long events that a killed process held are withheld from the next one. Too short only costs repeats.
const ACK_WAIT: Duration = Duration::from_secs(15);
/// Runs that are told of an event at the same time.
const DELIVERIES: usize = 256;
/// Pause after a failure of the bus or the database.
const PAUSE: Duration = Duration::from_millis(500);

/// The supervised consumer.
pub fn spec(kernel: Arc<Kernel>) -> TaskSpec {
    TaskSpec::new("listener", move |task| {
        let kernel = kernel.clone();
        async move {
            run(&kernel, &task).await;
            Ok::<(), Error>(())
        }
    })
}

/// Runs until drained. The bus or the database being away is waited out here: it is no fault of this process.
async fn run(kernel: &Arc<Kernel>, task: &TaskContext) {
    while !task.is_draining() {
        if let Err(error) = consume(kernel, task).await {
            tracing::warn!(%error, "the stream of events is interrupted");
            tokio::select! {
                () = task.draining() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

async fn consume(kernel: &Arc<Kernel>, task: &TaskContext) -> Result<(), Error> {
    let spec = ConsumerSpec {
        stream: subjects::STREAM_EVENTS,
        durable: DURABLE,
        filter: String::new(),
        ack_wait: ACK_WAIT,
        pending_max: PENDING_MAX,
    };
    let mut consumer = kernel.bus.consume(spec).await?;
    loop {
        let delivery = tokio::select! {
            () = task.draining() => return Ok(()),
            next = consumer.next() => match next {
                Some(delivery) => delivery?,
                None => return Ok(()),
            },
        };
        // One after the other: a run that goes on to its next listener on one event is there for the next.
        match take(kernel, &delivery).await {
            Ok(true) => delivery.ack().await?,
            Ok(false) => delivery.terminate().await?,
            Err(error) => {
                delivery.retry(PAUSE).await?;
                return Err(error);
            }
        }
    }
}

/// Whether it is an event that somebody could listen to.
async fn take(kernel: &Arc<Kernel>, delivery: &Delivery) -> Result<bool, Error> {
    let tenant = subjects::tenant_of_event(delivery.subject()).and_then(|tenant| TenantId::new(tenant).ok());
    let event = serde_json::from_slice::<Value>(delivery.payload());
    let (Some(tenant), Ok(event)) = (tenant, event) else {
        tracing::warn!(bus.subject = delivery.subject(), "a message in the stream of events is no CloudEvent in JSON");
        return Ok(false);
    };
    if let Err(reason) = consumption::check(&event) {
        tracing::warn!(bus.subject = delivery.subject(), reason, "a message in the stream of events is no CloudEvent");
        return Ok(false);
    }
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let listeners = kernel.store.listeners(tenant.to_string(), kind).await?;
    let event = Arc::new(event);
    let runs = listeners.runs.iter().filter_map(|run| TaskId::new(run).ok());
    let delivering = stream::iter(runs).for_each_concurrent(DELIVERIES, |run| {
        let (command, tenant) = (Command::Event { event: event.clone() }, &tenant);
        async move {
            // A run that refuses it is over or has taken it already.
            if let Err(reject) = kernel.deliver(tenant, &run, command).await {
                tracing::debug!(task.id = %run, %reject, "an event is not taken");
            }
        }
    });
    delivering.await;
    for schedule in listeners.schedules {
        starter::hear(kernel, schedule, &event).await?;
    }
    Ok(true)
}
