//! HTTP in, the bus out: identity, tasks, reviews, knowledge, audit, files and OpenAI-compatible calls, one by one and in
//! batches. It must never choose a model, keep workflow state, or answer for a service that does not.

mod actors;
mod batches;
pub mod config;
pub mod domain;
mod error;
mod files;
mod http;
mod models;
mod routes;
mod store;

use std::sync::Arc;

use actix_web::web;
use orrery_dataplane::{Authority, Budgets, Caches, CallLog, Follower, Life, Recorder, RemoteAuthority, notices, ship};
use orrery_service::{ServiceContext, ServiceError};
use orrery_supervise::{Strategy, SupervisorSpec};
use orrery_vault::KeySource;

use crate::actors::{Denials, KeyStore, SharedDirectory, TaskSignals};
use crate::batches::Batches;
use crate::config::GatewayConfig;
use crate::error::StartError;
use crate::files::Files;
use crate::http::{Gateway, InFlight, Room, Uploads};
use crate::models::Models;
use crate::store::ControlPlane;

pub use crate::http::table::routes as registered_routes;
pub use crate::routes::openapi::document as openapi_document;

/// Opens the control plane and gives the actor tree: keys before the server that reads their snapshot.
pub async fn tree(context: ServiceContext) -> Result<SupervisorSpec, ServiceError> {
    prepare(&context).await.map_err(ServiceError::prepare)
}

async fn prepare(context: &ServiceContext) -> Result<SupervisorSpec, StartError> {
    let settings: GatewayConfig = context.config.section()?;
    settings.check().map_err(StartError::Settings)?;
    let control = ControlPlane::open(&context.config.database_url).await?;
    actors::bootstrap(&control, &settings).await?;

    let directory = SharedDirectory::default();
    let keys = KeyStore::spec(control.clone(), directory.clone());
    let denials = Denials::spec(control.clone());
    let signals = TaskSignals::new(settings.event_streams_max);
    let folder = context.config.paths.data.join("uploads");
    let uploads =
        Uploads::open(&folder, settings.uploads_max).map_err(|source| StartError::Uploads { folder, source })?;
    let room = Room::new(settings.model_calls_max, settings.model_bytes_max);
    let calls = ModelCalls::begin(context)?;
    let gateway = Gateway {
        bus: context.bus.clone(),
        models: Models::new(context.bus.clone(), calls.follower.clone()),
        config: settings,
        sealing_keys: KeySource::of(&context.config),
        directory: directory.clone(),
        keys: keys.handle(),
        denials: denials.handle(),
        signals: signals.clone(),
        files: Files::new(control.clone(), context.bus.clone(), uploads.clone()),
        batches: Batches::new(control.clone(), context.bus.clone(), uploads.clone(), directory),
        uploads,
        closing: tokio_util::sync::CancellationToken::new(),
        room,
        in_flight: InFlight::default(),
    };
    let listen = context.config.http_listen;
    let gateway = Arc::new(gateway);
    let batches = batches::worker(gateway.clone());
    let edge = SupervisorSpec::new("edge")
        .strategy(Strategy::OneForOne)
        .child(actors::follow_events(&context.bus, &signals))
        .child(actors::http(listen, web::Data::from(gateway)));
    Ok(SupervisorSpec::new("gateway")
        .strategy(Strategy::OneForOne)
        .child(control.pump().task(&context.bus))
        .child(keys)
        .child(denials)
        .child(calls.tree(&context.bus))
        .child(batches)
        .child(edge))
}

/// What is needed to make calls to models in this process.
struct ModelCalls {
    follower: Arc<Follower>,
    budgets: Arc<Budgets>,
    authority: Arc<dyn Authority>,
    log: Arc<CallLog>,
}

impl ModelCalls {
    fn begin(context: &ServiceContext) -> Result<Self, StartError> {
        let folder = context.config.paths.data.join("gateway-calls");
        let life = Life::begin(&folder, "gateway").map_err(|source| StartError::CallLog { folder, source })?;
        let authority: Arc<dyn Authority> = Arc::new(RemoteAuthority::new(context.bus.clone()));
        let (budgets, log) = (Budgets::new(authority.clone(), life.holder()), life.log());
        let recorder = Recorder::new(log.clone(), authority.clone());
        let redis_url = context.config.redis_url.as_deref();
        let caches = redis_url.map(|url| Caches::open(url, &context.bus)).transpose()?;
        let keys = KeySource::of(&context.config);
        let follower = Follower::new(&context.bus, keys, budgets.clone(), recorder, caches);
        Ok(Self { follower, budgets, authority, log })
    }

    fn tree(&self, bus: &orrery_bus::Bus) -> SupervisorSpec {
        SupervisorSpec::new("calls")
            .strategy(Strategy::OneForOne)
            .child(ship(&self.log, &self.budgets, &self.authority))
            .child(notices(bus, &self.budgets))
            .child(self.follower.task())
    }
}
