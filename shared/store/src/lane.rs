//! Connections that do one kind of work, with a bound on how many operations wait for them and on how long the database may
//! be silent.
//!
//! A database behind a broken network does not refuse, it is silent, and libpq waits without end. So whoever waits here is
//! answered once the lane's time is over, or once it is known by other means that the database is silent, and the lane goes on
//! with fresh connections; the silent ones are left to their threads, which end when the connection does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::r2d2::{Builder, Pool, PoolError};
use parking_lot::RwLock;
use tokio::sync::{Semaphore, watch};

use crate::checkpoint::Checkpoints;
use crate::connection::{Limits, Manager};
use crate::{AnyConnection, Dialect, StoreError};

/// Operations that may wait for the database before callers are turned away.
const WAITING_MAX: usize = 4096;
/// Less than any lane's time, so that a database that refuses is told from one that is silent.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a lane is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneSpec {
    /// Connections at most.
    pub(crate) connections: u32,
    /// Whether a connection is tried before each use, which costs a round trip.
    pub(crate) tested: bool,
    /// How long one operation may take. SQLite's may take as long as the disk does.
    pub(crate) answer_within: Duration,
    /// How long a transaction may stand still between two statements before PostgreSQL ends it, and with it the locks that a
    /// dead or stopped process would hold.
    pub(crate) idle_within: Duration,
}

#[derive(Clone)]
pub(crate) struct Lane {
    manager: Manager,
    spec: LaneSpec,
    present: Arc<RwLock<Connections>>,
    waiting: Arc<Semaphore>,
    /// Whether the database is known to be silent.
    silent: watch::Receiver<bool>,
    /// Who is told of each operation.
    checkpoints: Option<Checkpoints>,
}

/// Replaced as a whole when one of them is silent.
#[derive(Clone)]
struct Connections {
    pool: Pool<Manager>,
    slots: Arc<Semaphore>,
}

impl Connections {
    fn new(manager: &Manager, spec: LaneSpec) -> Self {
        let pool = builder(spec).build_unchecked(manager.clone());
        Self { pool, slots: slots(spec) }
    }

    fn tried(manager: &Manager, spec: LaneSpec) -> Result<Self, StoreError> {
        let dialect = manager.dialect.name();
        let failed = |error: PoolError| StoreError::Connect { dialect, reason: error.to_string() };
        let pool = builder(spec).build(manager.clone()).map_err(failed)?;
        Ok(Self { pool, slots: slots(spec) })
    }
}

fn builder(spec: LaneSpec) -> Builder<Manager> {
    Pool::builder()
        .max_size(spec.connections)
        .min_idle(Some(1))
        .test_on_check_out(spec.tested)
        .connection_timeout(CHECKOUT_TIMEOUT.min(spec.answer_within / 2))
}

fn slots(spec: LaneSpec) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(usize::try_from(spec.connections).unwrap_or(1)))
}

impl Lane {
    pub(crate) fn new(manager: &Manager, spec: LaneSpec, silent: watch::Receiver<bool>) -> Result<Self, StoreError> {
        let manager = manager.limited(Limits { statement: spec.answer_within, idle: spec.idle_within });
        let present = Arc::new(RwLock::new(Connections::tried(&manager, spec)?));
        Ok(Self { manager, spec, present, waiting: Arc::new(Semaphore::new(WAITING_MAX)), silent, checkpoints: None })
    }

    /// A lane whose operations write to SQLite's log.
    pub(crate) fn with_checkpoints(self, checkpoints: Checkpoints) -> Self {
        Self { checkpoints: Some(checkpoints), ..self }
    }

    pub(crate) async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut AnyConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        if *self.silent.borrow() {
            return Err(StoreError::Silent.into());
        }
        let place = self.waiting.clone().try_acquire_owned();
        let place = place.map_err(|_| StoreError::Overloaded { waiting: WAITING_MAX })?;
        // Waiting happens here, not on a blocking thread, so that a slow disk does not use up the threads.
        let (connections, slot) = loop {
            let connections = self.present.read().clone();
            // Closed when the connections were replaced while this one waited for its turn.
            if let Ok(slot) = connections.slots.clone().acquire_owned().await {
                break (connections, slot);
            }
        };
        let (pool, dialect) = (connections.pool.clone(), self.manager.dialect);
        let working = blocking(move || {
            let _held = (place, slot);
            let refused = |error: PoolError| StoreError::Connect { dialect: dialect.name(), reason: error.to_string() };
            let mut connection = pool.get().map_err(refused)?;
            connection.used = Instant::now();
            let outcome = work(&mut connection.connection);
            connection.failed = outcome.is_err();
            outcome
        });
        if dialect == Dialect::Sqlite {
            let outcome = working.await;
            if let Some(checkpoints) = &self.checkpoints {
                checkpoints.wake();
            }
            return outcome;
        }
        // Watched by a task of its own: who asked may stop waiting, and the lane must not lose its connection by that.
        let mut lane = self.clone();
        let watching = tokio::spawn(async move {
            tokio::select! {
                outcome = working => return outcome,
                () = tokio::time::sleep(lane.spec.answer_within) => {}
                // The sender lives as long as the store; without one there is only the time.
                Ok(_) = lane.silent.wait_for(|silent| *silent) => {}
            }
            lane.replace(&connections);
            Err(StoreError::Silent.into())
        });
        watching.await.unwrap_or_else(|error| Err(StoreError::Abandoned(error.to_string()).into()))
    }

    /// Goes on with fresh connections, unless another operation has seen to that already.
    fn replace(&self, silent: &Connections) {
        let mut present = self.present.write();
        if Arc::ptr_eq(&present.slots, &silent.slots) {
            tracing::warn!("the database is silent; its connections are replaced");
            present.slots.close();
            *present = Connections::new(&self.manager, self.spec);
        }
    }
}

pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Abandoned(error.to_string()).into()),
    }
}
