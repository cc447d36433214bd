//! Budgets: reserve before a call, settle after it. Redis holds limit, total and reservations so that all routers see
//! one state; the SQL ledger is the truth that the state is rebuilt from.
//!
//! - `spent + reserved` never passes the limit at a reservation, and every call costs at most what it reserved.
//! - `spent` in Redis is never anything but a total that the ledger had, so a repeated, late or lost settlement and
//!   a wiped Redis all end at the ledger's total.
//! - A reservation runs out one minute after its call's deadline. A router that crashed can therefore hold money, but
//!   not for ever; the first to see one that ran out asks the ledger before it goes on.

mod redis_state;
mod reservations;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use orrery_errors::{Error, ErrorCode};
use orrery_types::{Nanos, UnixMillis};
use parking_lot::Mutex;

use crate::store::{BudgetRow, Ledger, WhenUnavailable};
use orrery_routing::window::Window;
use redis_state::{RedisState, Reserved};
use reservations::Reservations;

/// Largest budget: 2^53 nano-units, nine million units of currency, the largest whole number that Lua counts exactly.
pub const LIMIT_NANOS_MAX: u64 = 1 << 53;
/// How long a changed budget may go unseen by other routers.
const SETTINGS_TTL: Duration = Duration::from_secs(2);
const SETTINGS_CACHED_MAX: usize = 10_000;
/// Time after a call's deadline to settle it.
const SETTLE_GRACE: Duration = Duration::from_secs(60);
const RETRY_HINT: Duration = Duration::from_secs(1);

/// Money held for one attempt.
#[derive(Debug)]
pub struct Reservation {
    id: String,
    tenant: String,
    window: Window,
    hold: Hold,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// The tenant has no limit.
    NotNeeded,
    /// Let through without a check, because the tenant's mode is open.
    Unchecked,
    /// Held in Redis.
    Held,
}

impl Reservation {
    /// The month that pays.
    pub fn window(&self) -> Window {
        self.window
    }
}

/// A tenant's budget as it stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// None is no limit.
    pub limit: Option<Nanos>,
    /// By the ledger.
    pub spent: Nanos,
    /// Held for calls under way; 0 while Redis is away.
    pub reserved: Nanos,
}

/// Reserves and settles.
#[derive(Debug)]
pub struct Budgets {
    ledger: Ledger,
    redis: RedisState,
    settings: Mutex<HashMap<String, (Instant, Option<BudgetRow>)>>,
    reservations: Reservations,
    /// One seeds, the others wait and find it done.
    seeding: tokio::sync::Mutex<()>,
}

impl Budgets {
    /// Does not connect yet: a router starts, and says what it cannot do, without Redis.
    pub fn new(ledger: Ledger, redis_url: &str) -> Result<Self, redis::RedisError> {
        let redis = RedisState::new(redis_url)?;
        Ok(Self {
            ledger,
            redis,
            settings: Mutex::default(),
            reservations: Reservations::default(),
            seeding: tokio::sync::Mutex::default(),
        })
    }

    /// Holds `amount` until the call is settled, or at the latest one minute after `deadline`.
    pub async fn reserve(
        &self,
        tenant: &str,
        id: &str,
        amount: Nanos,
        now: UnixMillis,
        deadline: UnixMillis,
    ) -> Result<Reservation, Error> {
        let window = Window::at(now);
        let reservation = |hold| Reservation { id: id.to_owned(), tenant: tenant.to_owned(), window, hold };
        let Some(budget) = self.settings(tenant).await? else { return Ok(reservation(Hold::NotNeeded)) };
        if amount.get() > LIMIT_NANOS_MAX {
            return Err(exceeded(
                tenant,
                window,
                amount,
                &Standing { limit: Some(budget.limit), ..Standing::default() },
            ));
        }
        let expires = deadline.saturating_add(SETTLE_GRACE);
        match self.hold(tenant, window, &budget, id, amount, now, expires).await {
            Ok(Reserved::Held) => {
                self.reservations.add(tenant, window, id, amount, expires);
                Ok(reservation(Hold::Held))
            }
            Ok(Reserved::Exceeded(standing)) => Err(exceeded(tenant, window, amount, &standing)),
            Ok(Reserved::Stale) => Err(unavailable("its state changes faster than it can be seeded")),
            Err(HoldError::Ledger(error)) => {
                self.reservations.mark_stale(tenant, window);
                Err(error)
            }
            Err(HoldError::Redis(error)) => {
                self.reservations.mark_stale(tenant, window);
                metrics::counter!("orrery.router.budget.unavailable", "mode" => budget.when_unavailable.as_str())
                    .increment(1);
                tracing::warn!(%error, tenant, mode = budget.when_unavailable.as_str(), "budgets cannot be checked");
                match budget.when_unavailable {
                    WhenUnavailable::Open => Ok(reservation(Hold::Unchecked)),
                    WhenUnavailable::Closed => Err(unavailable("Redis does not answer")),
                }
            }
        }
    }

    /// Lets go of what was held after the ledger has the call. `total` is the ledger's, zero when nothing was spent.
    /// Failing here harms nothing: the reservation runs out, and the ledger is asked before the next one.
    pub async fn settle(&self, reservation: Reservation, total: Nanos) {
        let Reservation { id, tenant, window, hold } = reservation;
        match hold {
            Hold::NotNeeded => return,
            Hold::Unchecked => self.reservations.mark_stale(&tenant, window),
            Hold::Held => {
                if let Err(error) = self.redis.settle(&tenant, window, &id, total).await {
                    tracing::warn!(%error, tenant, reservation = id, "a reservation was not settled and will run out");
                    self.reservations.mark_stale(&tenant, window);
                }
            }
        }
        self.reservations.remove(&tenant, window, &id);
    }

    /// Sets a tenant's monthly limit; zero lifts it.
    pub async fn set(&self, tenant: &str, limit: Nanos, mode: WhenUnavailable) -> Result<(), Error> {
        if limit.get() > LIMIT_NANOS_MAX {
            let message = format!("limit_nanos is {}, the largest is {LIMIT_NANOS_MAX}", limit.get());
            return Err(Error::new(ErrorCode::InvalidRequest, message));
        }
        self.ledger.set_budget(tenant, limit, mode).await?;
        self.settings.lock().remove(tenant);
        self.reservations.mark_all_stale(tenant);
        Ok(())
    }

    /// How a tenant's budget stands.
    pub async fn standing(&self, tenant: &str, window: Window) -> Result<Standing, Error> {
        let spent = self.ledger.spent(tenant, &window.to_string()).await?;
        let limit = self.settings(tenant).await?.map(|budget| budget.limit);
        let reserved = match limit {
            None => Nanos::ZERO,
            Some(_) => self.redis.reserved(tenant, window).await.unwrap_or(Nanos::ZERO),
        };
        Ok(Standing { limit, spent, reserved })
    }

    #[allow(clippy::too_many_arguments)] // one call, all of it needed twice
    async fn hold(
        &self,
        tenant: &str,
        window: Window,
        budget: &BudgetRow,
        id: &str,
        amount: Nanos,
        now: UnixMillis,
        expires: UnixMillis,
    ) -> Result<Reserved, HoldError> {
        let mut answer = Reserved::Stale;
        if !self.reservations.is_stale(tenant, window) {
            answer = self.redis.reserve(tenant, window, id, amount, now, expires).await?;
        }
        if !matches!(answer, Reserved::Stale) {
            return Ok(answer);
        }
        let _one = self.seeding.lock().await;
        if !self.reservations.take_stale(tenant, window) {
            answer = self.redis.reserve(tenant, window, id, amount, now, expires).await?;
        }
        if matches!(answer, Reserved::Stale) {
            // The total is read before the script runs, so a settlement in between can only make Redis know more.
            let total = self
                .ledger
                .spent(tenant, &window.to_string())
                .await
                .map_err(|error| HoldError::Ledger(error.into()))?;
            let mine = self.reservations.held(tenant, window);
            self.redis.seed(tenant, window, budget, total, now, &mine).await?;
            answer = self.redis.reserve(tenant, window, id, amount, now, expires).await?;
        }
        Ok(answer)
    }

    async fn settings(&self, tenant: &str) -> Result<Option<BudgetRow>, Error> {
        let cached = self.settings.lock().get(tenant).copied();
        if let Some((read_at, budget)) = cached
            && read_at.elapsed() < SETTINGS_TTL
        {
            return Ok(budget);
        }
        let budget = self.ledger.budget(tenant).await?;
        let mut settings = self.settings.lock();
        if settings.len() >= SETTINGS_CACHED_MAX {
            settings.clear();
        }
        // Another router may have changed it: its limit reaches Redis by the next seeding.
        if cached.is_some_and(|(_, before)| before != budget) {
            self.reservations.mark_all_stale(tenant);
        }
        settings.insert(tenant.to_owned(), (Instant::now(), budget));
        Ok(budget)
    }
}

enum HoldError {
    Ledger(Error),
    Redis(redis::RedisError),
}

impl From<redis::RedisError> for HoldError {
    fn from(error: redis::RedisError) -> Self {
        Self::Redis(error)
    }
}

fn exceeded(tenant: &str, window: Window, amount: Nanos, standing: &Standing) -> Error {
    let limit = standing.limit.unwrap_or_default();
    let message = format!(
        "the budget of {tenant} for {window} does not cover this call: it can cost {amount}, {} of {limit} is spent and {} \
         reserved; an administrator can raise it",
        standing.spent, standing.reserved
    );
    Error::new(ErrorCode::BudgetExceeded, message).detail(serde_json::json!({
        "window": window.to_string(),
        "limit_nanos": limit.get(),
        "spent_nanos": standing.spent.get(),
        "reserved_nanos": standing.reserved.get(),
        "call_nanos_max": amount.get(),
    }))
}

fn unavailable(why: &str) -> Error {
    let message = format!("the budget cannot be checked: {why}; retry, or set the budget to stay open meanwhile");
    Error::new(ErrorCode::Unavailable, message).retry_after(RETRY_HINT)
}
