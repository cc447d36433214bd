//! What the actors share: the database, the compiled definitions, the providers, who owns what, and the way to each other.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use orrery_bus::Bus;
use orrery_errors::{Error, ErrorCode};
use orrery_store::outbox::Pump;
use orrery_supervise::Handle;
use orrery_types::{TaskId, TenantId};
use parking_lot::Mutex;

use crate::actors::admission::Admission;
use crate::actors::announcer::Announcer;
use crate::actors::committer::Committer;
use crate::actors::executor::{Adopt, Executor};
use crate::actors::heartbeats::Heartbeats;
use crate::actors::partition::{Act, Partition, Start, Watch};
use crate::actors::timer::Timer;
use crate::bus::members::{self, Ask};
use crate::config::{BatchesConfig, KernelConfig, RetentionConfig};
use crate::definitions::Definitions;
use crate::domain::command::{Command, Reject};
use crate::domain::definition::Definition;
use crate::domain::event::Event;
use crate::domain::fairness::StepClock;
use crate::domain::state::State;
use crate::error::ActError;
use crate::leases::Leases;
use crate::ownership::{Owner, Ownership};
use crate::pauses::Pauses;
use crate::payloads::Payloads;
use crate::providers::Providers;
use crate::shares::{Part, Shares};
use crate::signing::DecisionSigner;
use crate::store::{self, Found, KernelStore, RunRow, Stored, partition_of};

/// How long a command waits for a partition that is being handed over.
const HANDOVER: Duration = Duration::from_secs(6);
const HANDOVER_PAUSE: Duration = Duration::from_millis(50);

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

/// What came of a command that was taken.
#[derive(Debug, Clone)]
pub enum Acted {
    /// The state after it.
    Here(Arc<State>),
    /// Another process has taken it; the database says the rest.
    There,
}

/// Shared by all actors of the service.
#[allow(missing_debug_implementations)] // the object store has none
pub struct Kernel {
    /// The journal.
    pub store: KernelStore,
    /// What is too long for it.
    pub payloads: Payloads,
    /// Compiled definitions.
    pub definitions: Definitions,
    /// Whether scripts and shells can run.
    pub has_sandbox: bool,
    /// Who does the work.
    pub providers: Providers,
    /// Publishes what commits leave in the outbox.
    pub outbox: Pump,
    /// What is paused.
    pub pauses: Pauses,
    /// Which partitions are whose.
    pub ownership: Ownership,
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
    /// In which order steps that are ready have their turn.
    pub steps: Mutex<StepClock>,
    /// This process's part of what is limited over all of them.
    pub shares: Shares,
    /// Limits of operations on many runs.
    pub batches: BatchesConfig,
    /// How long runs that are over are kept.
    pub retention: RetentionConfig,
    wiring: OnceLock<Wiring>,
    signer: OnceLock<DecisionSigner>,
}

impl Kernel {
    /// Not wired yet.
    pub fn new(store: KernelStore, bus: Bus, config: &KernelConfig) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self {
            definitions: Definitions::new(store.clone()),
            has_sandbox: config.sandbox.is_some(),
            providers: Providers::new(&bus, store.clone(), config)?,
            payloads: Payloads::new(bus.clone()),
            outbox: store.pump(),
            pauses: Pauses::default(),
            ownership: Ownership::default(),
            store,
            bus,
            announcer: Announcer::default(),
            heartbeats: Heartbeats::default(),
            leases: Leases::new(&config.fairness),
            admission: Admission::new(config.fairness.runs()),
            steps: Mutex::new(config.fairness.steps()),
            shares: Shares::new(config.fairness.clone()),
            batches: config.batches,
            retention: config.retention,
            wiring: OnceLock::new(),
            signer: OnceLock::new(),
        }))
    }

    /// Gives the actors to each other; before the tree starts.
    pub fn wire(&self, wiring: Wiring) {
        // A second call would be a mistake of this crate's own start; the first wiring stays.
        let _already_wired = self.wiring.set(wiring);
    }

    /// Takes this process's part of what is limited over all of them, when who else lives has changed.
    pub fn take_part(&self, part: Part) -> Result<(), Error> {
        let before = self.shares.change(part);
        if before == part {
            return Ok(());
        }
        tracing::info!(members = part.of, member.rank = part.rank, "the limits are divided anew");
        self.definitions.are_shared(part != Part::WHOLE);
        self.admission.adopt(self.shares.runs());
        self.leases.adopt(self.shares.leases());
        match self.wiring()?.executor.try_send(Adopt(self.shares.calls())) {
            Ok(told) => drop(told),
            Err(error) => {
                // Told again at the next beat.
                self.shares.change(before);
                return Err(crate::error::busy(&error));
            }
        }
        Ok(())
    }

    /// Gives it the key for decisions; before the tree starts.
    pub fn sign_with(&self, signer: DecisionSigner) {
        // As with the wiring, the first one stays.
        let _already_given = self.signer.set(signer);
    }

    /// Who signs decisions; none: nobody does.
    pub fn signer(&self) -> Option<&DecisionSigner> {
        self.signer.get()
    }

    /// The other actors.
    pub fn wiring(&self) -> Result<&Wiring, Error> {
        self.wiring.get().ok_or_else(|| Error::new(ErrorCode::Unavailable, "the kernel is starting"))
    }

    /// Whether this process is the one that acts for a partition.
    pub fn owns(&self, partition: i32) -> bool {
        self.ownership.epoch(partition).is_some()
    }

    /// The actor of a partition, whoever owns it.
    pub fn actor_of(&self, partition: i32) -> Result<&Handle<Partition>, Error> {
        let partitions = &self.wiring()?.partitions;
        let index = usize::try_from(partition).unwrap_or(0) % partitions.len().max(1);
        partitions.get(index).ok_or_else(|| Error::new(ErrorCode::Internal, "there are no partitions"))
    }

    /// Sends a command to a run, whichever process owns it, and waits until its effect is durable.
    pub async fn act(&self, tenant: &TenantId, run: &TaskId, command: Command) -> Result<Acted, ActError> {
        self.send(tenant, run, command, None).await
    }

    /// Starts a run.
    pub async fn start(&self, start: Start) -> Result<Acted, ActError> {
        let scopes = self.pauses.scopes_of(start.run.tenant.as_str(), &start.run.workflow.1);
        let command = if scopes.is_empty() { Command::Start } else { Command::StartPaused { scopes } };
        self.start_by(start, command).await
    }

    /// Starts a run by another command than `Start`.
    pub async fn start_by(&self, start: Start, command: Command) -> Result<Acted, ActError> {
        let (tenant, run) = (start.run.tenant.clone(), start.run.id.clone());
        self.send(&tenant, &run, command, Some(Box::new(start))).await
    }

    async fn send(
        &self,
        tenant: &TenantId,
        run: &TaskId,
        command: Command,
        start: Option<Box<Start>>,
    ) -> Result<Acted, ActError> {
        let partition = partition_of(tenant, run);
        let since = Instant::now();
        loop {
            let outcome = match self.ownership.of(partition) {
                Owner::Here(_) => self.act_here(tenant, run, command.clone(), start.clone()).await.map(Acted::Here),
                Owner::There(member) => {
                    let start = start.as_deref().cloned().map(Into::into);
                    let ask = Ask::Act { tenant: tenant.clone(), run: run.clone(), command: command.clone(), start };
                    members::ask(self, &member, &ask).await.map(|()| Acted::There)
                }
                Owner::Nobody => Err(ActError::Moved),
            };
            match outcome {
                Err(ActError::Moved) if since.elapsed() < HANDOVER => tokio::time::sleep(HANDOVER_PAUSE).await,
                outcome => return outcome,
            }
        }
    }

    /// Sends a command to a run that this process owns.
    pub async fn act_here(
        &self,
        tenant: &TenantId,
        run: &TaskId,
        command: Command,
        start: Option<Box<Start>>,
    ) -> Result<Arc<State>, ActError> {
        let act = Act { tenant: tenant.clone(), run: run.clone(), command, start };
        self.actor_of(partition_of(tenant, run))?.ask(act).await?
    }

    /// Sends a command until it has been taken or can have no effect any more. For results that must not be lost; should
    /// the process end first, the journal brings the effect back.
    pub async fn deliver(&self, tenant: &TenantId, run: &TaskId, command: Command) -> Result<(), Reject> {
        let mut pause = Duration::from_millis(50);
        loop {
            match self.act(tenant, run, command.clone()).await {
                Ok(_) | Err(ActError::Unknown | ActError::Duplicate { .. }) => return Ok(()),
                Err(ActError::Rejected(reject)) => return Err(reject),
                Err(error @ (ActError::Failed(_) | ActError::Moved)) => {
                    tracing::warn!(task.id = %run, %error, "a result is not taken yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// A run that is under way, as the journal has it now. Any process may ask.
    pub async fn load(
        &self,
        tenant: &TenantId,
        run: &TaskId,
    ) -> Result<Option<(Arc<State>, Arc<Definition>)>, ActError> {
        let stored = match self.store.load(tenant.to_string(), run.to_string()).await? {
            Found::UnderWay(stored) => stored,
            Found::Over => return Err(Reject::Over.into()),
            Found::Nothing => return Ok(None),
        };
        let state = self.replay(tenant, stored).await?;
        let definition = self.definitions.pinned(tenant.as_str(), &state.run.definition.to_string()).await?;
        Ok(Some((Arc::new(state), definition)))
    }

    /// A run as the journal has it, whether it is under way or over.
    pub async fn state(&self, tenant: &TenantId, run: &TaskId) -> Result<Arc<State>, ActError> {
        match self.load(tenant, run).await {
            Ok(Some((state, _))) => Ok(state),
            Ok(None) => Err(ActError::Unknown),
            Err(ActError::Rejected(Reject::Over)) => {
                let stored = self.store.archive(run.to_string()).await?;
                Ok(Arc::new(self.replay(tenant, stored).await?))
            }
            Err(error) => Err(error),
        }
    }

    /// All events of a run.
    pub async fn history(&self, tenant: &TenantId, run: &TaskId) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        for text in self.store.archive(run.to_string()).await?.events {
            events.extend(self.events(tenant, text).await?);
        }
        Ok(events)
    }

    async fn replay(&self, tenant: &TenantId, stored: Stored) -> Result<State, Error> {
        let damaged =
            |reason: String| Error::new(ErrorCode::DataCorrupted, format!("a journal cannot be read: {reason}"));
        let snapshot = match stored.snapshot {
            Some(text) => {
                let text = self.payloads.fetch(tenant, text).await?;
                Some(serde_json::from_str::<State>(&text).map_err(|error| damaged(error.to_string()))?)
            }
            None => None,
        };
        let mut events = Vec::new();
        for text in stored.events {
            events.extend(self.events(tenant, text).await?);
        }
        State::resume(snapshot, events).ok_or_else(|| damaged("it does not begin with a start".to_owned()))
    }

    /// The events of one row of the journal.
    pub async fn events(&self, tenant: &TenantId, text: String) -> Result<Vec<Event>, Error> {
        let text = self.payloads.fetch(tenant, text).await?;
        store::decode(&text)
            .map_err(|error| Error::new(ErrorCode::DataCorrupted, format!("a journal cannot be read: {error}")))
    }

    /// The row of a run, with its input and output.
    pub async fn row(&self, tenant: &TenantId, id: &str) -> Result<RunRow, Error> {
        let row = self.store.run(tenant.to_string(), id.to_owned()).await?;
        let mut row = row.ok_or_else(|| Error::new(ErrorCode::NotFound, format!("there is no task {id:?}")))?;
        row.input = self.payloads.fetch(tenant, row.input).await?;
        row.output = self.payloads.fetch(tenant, row.output).await?;
        Ok(row)
    }

    /// Resolves when a run is over, or when `within` has passed. Gives the last state, if it is at hand.
    pub async fn ended(
        &self,
        tenant: &TenantId,
        run: &TaskId,
        within: Duration,
    ) -> Result<Option<Arc<State>>, ActError> {
        let partition = partition_of(tenant, run);
        match self.ownership.of(partition) {
            Owner::Here(_) => {
                let watch = Watch { tenant: tenant.clone(), run: run.clone() };
                let watching = self.actor_of(partition)?.try_send(watch)?;
                // Neither the time that has passed nor an actor that was restarted says anything about the run.
                Ok(tokio::time::timeout(within, watching).await.ok().and_then(Result::ok).flatten())
            }
            Owner::There(member) => {
                let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
                let ask = Ask::Watch { tenant: tenant.clone(), run: run.clone(), within_ms };
                members::ask(self, &member, &ask).await.map(|()| None)
            }
            Owner::Nobody => {
                tokio::time::sleep(HANDOVER_PAUSE.min(within)).await;
                Ok(None)
            }
        }
    }
}
