//! The kernel of Orrery: durable workflows. It journals every step before anything acts on it, calls models and knowledge
//! through other services, and asks people. It must never call a model itself, know a provider's name, or act on what is
//! not committed.

mod actors;
mod archives;
mod bus;
pub mod config;
mod definitions;
pub mod domain;
pub mod embedded;
pub mod error;
mod kernel;
mod leases;
mod ownership;
mod pauses;
mod payloads;
pub mod providers;
pub mod resources;
mod restarts;
mod shares;
mod signing;
pub mod store;

use std::sync::Arc;
use std::time::Duration;

use orrery_service::{ServiceContext, ServiceError, bus_endpoint};
use orrery_supervise::{Strategy, SupervisorSpec};
use orrery_types::UnixMillis;

use crate::actors::{
    admission, announcer, batches, committer, executor, heartbeats, listener, membership, partition, reconciler,
    retention, scheduler, timer,
};
use crate::bus::members;
use crate::config::KernelConfig;
use crate::kernel::{Kernel, Wiring};
use crate::signing::DecisionSigner;
use crate::store::KernelStore;
use uuid::Uuid;

/// Opens the journal and gives the actor tree. What holds state in memory stands or falls together: a fresh start takes
/// the partitions up from the journal, and calls that were under way go out again under their keys.
pub async fn tree(context: ServiceContext) -> Result<SupervisorSpec, ServiceError> {
    let store = KernelStore::open(&context.config.database_url).await.map_err(ServiceError::prepare)?;
    let config: KernelConfig = context.config.section()?;
    config.fairness.check().map_err(ServiceError::prepare)?;
    config.batches.check().map_err(ServiceError::prepare)?;
    config.retention.check().map_err(ServiceError::prepare)?;
    let data = context.config.paths.data.clone();
    let kernel = Kernel::new(store, context.bus, &config).map_err(ServiceError::prepare)?;
    let opening = tokio::task::spawn_blocking(move || DecisionSigner::open(&data));
    let signer = opening.await.map_err(ServiceError::prepare)?.map_err(ServiceError::prepare)?;
    let (key, now_ms) = (signer.verifier_key(), i64::try_from(UnixMillis::now().0).unwrap_or(i64::MAX));
    kernel.store.add_decision_key(key, now_ms).await.map_err(ServiceError::prepare)?;
    kernel.sign_with(signer);
    let committer = committer::spec(kernel.clone());
    let executor = executor::spec(kernel.clone());
    let timer = timer::spec(kernel.clone());
    let partitions: Vec<_> = (0..partition::ACTORS).map(|index| partition::spec(kernel.clone(), index)).collect();
    kernel.wire(Wiring {
        partitions: partitions.iter().map(orrery_supervise::ActorSpec::handle).collect(),
        committer: committer.handle(),
        executor: executor.handle(),
        timer: timer.handle(),
    });
    let mut machine = SupervisorSpec::new("machine")
        .strategy(Strategy::OneForAll)
        .intensity(5, Duration::from_secs(60))
        .child(committer)
        .child(executor)
        .child(timer);
    for partition in partitions {
        machine = machine.child(partition);
    }
    machine = machine.child(admission::spec(kernel.clone()));
    // A fresh id each time: what an earlier incarnation owned is taken over like that of any other.
    let member = Uuid::now_v7().to_string();
    machine =
        machine.child(members::task(kernel.clone(), member.clone())).child(membership::task(kernel.clone(), member));
    let served: Arc<Kernel> = kernel.clone();
    Ok(SupervisorSpec::new("kernel")
        .strategy(Strategy::RestForOne)
        .child(machine)
        .child(listener::spec(kernel.clone()))
        .child(scheduler::spec(kernel.clone()))
        .child(kernel.outbox.task(&kernel.bus))
        .child(reconciler::spec(kernel.clone()))
        .child(batches::spec(kernel.clone()))
        .child(retention::spec(kernel.clone()))
        .child(heartbeats::spec(kernel.clone()))
        .child(announcer::spec(kernel.clone()))
        .child(bus_endpoint(move || bus::inbound::server(&served))))
}
