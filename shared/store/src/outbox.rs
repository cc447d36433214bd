//! The transactional outbox: what must be published is written in the transaction that makes it true, and a row goes
//! only when the bus has certainly written it to its disk.
//!
//! The streams it feeds acknowledge before they sync, since a sync for each message would cost more than all the rest of a
//! workflow's step. So a row stays for longer than the bus takes to sync; and when the connection breaks, or this process
//! starts, what is still there is published again. The bus drops what it has by its id. Each service's migrations create
//! the table:
//!
//! ```sql
//! CREATE TABLE outbox (
//!   id         INTEGER PRIMARY KEY AUTOINCREMENT,   -- PostgreSQL: BIGSERIAL PRIMARY KEY
//!   subject    TEXT NOT NULL,
//!   message_id TEXT NOT NULL UNIQUE,                -- the bus drops a second message with the same id
//!   payload    BLOB NOT NULL,                       -- PostgreSQL: BYTEA
//!   created_ms BIGINT NOT NULL,
//!   published_ms BIGINT                             -- when the bus took it
//! );
//! ```

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use futures::stream::{self, StreamExt as _};
use orrery_bus::Bus;
use orrery_supervise::TaskSpec;
use orrery_types::UnixMillis;
use tokio::sync::{Notify, watch};

use crate::columns::{Arguments, Columns, Insert};
use crate::{AnyConnection, Store, StoreError};

diesel::table! {
    outbox (id) {
        id -> BigInt,
        subject -> Text,
        message_id -> Text,
        payload -> Binary,
        created_ms -> BigInt,
        published_ms -> Nullable<BigInt>,
    }
}

/// Rows read at once.
const BATCH: i64 = 256;
/// Publishes under way at once.
const IN_FLIGHT: usize = 64;
/// A look at the table even if nobody said that there is something in it.
const IDLE: Duration = Duration::from_secs(1);
/// Shortest time between two looks: under load, what came meanwhile is read, published and marked together.
const PACE: Duration = Duration::from_millis(20);
/// Pause after a failed publish.
const RETRY: Duration = Duration::from_millis(500);

/// How long a published row stays. The bus syncs such streams every two minutes.
const KEPT: Duration = Duration::from_secs(180);
/// How often rows that have stayed long enough are removed.
const SWEEP: Duration = Duration::from_secs(5);
/// Rows removed at once, so that removing holds up nobody.
const SWEEP_ROWS: usize = 5_000;

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
pub fn insert<'a>(connection: &mut AnyConnection, messages: impl IntoIterator<Item = &'a Message>) -> QueryResult<()> {
    let messages: Vec<&Message> = messages.into_iter().collect();
    if messages.is_empty() {
        return Ok(());
    }
    match connection {
        AnyConnection::Postgres(postgres) => Insert(MessageColumns::of(&messages)).execute(postgres).map(drop),
        AnyConnection::Sqlite(sqlite) => messages
            .into_iter()
            .try_for_each(|message| diesel::insert_into(outbox::table).values(message).execute(sqlite).map(drop)),
    }
}

/// Messages by column.
#[derive(Debug)]
pub struct MessageColumns<'a> {
    subjects: Vec<&'a str>,
    ids: Vec<&'a str>,
    payloads: Vec<&'a [u8]>,
    times: Vec<i64>,
}

impl<'a> MessageColumns<'a> {
    /// The columns of messages, in their order.
    pub fn of(messages: &[&'a Message]) -> Self {
        Self {
            subjects: messages.iter().map(|it| it.subject.as_str()).collect(),
            ids: messages.iter().map(|it| it.message_id.as_str()).collect(),
            payloads: messages.iter().map(|it| it.payload.as_slice()).collect(),
            times: messages.iter().map(|it| it.created_ms).collect(),
        }
    }
}

impl Columns for MessageColumns<'_> {
    const TABLE: &'static str = "outbox";
    const NAMES: &'static str = "subject, message_id, payload, created_ms";

    fn bind<'b>(&'b self, arguments: &mut Arguments<'_, 'b>) -> QueryResult<()> {
        arguments.column::<Text, _>(&self.subjects)?;
        arguments.column::<Text, _>(&self.ids)?;
        arguments.column::<Binary, _>(&self.payloads)?;
        arguments.column::<BigInt, _>(&self.times)
    }
}

/// How many messages have not been acknowledged.
pub fn pending(connection: &mut AnyConnection) -> QueryResult<i64> {
    outbox::table.filter(outbox::published_ms.is_null()).count().get_result(connection)
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
                    ended = pump.run(publish, bus.breaks()) => ended,
                    () = task.draining() => Ok(()),
                }
            }
        })
    }

    /// Runs until the store fails for good; a database that is away is waited for. `publish` returns once the other side has
    /// taken the message; one that fails stays and is tried again. `breaks` changes whenever the connection broke.
    pub async fn run<P, F, E>(&self, publish: P, breaks: watch::Receiver<u64>) -> Result<(), StoreError>
    where
        P: Fn(Message) -> F,
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        loop {
            match self.pump(&publish, breaks.clone()).await {
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "the outbox cannot be read now");
                    tokio::time::sleep(RETRY).await;
                }
                ended => return ended,
            }
        }
    }

    async fn pump<P, F, E>(&self, publish: &P, mut breaks: watch::Receiver<u64>) -> Result<(), StoreError>
    where
        P: Fn(Message) -> F,
        F: Future<Output = Result<(), E>>,
        E: std::fmt::Display,
    {
        // The machine may have failed, and with it the bus's disk.
        self.publish_again().await?;
        breaks.mark_unchanged();
        let mut swept = Instant::now();
        loop {
            if breaks.has_changed().unwrap_or(false) {
                breaks.mark_unchanged();
                self.publish_again().await?;
            }
            if swept.elapsed() >= SWEEP && self.sweep().await? < SWEEP_ROWS {
                swept = Instant::now();
            }
            let looked = tokio::time::Instant::now();
            let rows = self.oldest().await?;
            if rows.is_empty() {
                // Timing out is the other, equally good reason to look again.
                let _woken = tokio::time::timeout(IDLE, self.wake.notified()).await;
                continue;
            }
            let sent = rows.len();
            let acknowledged = publish_all(rows, publish).await;
            let failed = acknowledged.len() < sent;
            self.mark(acknowledged).await?;
            if failed {
                tokio::time::sleep(RETRY).await;
            } else if (sent as i64) < BATCH {
                tokio::time::sleep_until(looked + PACE).await;
            }
        }
    }

    async fn oldest(&self) -> Result<Vec<Row>, StoreError> {
        let load = |connection: &mut AnyConnection| {
            let columns = (outbox::id, outbox::subject, outbox::message_id, outbox::payload, outbox::created_ms);
            let rows = outbox::table.filter(outbox::published_ms.is_null()).select(columns);
            rows.order(outbox::id).limit(BATCH).load(connection)
        };
        self.store.read(move |connection| load(connection).map_err(StoreError::from)).await
    }

    /// Notes that rows were published. Should that be lost with the machine, they are published again.
    async fn mark(&self, ids: Vec<i64>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let now = now_ms();
        let mark = move |connection: &mut AnyConnection| {
            let rows = outbox::table.filter(outbox::id.eq_any(ids));
            diesel::update(rows).set(outbox::published_ms.eq(now)).execute(connection)
        };
        self.store.write_relaxed(move |connection| mark(connection).map(drop).map_err(StoreError::from)).await
    }

    /// Lets everything that is still there be published again.
    async fn publish_again(&self) -> Result<(), StoreError> {
        let forget = |connection: &mut AnyConnection| {
            let rows = outbox::table.filter(outbox::published_ms.is_not_null());
            diesel::update(rows).set(outbox::published_ms.eq(None::<i64>)).execute(connection)
        };
        self.store.write(move |connection| forget(connection).map(drop).map_err(StoreError::from)).await
    }

    /// Removes what has stayed long enough, as far as it goes at once; says how many rows went.
    async fn sweep(&self) -> Result<usize, StoreError> {
        let until = now_ms() - i64::try_from(KEPT.as_millis()).unwrap_or(i64::MAX);
        let sweep = move |connection: &mut AnyConnection| {
            let rows = outbox::table.filter(outbox::published_ms.lt(until)).select(outbox::id);
            let ids: Vec<i64> = rows.order(outbox::published_ms).limit(SWEEP_ROWS as i64).load(connection)?;
            diesel::delete(outbox::table.filter(outbox::id.eq_any(ids))).execute(connection)
        };
        self.store.write_relaxed(move |connection| sweep(connection).map_err(StoreError::from)).await
    }
}

fn now_ms() -> i64 {
    i64::try_from(UnixMillis::now().0).unwrap_or(i64::MAX)
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
