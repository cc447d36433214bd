//! The life of a service process.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use orrery_bus::{Bus, BusOptions};
use orrery_config::ServiceConfig;
use orrery_supervise::{Root, SupervisorSpec};
use orrery_telemetry::admin::{self, Health, Probe};
use tokio::signal::unix::{SignalKind, signal};

use crate::ServiceError;
use crate::health::Reporter;

/// Time for the whole tree to finish what it accepted.
const DRAIN: Duration = Duration::from_secs(25);

/// What a service builds its tree from.
#[derive(Debug, Clone)]
pub struct ServiceContext {
    /// Checked configuration.
    pub config: Arc<ServiceConfig>,
    /// The bus, connected as this service.
    pub bus: Bus,
}

/// Runs a service until a signal or a failure: `tree` prepares what the service needs and gives its actor tree.
/// Must be called inside an actix system.
pub async fn main<T, F>(service: &'static str, tree: T) -> ExitCode
where
    T: FnOnce(ServiceContext) -> F,
    F: Future<Output = Result<SupervisorSpec, ServiceError>>,
{
    // Nothing listens and nothing is logged before the configuration holds.
    let config = match ServiceConfig::load(service) {
        Ok(config) => config,
        Err(error) => return refuse(service, &error),
    };
    let _telemetry = match orrery_telemetry::init(service, &config.telemetry) {
        Ok(guard) => guard,
        Err(error) => return refuse(service, &error),
    };
    match run(service, config, tree).await {
        Ok(()) => {
            tracing::info!(service.name = service, "stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(service.name = service, %error, "stopped by a failure");
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::print_stderr)] // there is no log yet
fn refuse(service: &str, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("orrery-{service}: {error}");
    ExitCode::from(2)
}

async fn run<T, F>(service: &'static str, config: ServiceConfig, tree: T) -> Result<(), ServiceError>
where
    T: FnOnce(ServiceContext) -> F,
    F: Future<Output = Result<SupervisorSpec, ServiceError>>,
{
    let stop = stop_signal()?;
    let config = Arc::new(config);
    let bus = Bus::connect(BusOptions {
        url: config.nats.url.clone(),
        user: config.nats.user.clone(),
        password: config.nats.password.expose().to_owned(),
    })
    .await?;
    let spec = tree(ServiceContext { config: config.clone(), bus: bus.clone() }).await?;
    let root = Root::start(spec).await.map_err(|error| ServiceError::Tree(error.to_string()))?;

    let address = config.admin_listen;
    let served = admin::serve(address, probe(root.clone(), bus.clone())).await;
    let (admin_address, admin) = served.map_err(|source| ServiceError::Listen { address, source })?;
    let reporter = Reporter { service, instance: uuid::Uuid::now_v7().simple().to_string(), root: root.clone() };
    let health = reporter.server(&bus)?.start().await?;
    let publishing = actix::spawn(reporter.publish(bus.clone()));
    tracing::info!(service.name = service, admin.address = %admin_address, "ready");

    let failure = tokio::select! {
        failure = root.failed() => Some(ServiceError::Tree(failure.to_string())),
        () = stop => None,
    };
    let report = root.drain(DRAIN).await;
    if !report.killed.is_empty() {
        tracing::warn!(children.killed = ?report.killed, "did not finish in time");
    }
    publishing.abort();
    health.drain(Duration::from_secs(1)).await;
    admin.stop(false).await;
    // The last acknowledgements leave the process before it does.
    if let Err(error) = bus.client().flush().await {
        tracing::debug!(%error, "the connection to the bus was not flushed");
    }
    failure.map_or(Ok(()), Err)
}

fn probe(root: Root, bus: Bus) -> Probe {
    Arc::new(move || {
        let health = root.health();
        let mut reasons = health.reasons;
        if !bus.is_connected() {
            reasons.push("the bus is not reachable".to_owned());
        }
        Health { live: health.live, ready: health.ready && bus.is_connected(), reasons }
    })
}

fn stop_signal() -> Result<impl Future<Output = ()>, ServiceError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServiceError::prepare)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServiceError::prepare)?;
    Ok(async move {
        tokio::select! {
            _signal = terminate.recv() => {}
            _signal = interrupt.recv() => {}
        }
    })
}
