//! What the actors share: the database, the compiled definitions, the providers, and the way to each other.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use orrery_bus::Bus;
use orrery_errors::{Error, ErrorCode};
use orrery_store::outbox::Pump;
use orrery_supervise::Handle;
use orrery_types::{TaskId, TenantId};

use crate::actors::admission::Admission;
use crate::actors::announcer::Announcer;
use crate::actors::committer::Committer;
use crate::actors::executor::Executor;
use crate::actors::heartbeats::Heartbeats;
use crate::actors::partition::{Act, Partition, Start};
use crate::actors::timer::Timer;
use crate::config::KernelConfig;
use crate::definitions::Definitions;
use crate::domain::command::Command;
use crate::domain::state::State;
use crate::error::ActError;
use crate::leases::Leases;
use crate::providers::Providers;
use crate::store::{KernelStore, PARTITIONS, partition_of};

/// Handles of the actors that others send to.
#[derive(Debug)]
pub struct Wiring {
    /// In order; virtual partition `p` belongs to actor `p % len`.
    pub partitions: Vec<Handle<Partition>>,
    /// The one writer.
    pub committer: Handle<Committer>,
    /// Makes calls.
    pub executor: Handle<Executor>,
    /// Wakes runs.
    pub timer: Handle<Timer>,
}

/// Shared by all actors of the service.
#[derive(Debug)]
pub struct Kernel {
    /// The journal.
    pub store: KernelStore,
    /// Compiled definitions.
    pub definitions: Definitions,
    /// Who does the work.
    pub providers: Providers,
    /// Publishes what commits leave in the outbox.
    pub outbox: Pump,
    /// The bus.
    pub bus: Bus,
    /// Tells workers outside of steps that wait.
    pub announcer: Announcer,
    /// Keeps what their heartbeats bring.
    pub heartbeats: Heartbeats,
    /// What they may take.
    pub leases: Leases,
    /// When runs may begin.
    pub admission: Admission,
    wiring: OnceLock<Wiring>,
}

impl Kernel {
    /// Not wired yet.
    pub fn new(store: KernelStore, bus: Bus, config: &KernelConfig) -> Arc<Self> {
        Arc::new(Self {
            definitions: Definitions::new(store.clone()),
            providers: Providers::new(&bus, store.clone()),
            outbox: store.pump(),
            store,
            bus,
            announcer: Announcer::default(),
            heartbeats: Heartbeats::default(),
            leases: Leases::new(&config.fairness),
            admission: Admission::new(config.fairness.runs()),
            wiring: OnceLock::new(),
        })
    }

    /// Gives the actors to each other; before the tree starts.
    pub fn wire(&self, wiring: Wiring) {
        // A second call would be a mistake of this crate's own start; the first wiring stays.
        let _already_wired = self.wiring.set(wiring);
    }

    /// The other actors.
    pub fn wiring(&self) -> Result<&Wiring, Error> {
        self.wiring.get().ok_or_else(|| Error::new(ErrorCode::Unavailable, "the kernel is starting"))
    }

    /// Whether this process is the one that acts for a partition.
    pub fn owns(&self, partition: i32) -> bool {
        (0..PARTITIONS).contains(&partition)
    }

    /// Sends a command to a run and waits until its effect is durable.
    pub async fn act(&self, tenant: &TenantId, run: &TaskId, command: Command) -> Result<Arc<State>, ActError> {
        self.send(tenant, Act { run: run.clone(), command, start: None }).await
    }

    /// Starts a run.
    pub async fn start(&self, start: Start) -> Result<Arc<State>, ActError> {
        let (tenant, run) = (start.run.tenant.clone(), start.run.id.clone());
        self.send(&tenant, Act { run, command: Command::Start, start: Some(Box::new(start)) }).await
    }

    async fn send(&self, tenant: &TenantId, act: Act) -> Result<Arc<State>, ActError> {
        let partitions = &self.wiring()?.partitions;
        let index = usize::try_from(partition_of(tenant, &act.run)).unwrap_or(0) % partitions.len().max(1);
        let handle = partitions.get(index).ok_or_else(|| Error::new(ErrorCode::Internal, "there are no partitions"))?;
        handle.ask(act).await?
    }

    /// Sends a command until it has been taken or can have no effect any more. For results that must not be lost; should
    /// the process end first, the journal brings the effect back.
    pub async fn deliver(&self, tenant: &TenantId, run: &TaskId, command: Command) {
        let mut pause = Duration::from_millis(50);
        while let Err(ActError::Failed(error)) = self.act(tenant, run, command.clone()).await {
            tracing::warn!(task.id = %run, %error, "a result is not taken yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }
}
