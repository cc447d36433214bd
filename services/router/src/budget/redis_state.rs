//! The state in Redis, reached only by scripts, each of which is one atomic step.

use std::fmt;
use std::time::Duration;

use orrery_types::{Nanos, UnixMillis};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands as _, RedisResult, Script};

use super::Standing;
use super::reservations::Held;
use crate::store::BudgetRow;
use orrery_routing::window::Window;

/// A budget check slower than this counts as no answer.
const TIMEOUT: Duration = Duration::from_millis(750);
/// A month's state outlives the month.
const KEEP: Duration = Duration::from_secs(40 * 86_400);

pub(super) enum Reserved {
    Held,
    Exceeded(Standing),
    Stale,
}

pub(super) struct RedisState {
    connection: ConnectionManager,
    reserve: Script,
    settle: Script,
    seed: Script,
}

impl fmt::Debug for RedisState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisState").finish_non_exhaustive()
    }
}

impl RedisState {
    pub fn new(url: &str) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_max_delay(TIMEOUT)
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT));
        Ok(Self {
            connection: ConnectionManager::new_lazy_with_config(redis::Client::open(url)?, config)?,
            reserve: Script::new(include_str!("lua/reserve.lua")),
            settle: Script::new(include_str!("lua/settle.lua")),
            seed: Script::new(include_str!("lua/seed.lua")),
        })
    }

    pub async fn reserve(
        &self,
        tenant: &str,
        window: Window,
        id: &str,
        amount: Nanos,
        now: UnixMillis,
        expires: UnixMillis,
    ) -> RedisResult<Reserved> {
        let mut call = self.reserve.prepare_invoke();
        keys(&mut call, tenant, window).arg(id).arg(amount.get()).arg(now.0).arg(expires.0);
        let (answer, limit, spent, reserved): (String, u64, u64, u64) = self.run(call).await?;
        let nanos = |value| Nanos::new(value).unwrap_or_default();
        Ok(match answer.as_str() {
            "held" => Reserved::Held,
            "stale" => Reserved::Stale,
            _ => Reserved::Exceeded(Standing {
                limit: Some(nanos(limit)),
                spent: nanos(spent),
                reserved: nanos(reserved),
            }),
        })
    }

    pub async fn settle(&self, tenant: &str, window: Window, id: &str, total: Nanos) -> RedisResult<()> {
        let mut call = self.settle.prepare_invoke();
        keys(&mut call, tenant, window).arg(id).arg(total.get());
        self.run::<String>(call).await.map(drop)
    }

    pub async fn seed(
        &self,
        tenant: &str,
        window: Window,
        budget: &BudgetRow,
        total: Nanos,
        now: UnixMillis,
        mine: &[Held],
    ) -> RedisResult<()> {
        let mut call = self.seed.prepare_invoke();
        keys(&mut call, tenant, window).arg(budget.limit.get()).arg(budget.revision).arg(total.get()).arg(now.0);
        call.arg(KEEP.as_secs() * 1000);
        for held in mine {
            call.arg(&held.id).arg(held.amount.get()).arg(held.expires.0);
        }
        self.run::<String>(call).await.map(drop)
    }

    pub async fn reserved(&self, tenant: &str, window: Window) -> RedisResult<Nanos> {
        let mut connection = self.connection.clone();
        let reading = connection.hget::<_, _, Option<u64>>(state_key(tenant, window), "reserved");
        let reserved = within(reading).await?;
        Ok(reserved.and_then(|reserved| Nanos::new(reserved).ok()).unwrap_or_default())
    }

    async fn run<T: redis::FromRedisValue>(&self, call: redis::ScriptInvocation<'_>) -> RedisResult<T> {
        let mut connection = self.connection.clone();
        within(call.invoke_async(&mut connection)).await
    }
}

/// The connection's own timeouts do not cover waiting for a reconnection.
async fn within<T>(asking: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match tokio::time::timeout(TIMEOUT * 2, asking).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// The braces keep a tenant's keys on one node of a Redis cluster, which scripts need.
fn state_key(tenant: &str, window: Window) -> String {
    format!("orrery:budget:{{{tenant}}}:{window}")
}

fn keys<'a, 'b>(
    call: &'b mut redis::ScriptInvocation<'a>,
    tenant: &str,
    window: Window,
) -> &'b mut redis::ScriptInvocation<'a> {
    let state = state_key(tenant, window);
    let (held, expiry) = (format!("{state}:held"), format!("{state}:expiry"));
    call.key(state).key(held).key(expiry)
}
