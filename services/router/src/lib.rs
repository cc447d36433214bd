//! The router: which model answers a call, why, and what it may cost; and the call itself, through providers, with
//! budgets, retries, fallback and a record of each. It must never keep workflow state, run a model, or let data go where
//! policies forbid.

mod actors;
mod budget;
mod bus;
mod calls;
pub mod config;
pub mod error;
mod store;

use std::sync::Arc;

use orrery_providers::{LocalSecrets, Setup};
use orrery_service::{ServiceContext, ServiceError, bus_endpoint};
use orrery_supervise::{Strategy, SupervisorSpec};

use crate::actors::{Board, ModelHealth};
use crate::budget::Budgets;
use crate::calls::{Flights, Router};
use crate::config::RouterConfig;
use crate::error::StartError;
use crate::store::Ledger;

/// Reads catalogue and policies, opens the ledger, and gives the actor tree: the health of each model, what carries audit
/// records to the bus, and the calls.
pub async fn tree(context: ServiceContext) -> Result<SupervisorSpec, ServiceError> {
    prepare(&context).await.map_err(ServiceError::prepare)
}

async fn prepare(context: &ServiceContext) -> Result<SupervisorSpec, StartError> {
    let settings: RouterConfig = context.config.section()?;
    let catalogue = settings.read_catalogue()?;
    let policies = settings.read_policies()?;
    let redis_url = context.config.redis_url.as_deref().ok_or(StartError::NoRedis)?;
    let ledger = Ledger::open(&context.config.database_url).await?;
    tracing::info!(
        catalogue.digest = %catalogue.digest,
        catalogue.models = catalogue.models.len(),
        policy.digest = %policies.digest(),
        policy.ids = ?policies.ids(),
        "catalogue and policies read"
    );

    let board = Arc::new(Board::new(&catalogue));
    let mut models = SupervisorSpec::new("models").strategy(Strategy::OneForOne);
    let mut health = std::collections::BTreeMap::new();
    for name in catalogue.models.keys() {
        let spec = ModelHealth::spec(name, board.clone());
        health.insert(name.clone(), spec.handle());
        models = models.child(spec);
    }
    let setup = Setup { bus: context.bus.clone(), secrets: Arc::new(LocalSecrets) };
    let router = Arc::new(Router {
        providers: orrery_providers::registry(&catalogue, &setup)?,
        budgets: Budgets::new(ledger.clone(), redis_url)?,
        flights: Flights::default(),
        ledger: ledger.clone(),
        catalogue,
        policies,
        board,
        health,
    });
    let bus = context.bus.clone();
    Ok(SupervisorSpec::new("router")
        .strategy(Strategy::OneForOne)
        .child(models)
        .child(ledger.pump().task(&bus))
        .child(actors::replies(&ledger))
        .child(bus_endpoint(move || bus::server(&bus, &router))))
}
