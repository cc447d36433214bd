//! The audit service: takes records from all services into an append-only transparency log, signs checkpoints, and
//! answers how an outcome came about, with proof. It must never change or drop a leaf, show one tenant's records to
//! another, or stand in the way of the services that report to it.

mod actors;
mod bus;
pub mod config;
pub mod domain;
pub mod error;
pub mod store;

use std::sync::Arc;

use orrery_proof::key_file;
use orrery_service::{ServiceContext, ServiceError, bus_endpoint};
use orrery_supervise::{Strategy, SupervisorSpec};
use tokio::sync::watch;

use crate::actors::{intake, sequencer};
use crate::bus::inbound::Api;
use crate::config::AuditConfig;
use crate::store::LogStore;

/// Prepares the key and the database, and gives the actor tree: the sequencer, which alone appends; the intake, which
/// feeds it; and the calls. When the sequencer restarts, so does what depends on it.
pub async fn tree(context: ServiceContext) -> Result<SupervisorSpec, ServiceError> {
    let config: AuditConfig = context.config.section()?;
    let key_path = context.config.paths.data.join("audit").join("log.key");
    let origin = config.origin.clone();
    let loading = tokio::task::spawn_blocking(move || key_file::load_or_create(&key_path, &origin));
    let signer = loading.await.map_err(ServiceError::prepare)?.map_err(ServiceError::prepare)?;
    let log = LogStore::open(&context.config.database_url).await.map_err(ServiceError::prepare)?;

    let signer = Arc::new(signer);
    let (grown, growth) = watch::channel(0);
    let api = Api::new(log.clone(), signer.verifier().vkey(), growth, &config);
    let sequencer = sequencer::spec(log.clone(), signer, Arc::new(grown));
    let intake = intake::spec(context.bus.clone(), log, sequencer.handle());
    let bus = context.bus.clone();
    Ok(SupervisorSpec::new("audit")
        .strategy(Strategy::RestForOne)
        .child(sequencer)
        .child(intake)
        .child(bus_endpoint(move || api.server(&bus))))
}
