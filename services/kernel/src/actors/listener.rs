//! Brings the events of the bus to the runs and schedules that wait for them. An event is acknowledged once everyone whom it
//! concerns has taken it; whoever gets it a second time notices.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use futures::{FutureExt as _, StreamExt as _};
use orrery_bus::{Consumer, ConsumerSpec, Delivery, subjects};
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
/// Events taken together.
const BATCH: usize = 256;
/// Pause after a batch in which only the platform spoke.
const LINGER: Duration = Duration::from_millis(20);
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
        let batch = tokio::select! {
            () = task.draining() => return Ok(()),
            batch = next_batch(&mut consumer) => batch?,
        };
        if batch.is_empty() {
            return Ok(());
        }
        let all_of_the_platform = take_batch(kernel, batch).await?;
        if all_of_the_platform {
            // The platform says a lot that nobody waits for: what comes meanwhile is looked up together.
            tokio::time::sleep(LINGER).await;
        }
    }
}

/// Waits for one message and adds those that are here already. Nothing is lost when this is dropped: it waits only while it
/// holds none. Empty when the connection was closed for good.
async fn next_batch(consumer: &mut Consumer) -> Result<Vec<Delivery>, Error> {
    let Some(first) = consumer.next().await else { return Ok(Vec::new()) };
    let mut batch = vec![first?];
    while batch.len() < BATCH {
        match consumer.next().now_or_never() {
            Some(Some(Ok(delivery))) => batch.push(delivery),
            // A failure shows itself again once this batch is taken.
            Some(Some(Err(_)) | None) | None => break,
        }
    }
    Ok(batch)
}

/// An event on its way to whoever listens.
struct Heard {
    tenant: TenantId,
    kind: String,
    event: Arc<Value>,
}

/// Takes a batch, one event after the other: a run that goes on to its next listener on one event is there for the next.
/// Whether the platform alone had something to say.
async fn take_batch(kernel: &Arc<Kernel>, batch: Vec<Delivery>) -> Result<bool, Error> {
    let batch: Vec<(Delivery, Option<Heard>)> = batch
        .into_iter()
        .map(|it| {
            let heard = decode(&it);
            (it, heard)
        })
        .collect();
    let of_the_platform = |heard: &Heard| consumption::is_of_the_platform(&heard.event);
    let said = batch.iter().filter_map(|(_, heard)| heard.as_ref()).filter(|heard| of_the_platform(heard));
    let said: BTreeSet<_> = said.map(|heard| (heard.tenant.to_string(), heard.kind.clone())).collect();
    let listened = if said.is_empty() { said } else { kernel.store.listened(said).await? };
    let concerns = |heard: &Heard| {
        let tenant = heard.tenant.to_string();
        !of_the_platform(heard)
            || listened.contains(&(tenant.clone(), heard.kind.clone()))
            || listened.contains(&(tenant, String::new()))
    };
    let mut platform_only = true;
    for (delivery, heard) in batch {
        let Some(heard) = heard else {
            delivery.terminate().await?;
            continue;
        };
        platform_only &= of_the_platform(&heard);
        if concerns(&heard)
            && let Err(error) = tell(kernel, heard).await
        {
            delivery.retry(PAUSE).await?;
            return Err(error);
        }
        delivery.ack().await?;
    }
    Ok(platform_only)
}

/// None: it is no event that anybody could listen to.
fn decode(delivery: &Delivery) -> Option<Heard> {
    let subject = delivery.subject();
    let refuse = |reason: &str| tracing::warn!(bus.subject = subject, reason, "a message is no CloudEvent; dropped");
    let Some(tenant) = subjects::tenant_of_event(subject).and_then(|tenant| TenantId::new(tenant).ok()) else {
        refuse("its subject names no tenant");
        return None;
    };
    let event = match serde_json::from_slice::<Value>(delivery.payload()) {
        Ok(event) => event,
        Err(error) => {
            refuse(&error.to_string());
            return None;
        }
    };
    if let Err(reason) = consumption::check(&event) {
        refuse(&reason);
        return None;
    }
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    Some(Heard { tenant, kind, event: Arc::new(event) })
}

/// Brings an event to whoever may be concerned.
async fn tell(kernel: &Arc<Kernel>, heard: Heard) -> Result<(), Error> {
    let Heard { tenant, kind, event } = heard;
    let listeners = kernel.store.listeners(tenant.to_string(), kind).await?;
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
    Ok(())
}
