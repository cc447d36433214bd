//! The answers in Redis. Whatever it does not answer in time is a miss; nothing here waits longer than the deadline, and only
//! `forget` has errors.

mod entry;
mod forget;
mod gate;
mod keys;

use std::fmt;
use std::time::Duration;

use orrery_types::UnixMillis;
use parking_lot::RwLock;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::streams::StreamRangeReply;
use redis::{AsyncCommands as _, RedisResult, Script};

use crate::question::Key;
use crate::settings::Settings;
use gate::{Asked, Gate};

pub(crate) use entry::Entry;
pub use forget::Forget;
pub(crate) use keys::Place;

/// Connecting may take longer than an operation; it goes on beside the questions.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(750);
/// Operations that may wait for the connection's writer.
const PIPELINE: usize = 1024;

pub(crate) struct Store {
    client: redis::Client,
    connection: RwLock<ConnectionManager>,
    gate: Gate,
    settings: Settings,
    claim: Script,
    put: Script,
    unlock: Script,
    forget: Script,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("gate", &self.gate).finish_non_exhaustive()
    }
}

/// What the store said of a question.
#[derive(Debug)]
pub(crate) struct Claim {
    /// A sound answer that has not ended.
    pub entry: Option<Entry>,
    /// What has been forgotten so far. An answer is kept only while that is so.
    pub generation: String,
    /// Whether the lock is one's own now.
    pub locked: bool,
}

/// A lock on making an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lock<'a> {
    pub token: &'a str,
    pub time: Duration,
}

/// What is kept of a question that others may be like.
#[derive(Debug, Clone)]
pub(crate) struct Neighbour {
    pub neighbourhood: Key,
    pub text: String,
    pub vector: Box<[f32]>,
}

/// One question of a neighbourhood, as it lies in its stream.
#[derive(Debug)]
pub(crate) struct Kept {
    pub key: String,
    pub expires: UnixMillis,
    pub text: String,
    pub vector: Box<[f32]>,
}

impl Store {
    /// Connects in the background. Fails only where the URL is none.
    pub fn new(url: &str, settings: Settings) -> RedisResult<Self> {
        let client = redis::Client::open(url)?;
        let connection = RwLock::new(connect(&client)?);
        let script = |text| Script::new(text);
        Ok(Self {
            client,
            connection,
            gate: Gate::default(),
            settings,
            claim: script(include_str!("lua/claim.lua")),
            put: script(include_str!("lua/put.lua")),
            unlock: script(include_str!("lua/unlock.lua")),
            forget: script(include_str!("lua/forget.lua")),
        })
    }

    /// Reads the answer at a place and takes the lock if one is wanted. `None`: nobody knows.
    pub async fn claim(&self, place: &Place, lock: Option<Lock<'_>>) -> Option<Claim> {
        type Raw = (u8, Option<Vec<u8>>, String, String, String, String);
        let mut call = self.claim.prepare_invoke();
        call.key(place.entry()).key(keys::generations(&place.tenant)).key(place.lock());
        call.arg(lock.map_or("", |lock| lock.token)).arg(lock.map_or(0, |lock| millis(lock.time)));
        for field in place.fields() {
            call.arg(field);
        }
        let mut connection = self.connection.read().clone();
        let raw: Raw = self.ask("claim", call.invoke_async(&mut connection)).await?;
        let generation = [raw.2, raw.3, raw.4, raw.5].join("|");
        let entry = match raw.1 {
            Some(bytes) => self.judge(place, &bytes, &generation).await,
            None => None,
        };
        Some(Claim { entry, generation, locked: raw.0 == 1 })
    }

    async fn judge(&self, place: &Place, bytes: &[u8], generation: &str) -> Option<Entry> {
        let Some(entry) = Entry::decode(bytes).filter(|entry| entry.key == place.key) else {
            metrics::counter!("orrery.cache.corrupted").increment(1);
            tracing::warn!(key = %place.key, "an answer in the cache is damaged; it is removed");
            let mut connection = self.connection.read().clone();
            // If it stays, the next reader judges it the same.
            let _removed: Option<u64> = self.ask("remove", connection.unlink(place.entry())).await;
            return None;
        };
        (entry.generation == generation && entry.expires > UnixMillis::now()).then_some(entry)
    }

    /// Keeps an answer and gives the lock back. `Some(false)`: what it rests on has been forgotten since it was begun.
    pub async fn put(
        &self,
        place: &Place,
        token: &str,
        entry: &Entry,
        neighbour: Option<&Neighbour>,
        bytes: &[u8],
    ) -> Option<bool> {
        let now = UnixMillis::now();
        let neighbourhood = neighbour.map(|neighbour| keys::neighbourhood(&place.tenant, &neighbour.neighbourhood));
        let mut call = self.put.prepare_invoke();
        call.key(place.entry()).key(keys::generations(&place.tenant)).key(place.lock()).key(keys::index(&place.tenant));
        call.key(neighbourhood.unwrap_or_else(|| place.entry())).arg(token);
        for field in place.fields() {
            call.arg(field);
        }
        call.arg(&entry.generation).arg(bytes).arg(millis(entry.expires.since(now)).max(1)).arg(now.0);
        call.arg(entry.expires.0).arg(place.member()).arg(self.settings.tenant_entries_max);
        call.arg(keys::prefix(&place.tenant));
        let member = neighbour.map(|neighbour| place.neighbourhood_member(&neighbour.neighbourhood));
        call.arg(member.unwrap_or_default()).arg(place.key.hex());
        call.arg(neighbour.map_or("", |neighbour| neighbour.text.as_str()));
        call.arg(neighbour.map(|neighbour| entry::vector_bytes(&neighbour.vector)).unwrap_or_default());
        call.arg(self.settings.neighbours_max);
        let mut connection = self.connection.read().clone();
        let kept: u8 = self.ask("put", call.invoke_async(&mut connection)).await?;
        Some(kept == 1)
    }

    /// Gives a lock back. One that stays ends by itself.
    pub async fn unlock(&self, place: &Place, token: &str) {
        let mut call = self.unlock.prepare_invoke();
        call.key(place.lock()).arg(token);
        let mut connection = self.connection.read().clone();
        let _given_back: Option<u8> = self.ask("unlock", call.invoke_async(&mut connection)).await;
    }

    /// Questions of a neighbourhood after the one with this id, in their order, and the id of the last one read.
    pub async fn neighbours(
        &self,
        tenant: &str,
        neighbourhood: &Key,
        after: &str,
        count: usize,
    ) -> Option<(Vec<Kept>, Option<String>)> {
        let mut connection = self.connection.read().clone();
        let stream = keys::neighbourhood(tenant, neighbourhood);
        let reading = connection.xrange_count(stream, format!("({after}"), "+", count);
        let read: StreamRangeReply = self.ask("neighbours", reading).await?;
        let last = read.ids.last().map(|record| record.id.clone());
        let kept = read.ids.into_iter().filter_map(|record| {
            let vector: Vec<u8> = record.get("v")?;
            let expires: u64 = record.get("e")?;
            Some(Kept {
                key: record.get("k")?,
                expires: UnixMillis(expires),
                text: record.get("q")?,
                vector: entry::vector(&vector)?,
            })
        });
        Some((kept.collect(), last))
    }

    async fn ask<T>(&self, operation: &'static str, asking: impl Future<Output = RedisResult<T>>) -> Option<T> {
        match self.gate.ask(operation, self.settings.store_deadline, asking).await {
            Asked::Answered(value) => Some(value),
            Asked::Unanswered => None,
            Asked::Opened => {
                // One that hangs would hang on after the rest, since nobody waits until its own time-outs.
                match connect(&self.client) {
                    Ok(fresh) => *self.connection.write() = fresh,
                    Err(error) => tracing::error!(%error, "no new connection to the cache's store"),
                }
                None
            }
        }
    }
}

fn connect(client: &redis::Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_max_delay(CONNECT_TIMEOUT)
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(CONNECT_TIMEOUT))
        .set_pipeline_buffer_size(PIPELINE);
    let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
    let mut warming = connection.clone();
    // A lazy connection is made by whoever asks first and stops being made when that one no longer waits.
    tokio::spawn(async move {
        if let Err(error) = warming.ping::<String>().await {
            tracing::debug!(%error, "the cache's store is not there yet");
        }
    });
    Ok(connection)
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
