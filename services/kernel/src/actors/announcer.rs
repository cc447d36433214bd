//! Announces steps to workers outside, and compares what lies in the streams with the rows, so that an announcement that was
//! lost (with this process, with the bus server, or by a worker that took it and did nothing) is made again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use orrery_bus::{ANNOUNCED_MAX, is_platform_queue};
use orrery_errors::Error;
use orrery_supervise::TaskSpec;
use orrery_types::{TaskId, TenantId};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::kernel::Kernel;
use crate::store::partition_of;

/// How often rows and streams are compared.
const COMPARE: Duration = Duration::from_secs(5);
/// A tenant whose stream cannot be reached is left alone for this long: it may have no user on the bus.
const PENALTY: Duration = Duration::from_secs(60);
/// Announcements that wait; further ones are left to the comparison.
const WAITING_MAX: usize = 65_536;
/// Announcements under way.
const IN_FLIGHT: usize = 64;

type Announcement = (TenantId, String);

/// Takes announcements from whoever has committed a step.
#[derive(Debug)]
pub struct Announcer {
    sender: mpsc::Sender<Announcement>,
    receiver: Mutex<mpsc::Receiver<Announcement>>,
}

impl Default for Announcer {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        Self { sender, receiver: Mutex::new(receiver) }
    }
}

impl Announcer {
    /// Announces a step of a queue, soon.
    pub fn announce(&self, tenant: TenantId, queue: String) {
        if is_platform_queue(&queue) {
            return;
        }
        // At the limit the rows are enough: the comparison announces what is missing.
        let _left_to_the_comparison = self.sender.try_send((tenant, queue));
    }
}

/// The supervised task, for as long as the service runs.
pub fn spec(kernel: Arc<Kernel>) -> TaskSpec {
    TaskSpec::new("announcer", move |task| {
        let kernel = kernel.clone();
        async move {
            tokio::select! {
                ended = run(kernel) => ended,
                () = task.draining() => Ok(()),
            }
        }
    })
}

async fn run(kernel: Arc<Kernel>) -> Result<(), Error> {
    let mut announcements = kernel.announcer.receiver.lock().await;
    let mut compare = tokio::time::interval(COMPARE);
    compare.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut publishing = JoinSet::new();
    let mut comparing = JoinSet::new();
    let mut refused: HashMap<TenantId, Instant> = HashMap::new();
    loop {
        tokio::select! {
            Some((tenant, queue)) = announcements.recv(), if publishing.len() < IN_FLIGHT => {
                if !is_refused(&refused, &tenant) {
                    let bus = kernel.bus.clone();
                    publishing.spawn(async move { (bus.announce_work(&tenant, &queue).await, tenant) });
                }
            }
            Some(Ok((Err(error), tenant))) = publishing.join_next() => refuse(&kernel, &mut refused, tenant, &error),
            Some(Ok(Err((tenant, error)))) = comparing.join_next() => refuse(&kernel, &mut refused, tenant, &error),
            _ = compare.tick(), if comparing.is_empty() => match missing(&kernel).await {
                Ok(queues) => {
                    for (tenant, queues) in queues.into_iter().filter(|(tenant, _)| !is_refused(&refused, tenant)) {
                        comparing.spawn(make_up(kernel.clone(), tenant, queues));
                    }
                }
                // It is made up for once the database is there again.
                Err(error) => tracing::warn!(%error, "it is not known which steps wait for workers"),
            }
        }
    }
}

fn is_refused(refused: &HashMap<TenantId, Instant>, tenant: &TenantId) -> bool {
    refused.get(tenant).is_some_and(|until| *until > Instant::now())
}

fn refuse(kernel: &Kernel, refused: &mut HashMap<TenantId, Instant>, tenant: TenantId, error: &Error) {
    if !kernel.bus.is_connected() {
        // That is no fault of the tenant's, and made up for once the bus is there again.
        return;
    }
    tracing::warn!(tenant.id = %tenant, %error, "steps for workers are not announced; has the tenant a user on the bus?");
    refused.retain(|_, until| *until > Instant::now());
    refused.insert(tenant, Instant::now() + PENALTY);
}

/// Steps that wait, by tenant and queue. Of several kernels, each looks after its own queues.
async fn missing(kernel: &Kernel) -> Result<HashMap<TenantId, Vec<(String, u64)>>, Error> {
    let mut found: HashMap<TenantId, Vec<(String, u64)>> = HashMap::new();
    let waiting = kernel.store.work_waiting().await?;
    for (tenant, queue, count) in waiting.into_iter().filter(|(_, queue, _)| !is_platform_queue(queue)) {
        let (Ok(tenant), Ok(place)) = (TenantId::new(&tenant), TaskId::new(&queue)) else { continue };
        if kernel.owns(partition_of(&tenant, &place)) {
            found.entry(tenant).or_default().push((queue, u64::try_from(count).unwrap_or(0)));
        }
    }
    Ok(found)
}

/// Announces as many steps of each queue as its stream lacks.
async fn make_up(kernel: Arc<Kernel>, tenant: TenantId, queues: Vec<(String, u64)>) -> Result<(), (TenantId, Error)> {
    let announced = kernel.bus.announced_work(&tenant).await.map_err(|error| (tenant.clone(), error))?;
    for (queue, waiting) in queues {
        let there = announced.get(&queue).copied().unwrap_or(0);
        for _ in there..waiting.min(ANNOUNCED_MAX) {
            kernel.bus.announce_work(&tenant, &queue).await.map_err(|error| (tenant.clone(), error))?;
        }
    }
    Ok(())
}
