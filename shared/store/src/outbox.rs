//! The transactional outbox: what must be published is written in the transaction that makes it true, and a row goes
//! only when the bus has acknowledged it durably. Each service's migrations create the table:
//!
//! ```sql
//! CREATE TABLE outbox (
//!   id         INTEGER PRIMARY KEY AUTOINCREMENT,   -- PostgreSQL: BIGSERIAL PRIMARY KEY
//!   subject    TEXT NOT NULL,
//!   message_id TEXT NOT NULL UNIQUE,                -- the bus drops a second message with the same id
//!   payload    BLOB NOT NULL,                       -- PostgreSQL: BYTEA
//!   created_ms BIGINT NOT NULL
//! );
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use futures::stream::{self, StreamExt as _};
use orrery_bus::Bus;
use orrery_supervise::TaskSpec;
use tokio::sync::Notify;

use crate::{AnyConnection, Store, StoreError};

diesel::table! {
    outbox (id) {
        id -> BigInt,
        subject -> Text,
        message_id -> Text,
        payload -> Binary,
        created_ms -> BigInt,
    }
}

/// Rows read at once.
const BATCH: i64 = 256;
/// Rows of one insert.
const ROWS_PER_INSERT: usize = 1_000;
/// Publishes under way at once.
const IN_FLIGHT: usize = 64;
/// A look at the table even if nobody said that there is something in it.
const IDLE: Duration = Duration::from_secs(1);
/// Pause after a failed publish.
const RETRY: Duration = Duration::from_millis(500);

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Insertable)]
#[diesel(table_name = outbox)]
pub struct Message {
    /// Where to.
    pub subject: String,
    /// Unique; the bus drops a second one.
    pub message_id: String,
    /// The encoded message.
    pub payload: Vec<u8>,
    /// Unix milliseconds.
    pub created_ms: i64,
}

#[derive(Debug, Queryable)]
struct Row {
    id: i64,
    subject: String,
    message_id: String,
    payload: Vec<u8>,
    created_ms: i64,
}

/// Adds messages inside the caller's transaction. Call [`Pump::wake`] after it has committed.
pub fn insert(connection: &mut AnyConnection, messages: &[Message]) -> QueryResult<()> {
    for chunk in messages.chunks(ROWS_PER_INSERT) {
        // SQLite takes several rows in one statement only through its own connection type.
        match connection {
            AnyConnection::Postgres(postgres) => diesel::insert_into(outbox::table).values(chunk).execute(postgres)?,
            AnyConnection::Sqlite(sqlite) => diesel::insert_into(outbox::table).values(chunk).execute(sqlite)?,
        };
    }
    Ok(())
}

/// How many messages have not been acknowledged.
pub fn pending(connection: &mut AnyConnection) -> QueryResult<i64> {
    outbox::table.count().get_result(connection)
}

/// Publishes what the outbox holds, oldest first, for as long as it runs.
#[derive(Debug, Clone)]
pub struct Pump {
    store: Store,
    wake: Arc<Notify>,
}

impl Pump {
    /// A pump over the service's store.
    pub fn new(store: Store) -> Self {
        Self { store, wake: Arc::new(Notify::new()) }
    }

    /// Says that something was committed.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// The supervised task that publishes to JetStream for as long as the service runs.
    pub fn task(&self, bus: &Bus) -> TaskSpec {
        let (pump, bus) = (self.clone(), bus.clone());
        TaskSpec::new("outbox", move |task| {
            let (pump, bus) = (pump.clone(), bus.clone());
            async move {
                let publish = |message: Message| {
                    let bus = bus.clone();
                    async move { bus.publish_durable(message.subject, &message.message_id, message.payload).await }
                };
                tokio::select! {
                    ended = pump.run(publish) => ended,
                    () = task.draining() => Ok(()),
                }
            }
        })
    }

    /// Runs until the store fails. `publish` returns once the message is durable at the other side; one that fails stays
    /// and is tried again.
    pub async fn run<P, F, E>(&self, publish: P) -> Result<(), StoreError>
    where
        P: Fn(Message) -> F,
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        loop {
            let rows = self.oldest().await?;
            if rows.is_empty() {
                // Timing out is the other, equally good reason to look again.
                let _woken = tokio::time::timeout(IDLE, self.wake.notified()).await;
                continue;
            }
            let sent = rows.len();
            let acknowledged = publish_all(rows, &publish).await;
            let failed = acknowledged.len() < sent;
            self.delete(acknowledged).await?;
            if failed {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn oldest(&self) -> Result<Vec<Row>, StoreError> {
        let load = |connection: &mut AnyConnection| outbox::table.order(outbox::id).limit(BATCH).load(connection);
        self.store.read(move |connection| load(connection).map_err(StoreError::from)).await
    }

    async fn delete(&self, ids: Vec<i64>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let delete = move |connection: &mut AnyConnection| {
            diesel::delete(outbox::table.filter(outbox::id.eq_any(ids))).execute(connection)
        };
        // One that comes back with the machine's failure is published again and dropped by its id.
        self.store.write_relaxed(move |connection| delete(connection).map(drop).map_err(StoreError::from)).await
    }
}

async fn publish_all<P, F, E>(rows: Vec<Row>, publish: &P) -> Vec<i64>
where
    P: Fn(Message) -> F,
    F: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    // Buffered in order: whoever reads the stream sees one service's messages in the order of its commits.
    let outcomes = stream::iter(rows).map(|row| {
        let Row { id, subject, message_id, payload, created_ms } = row;
        let sending = publish(Message { subject, message_id, payload, created_ms });
        async move { (id, sending.await) }
    });
    let mut acknowledged = Vec::new();
    let mut outcomes = outcomes.buffered(IN_FLIGHT);
    while let Some((id, outcome)) = outcomes.next().await {
        match outcome {
            Ok(()) => acknowledged.push(id),
            Err(error) => tracing::warn!(outbox.id = id, %error, "publish failed, will be tried again"),
        }
    }
    acknowledged
}
