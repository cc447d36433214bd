//! Forgetting: at once for whoever asks afterwards, and then for good.

use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use redis::{AsyncCommands as _, RedisResult};

use super::{Store, keys, millis};
use crate::question::{Key, label};

/// For each round of an operation that a person waits for.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Members of the index that are looked at in one round.
const PAGE: usize = 500;
/// Forgotten versions and keys that a tenant's generations remember one by one.
const FIELDS_MAX: u64 = 10_000;
/// A generation outlives what it ends.
const MARGIN: Duration = Duration::from_secs(86_400);

/// What of a tenant's is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forget<'a> {
    /// All of it.
    Everything,
    /// What rests on this version of the knowledge.
    Knowledge(&'a str),
    /// What rests on this version of the models.
    Models(&'a str),
    /// One answer.
    Key(&'a Key),
}

impl Forget<'_> {
    fn field(self) -> String {
        match self {
            Self::Everything => keys::ALL_FIELD.to_owned(),
            Self::Knowledge(version) => keys::knowledge_field(&label(version)),
            Self::Models(version) => keys::models_field(&label(version)),
            Self::Key(key) => keys::key_field(key),
        }
    }

    /// Whether it takes this member of the index.
    fn takes(self, member: &str) -> bool {
        let Some((name, knowledge, models)) = keys::member(member) else { return true };
        match self {
            Self::Everything => true,
            Self::Knowledge(version) => knowledge == label(version),
            Self::Models(version) => models == label(version),
            Self::Key(key) => name.strip_prefix("x:").is_some_and(|hex| hex == key.hex()),
        }
    }
}

impl Store {
    /// Returns how many keys were removed. Once this has answered, nothing of it is given or kept again, not even by a call
    /// that was under way.
    ///
    /// # Errors
    /// `Unavailable` where Redis did not confirm it; then it must be asked for again.
    pub async fn forget(&self, tenant: &str, what: Forget<'_>) -> Result<u64, Error> {
        let mut connection = self.connection.read().clone();
        let keep = self.settings.ttl_max.saturating_add(MARGIN);
        let mut call = self.forget.prepare_invoke();
        call.key(keys::generations(tenant)).arg(what.field()).arg(uuid::Uuid::new_v4().simple().to_string());
        call.arg(millis(keep)).arg(FIELDS_MAX);
        within(call.invoke_async::<u8>(&mut connection)).await?;
        let mut removed = 0;
        let mut cursor: u64 = 0;
        loop {
            let mut scan = redis::cmd("ZSCAN");
            scan.arg(keys::index(tenant)).arg(cursor).arg("COUNT").arg(PAGE);
            let (next, members): (u64, Vec<(String, f64)>) = within(scan.query_async(&mut connection)).await?;
            let members: Vec<String> = members.into_iter().map(|(member, _)| member).collect();
            if let Forget::Key(key) = what {
                for member in &members {
                    removed += self.forget_question(tenant, member, key).await?;
                }
            }
            let taken: Vec<String> = members.into_iter().filter(|member| what.takes(member)).collect();
            if !taken.is_empty() {
                let name = |member: &String| {
                    let name = keys::member(member).map_or(member.as_str(), |(name, _, _)| name);
                    format!("{}{name}", keys::prefix(tenant))
                };
                let names: Vec<String> = taken.iter().map(name).collect();
                removed += within(connection.unlink::<_, u64>(names)).await?;
                within(connection.zrem::<_, _, u64>(keys::index(tenant), taken)).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(removed);
            }
        }
    }

    /// Removes the question with this key from a neighbourhood.
    async fn forget_question(&self, tenant: &str, member: &str, key: &Key) -> Result<u64, Error> {
        let Some(name) = keys::member(member).map(|(name, _, _)| name).filter(|name| name.starts_with("s:")) else {
            return Ok(0);
        };
        let stream = format!("{}{name}", keys::prefix(tenant));
        let mut connection = self.connection.read().clone();
        let (mut after, mut removed) = ("-".to_owned(), 0);
        loop {
            let reading = connection.xrange_count(&stream, &after, "+", PAGE);
            let read: redis::streams::StreamRangeReply = within(reading).await?;
            let Some(last) = read.ids.last().map(|record| record.id.clone()) else { return Ok(removed) };
            let is_it = |record: &&redis::streams::StreamId| record.get::<String>("k").is_some_and(|k| k == key.hex());
            let ids: Vec<&str> = read.ids.iter().filter(is_it).map(|record| record.id.as_str()).collect();
            if !ids.is_empty() {
                removed += within(connection.xdel::<_, _, u64>(&stream, &ids)).await?;
            }
            after = format!("({last}");
        }
    }
}

async fn within<T>(asking: impl Future<Output = RedisResult<T>>) -> Result<T, Error> {
    let problem = match tokio::time::timeout(TIMEOUT, asking).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => format!("no answer within {} ms", TIMEOUT.as_millis()),
    };
    let message = format!("the cache's Redis did not confirm that it has forgotten ({problem}); ask again");
    Err(Error::new(ErrorCode::Unavailable, message).retry_after(TIMEOUT))
}
