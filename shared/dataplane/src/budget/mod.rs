//! Budgets where calls are made: every call sets aside, before it is made, the most that it can use of each limit that it
//! meets, and settles afterwards what it did use.
//!
//! The router grants each process amounts to spend from (leases) and never more in all than a limit leaves; so setting aside
//! is arithmetic here and no question to anyone, and a process or a router that dies can lose time but no limit.
//!
//! - what is spent, and what all processes hold, is never more than the limit, except by what a provider charges
//!   beyond the most that it can, and by what passes while the router is away from tenants whose mode is `open`.
//! - Every amount that is leased is free, set aside for a call, or in a record that the router has not taken yet; the router
//!   is told the sum with each request, so that a grant whose reply was lost comes back.

mod authority;
mod lease;
mod local;
mod matching;
mod notices;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{Account, CallRecord, Caller, Charge, LeaseGrant, Limit};
use orrery_routing::period::Period;
use orrery_types::{Nanos, UnixMillis};
use parking_lot::Mutex;

pub use authority::{Authority, RemoteAuthority};
use lease::Wanted;
use local::Local;
use matching::{Met, Metric, met};
pub use notices::notices;

/// How long a changed limit may go unseen where no notice of it came.
const LIMITS_TTL: Duration = Duration::from_secs(2);
const TENANTS_MAX: usize = 10_000;
const RETRY_HINT: Duration = Duration::from_secs(1);

/// What a call uses of each kind of limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts {
    /// Nano-units.
    pub cost_nanos: u64,
    /// In and out.
    pub tokens: u64,
    /// One for each call.
    pub requests: u64,
}

/// Amounts that are set aside for a call. Must be settled or released.
#[derive(Debug, Default)]
#[must_use = "what is set aside is held until it is settled or released"]
pub struct Hold {
    lines: Vec<HeldLine>,
}

#[derive(Debug)]
struct HeldLine {
    account: Account,
    metric: Metric,
    /// 0 for a soft limit, and while the router is away and the mode is open.
    reserved: u64,
}

impl Hold {
    /// What would be charged if the call cost the most that it can, for the record of what began.
    pub fn at_most(&self, amounts: &Amounts) -> Vec<Charge> {
        let charge = |line: &HeldLine| Charge {
            account: Some(line.account.clone()),
            amount: line.metric.of(amounts),
            leased: line.reserved,
        };
        self.lines.iter().map(charge).collect()
    }
}

/// The budgets of one process.
#[derive(Debug)]
pub struct Budgets {
    authority: Arc<dyn Authority>,
    holder: String,
    number: AtomicU64,
    tenants: Mutex<HashMap<String, Tenant>>,
    accounts: Mutex<HashMap<Account, Local>>,
    wanted: Wanted,
    /// Requests to the router go one after the other, since each says what is held.
    leasing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Tenant {
    limits: Arc<[Limit]>,
    read_at: Instant,
}

impl Budgets {
    /// For one life of a process, which `holder` names.
    pub fn new(authority: Arc<dyn Authority>, holder: String) -> Arc<Self> {
        Arc::new(Self {
            authority,
            holder,
            number: AtomicU64::new(1),
            tenants: Mutex::default(),
            accounts: Mutex::default(),
            wanted: Wanted::default(),
            leasing: tokio::sync::Mutex::default(),
        })
    }

    /// The name under which amounts are leased.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Sets aside what a call to `model` can use at most, in every account that it is charged to, or in none.
    pub async fn reserve(
        self: &Arc<Self>,
        caller: &Caller,
        model: &str,
        amounts: &Amounts,
        now: UnixMillis,
        deadline: UnixMillis,
    ) -> Result<Hold, Error> {
        let limits = self.limits(&caller.tenant).await?;
        if limits.is_empty() {
            return Ok(Hold::default());
        }
        let met = met(&limits, caller, model, amounts, now);
        loop {
            let lacking = match self.take(&met) {
                Ok(hold) => return Ok(hold),
                Err(lacking) => lacking,
            };
            let wait = deadline.since(UnixMillis::now());
            match self.lease(&lacking.account, lacking.need, wait).await {
                Ok(()) => {}
                Err(lease::Refusal::Exceeded(grant)) => return Err(exceeded(lacking, &limits, &grant, now)),
                Err(lease::Refusal::Unavailable(_)) if met.iter().all(|met| met.soft || met.open) => {
                    return Ok(self.unchecked(&met));
                }
                Err(lease::Refusal::Unavailable(error)) => return Err(unavailable(&error)),
            }
        }
    }

    /// Notes what a call used. The charges go into its record.
    pub fn settle(&self, hold: Hold, used: &Amounts) -> Vec<Charge> {
        let mut accounts = self.accounts.lock();
        let mut settle = |line: HeldLine| {
            let amount = line.metric.of(used);
            let leased = match accounts.get_mut(&line.account) {
                Some(local) if line.reserved > 0 => local.settle(line.reserved, amount),
                _ => 0,
            };
            Charge { account: Some(line.account), amount, leased }
        };
        hold.lines.into_iter().map(&mut settle).filter(|charge| charge.amount > 0).collect()
    }

    /// Lets go of what was set aside for an attempt that was not made or cost nothing.
    pub fn release(&self, hold: Hold) {
        let mut accounts = self.accounts.lock();
        for line in hold.lines.iter().filter(|line| line.reserved > 0) {
            if let Some(local) = accounts.get_mut(&line.account) {
                local.untake(line.reserved);
            }
        }
    }

    /// The router has taken these records.
    pub fn recorded(&self, records: &[CallRecord]) {
        let mut accounts = self.accounts.lock();
        for charge in records.iter().filter(|record| record.holder == self.holder).flat_map(|record| &record.charges) {
            if let Some(local) = charge.account.as_ref().and_then(|account| accounts.get_mut(account)) {
                local.recorded(charge.leased);
            }
        }
    }

    /// Limits of a tenant have changed.
    pub fn forget_limits(&self, tenant: &str) {
        self.tenants.lock().remove(tenant);
    }

    /// Sets everything aside or nothing; says which account lacks.
    fn take<'a>(&self, met: &'a [Met]) -> Result<Hold, &'a Met> {
        let now = Instant::now();
        let mut accounts = self.accounts.lock();
        for (at, line) in met.iter().enumerate().filter(|(_, line)| !line.soft) {
            let taken = match accounts.get_mut(&line.account) {
                Some(local) => local.take(line.need, now),
                None => line.need == 0,
            };
            if !taken {
                for line in met.iter().take(at).filter(|line| !line.soft) {
                    if let Some(local) = accounts.get_mut(&line.account) {
                        local.untake(line.need);
                    }
                }
                return Err(line);
            }
        }
        let line = |met: &Met| HeldLine {
            account: met.account.clone(),
            metric: met.metric,
            reserved: if met.soft { 0 } else { met.need },
        };
        Ok(Hold { lines: met.iter().map(line).collect() })
    }

    fn unchecked(&self, met: &[Met]) -> Hold {
        metrics::counter!("orrery_budget_unchecked_total").increment(1);
        let line = |met: &Met| HeldLine { account: met.account.clone(), metric: met.metric, reserved: 0 };
        Hold { lines: met.iter().map(line).collect() }
    }

    /// What was read before holds while the router is away; a tenant whose limits were never read waits for it.
    async fn limits(self: &Arc<Self>, tenant: &str) -> Result<Arc<[Limit]>, Error> {
        let known = self.tenants.lock().get(tenant).cloned();
        match known {
            Some(known) if known.read_at.elapsed() < LIMITS_TTL => Ok(known.limits),
            Some(known) => {
                // One asks anew; the others go on by what is known.
                if let Some(entry) = self.tenants.lock().get_mut(tenant) {
                    entry.read_at = Instant::now();
                }
                let (budgets, tenant) = (self.clone(), tenant.to_owned());
                tokio::spawn(async move {
                    if let Err(error) = budgets.read_limits(&tenant).await {
                        tracing::debug!(%error, tenant, "limits were not read anew");
                    }
                });
                Ok(known.limits)
            }
            None => self.read_limits(tenant).await.map_err(|error| unavailable(&error)),
        }
    }

    async fn read_limits(&self, tenant: &str) -> Result<Arc<[Limit]>, Error> {
        let limits: Arc<[Limit]> = self.authority.limits(tenant).await?.into();
        let mut tenants = self.tenants.lock();
        if tenants.len() >= TENANTS_MAX {
            tenants.clear();
        }
        tenants.insert(tenant.to_owned(), Tenant { limits: limits.clone(), read_at: Instant::now() });
        Ok(limits)
    }

    fn next_number(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }
}

fn exceeded(met: &Met, limits: &[Limit], grant: &LeaseGrant, now: UnixMillis) -> Error {
    let Some(limit) = limits.iter().find(|limit| limit.id == met.account.limit_id) else {
        return Error::new(ErrorCode::BudgetExceeded, "a limit does not leave room for this call");
    };
    let who = match (limit.scope.as_str(), met.account.subject.as_str()) {
        ("tenant", _) => met.account.tenant.clone(),
        (scope, "") => format!("{scope} {}", limit.subject),
        (scope, subject) => format!("{scope} {subject}"),
    };
    let show = |amount: u64| match met.metric {
        Metric::Cost => Nanos::new(amount).unwrap_or_default().to_string(),
        Metric::Tokens | Metric::Requests => amount.to_string(),
    };
    let resets_in = Period::parse(&limit.window).and_then(|period| period.window(now).1).map(|end| end.since(now));
    let message = format!(
        "the limit {:?} of {who} on {} per {} does not leave room for this call: it can use {}, {} of {} is used and {} is held \
         by calls under way; wait, ask for less, or have an administrator raise it",
        limit.id,
        limit.metric,
        limit.window,
        show(met.need),
        show(grant.spent),
        show(grant.limit),
        show(grant.held),
    );
    // Money runs out; a rate passes.
    let code = match met.metric {
        Metric::Cost => ErrorCode::BudgetExceeded,
        Metric::Tokens | Metric::Requests => ErrorCode::RateLimited,
    };
    let error = Error::new(code, message).detail(serde_json::json!({
        "limit_id": limit.id,
        "metric": limit.metric,
        "window": limit.window,
        "limit": grant.limit,
        "spent": grant.spent,
        "held": grant.held,
        "call_max": met.need,
        "limit_nanos": (met.metric == Metric::Cost).then_some(grant.limit),
    }));
    match resets_in {
        Some(after) => error.retry_after(after),
        None => error,
    }
}

fn unavailable(error: &Error) -> Error {
    let message =
        format!("the budget cannot be checked: {}; retry, or set the limit to stay open meanwhile", error.message);
    Error::new(ErrorCode::Unavailable, message).retry_after(RETRY_HINT)
}
