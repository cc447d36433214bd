//! The router: the authority over what models there are, where data may go, what may be spent and what was. Publishes what
//! calls are decided by, grants amounts to spend from, keeps the ledger, and makes the calls that come over the bus. It must
//! never keep workflow state, run a model, or let data go where policies forbid.

mod actors;
mod authority;
mod bus;
mod catalogue;
pub mod config;
pub mod error;
mod measured;
mod records;
mod source;
mod store;
mod window;

use std::sync::Arc;

use orrery_dataplane::{Authority, Budgets, Caches, CallLog, DataPlane, Life, Recorder, Replies, notices, ship};
use orrery_service::{ServiceContext, ServiceError, bus_endpoint};
use orrery_supervise::{Strategy, SupervisorSpec};
use orrery_vault::KeySource;

use crate::authority::LedgerAuthority;
use crate::config::RouterConfig;
use crate::error::StartError;
use crate::measured::Measured;
use crate::source::Source;
use crate::store::Ledger;

/// What the calls of the bus are answered from.
#[derive(Debug)]
struct Router {
    plane: Arc<DataPlane>,
    authority: Arc<LedgerAuthority>,
    ledger: Ledger,
    measured: Arc<Measured>,
    source: Source,
}

/// Reads catalogue and policies, opens the ledger and the call log, and gives the actor tree.
pub async fn tree(context: ServiceContext) -> Result<SupervisorSpec, ServiceError> {
    prepare(&context).await.map_err(ServiceError::prepare)
}

async fn prepare(context: &ServiceContext) -> Result<SupervisorSpec, StartError> {
    let settings: RouterConfig = context.config.section()?;
    let ledger = Ledger::open(&context.config.database_url).await?;
    let bus = context.bus.clone();
    let keys = KeySource::of(&context.config);
    let (source, snapshot) = Source::open(bus.clone(), ledger.clone(), keys, &settings).await?;

    let folder = context.config.paths.data.join("router-calls");
    let life =
        Life::begin(&folder, "router").map_err(|source| StartError::CallLog { folder: folder.clone(), source })?;
    let measured = Arc::new(Measured::default());
    let ledger_authority = Arc::new(LedgerAuthority::new(ledger.clone(), bus.clone(), measured.clone()));
    let authority: Arc<dyn Authority> = ledger_authority.clone();
    let replies: Arc<dyn Replies> = ledger_authority.clone();
    let budgets = Budgets::new(authority.clone(), life.holder());
    let log: Arc<CallLog> = life.log();
    let recorder = Recorder::new(log.clone(), authority.clone());
    let redis_url = context.config.redis_url.as_deref();
    let caches = redis_url.map(|url| Caches::open(url, &bus)).transpose()?;
    let plane = DataPlane::new(snapshot, budgets.clone(), recorder, Some(replies), caches);
    let router = Arc::new(Router { plane, authority: ledger_authority, ledger: ledger.clone(), measured, source });
    Ok(SupervisorSpec::new("router")
        .strategy(Strategy::OneForOne)
        .child(ledger.pump().task(&bus))
        .child(ship(&log, &budgets, &authority))
        .child(notices(&bus, &budgets))
        .child(actors::housekeeping(&ledger))
        .child(actors::publisher(&bus, &router))
        .child(bus_endpoint(move || bus::server(&bus, &router))))
}
