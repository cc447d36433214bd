//! The calls about limits: what administrators set and see, and what those who make calls ask.

use std::sync::Arc;

use orrery_dataplane::caller;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    BudgetNotice, Caller, Limit, ListLimitsReply, ListLimitsRequest, RemoveLimitReply, RemoveLimitRequest,
    SetBudgetReply, SetBudgetRequest, SetLimitReply, SetLimitRequest,
};
use orrery_routing::period::Period;
use orrery_types::{Nanos, UnixMillis};

use super::convert::invalid;
use crate::Router;

const ADMIN: &str = "admin";
/// The limit that `set_budget` sets.
pub(super) const BUDGET: &str = "budget";
/// Largest amount of a limit: 2^53, nine million units of currency, which JSON numbers hold exactly.
const AMOUNT_MAX: u64 = 1 << 53;
const LIMITS_MAX: i64 = 1_000;
const NAME_BYTES_MAX: usize = 128;
const ALERTS_MAX: usize = 16;

pub(super) async fn set_budget(router: Arc<Router>, request: SetBudgetRequest) -> Result<SetBudgetReply, Error> {
    let caller = administrator(request.caller)?;
    if !matches!(request.when_unavailable.as_str(), "" | "closed" | "open") {
        return Err(invalid(format!("when_unavailable {:?} is neither closed nor open", request.when_unavailable)));
    }
    if request.limit_nanos > AMOUNT_MAX {
        return Err(invalid(format!("limit_nanos is {}, the largest is {AMOUNT_MAX}", request.limit_nanos)));
    }
    if request.limit_nanos == 0 {
        router.ledger.remove_limit(&caller.tenant, BUDGET).await?;
    } else {
        let limit = Limit {
            id: BUDGET.to_owned(),
            scope: "tenant".to_owned(),
            metric: "cost".to_owned(),
            window: Period::Month.as_str().to_owned(),
            amount: request.limit_nanos,
            alert_percents: vec![80],
            when_unavailable: request.when_unavailable,
            ..Limit::default()
        };
        router.ledger.set_limit(&caller.tenant, limit, LIMITS_MAX).await?;
    }
    changed(&router, &caller.tenant).await;
    let limit = Nanos::new(request.limit_nanos).unwrap_or_default();
    tracing::info!(tenant = caller.tenant, limit_nanos = limit.get(), "budget set");
    Ok(SetBudgetReply {})
}

pub(super) async fn limits(router: Arc<Router>, request: ListLimitsRequest) -> Result<ListLimitsReply, Error> {
    let caller = caller(request.caller)?;
    Ok(ListLimitsReply { standings: router.ledger.standings(&caller.tenant, UnixMillis::now()).await? })
}

pub(super) async fn set_limit(router: Arc<Router>, request: SetLimitRequest) -> Result<SetLimitReply, Error> {
    let caller = administrator(request.caller)?;
    let limit = request.limit.ok_or_else(|| invalid("limit is missing"))?;
    check(&limit)?;
    let id = limit.id.clone();
    if !router.ledger.set_limit(&caller.tenant, limit, LIMITS_MAX).await? {
        let message = format!("there are {LIMITS_MAX} limits already, the most that a tenant can have; remove some");
        return Err(Error::new(ErrorCode::FailedPrecondition, message));
    }
    changed(&router, &caller.tenant).await;
    tracing::info!(tenant = caller.tenant, limit.id = id, "limit set");
    Ok(SetLimitReply {})
}

pub(super) async fn remove_limit(router: Arc<Router>, request: RemoveLimitRequest) -> Result<RemoveLimitReply, Error> {
    let caller = administrator(request.caller)?;
    if !router.ledger.remove_limit(&caller.tenant, &request.id).await? {
        return Err(Error::new(ErrorCode::NotFound, format!("there is no limit {:?}; list the limits", request.id)));
    }
    changed(&router, &caller.tenant).await;
    tracing::info!(tenant = caller.tenant, limit.id = request.id, "limit lifted");
    Ok(RemoveLimitReply {})
}

async fn changed(router: &Router, tenant: &str) {
    router.plane.budgets().forget_limits(tenant);
    let notice = BudgetNotice { tenant: tenant.to_owned(), recalled: None, limits_changed: true };
    router.authority.tell(notice).await;
}

fn administrator(from: Option<Caller>) -> Result<Caller, Error> {
    let caller = caller(from)?;
    if !caller.roles.iter().any(|role| role == ADMIN) {
        return Err(Error::new(ErrorCode::Forbidden, "setting limits needs the role admin"));
    }
    Ok(caller)
}

fn check(limit: &Limit) -> Result<(), Error> {
    for (field, value) in [("id", &limit.id), ("subject", &limit.subject), ("model", &limit.model)] {
        if value.len() > NAME_BYTES_MAX || value.chars().any(char::is_control) {
            return Err(invalid(format!("{field} is longer than {NAME_BYTES_MAX} bytes or holds control characters")));
        }
    }
    let one_of = |field: &str, value: &str, allowed: &[&str]| match allowed.contains(&value) {
        true => Ok(()),
        false => Err(invalid(format!("{field} is {value:?}; use one of {}", allowed.join(", ")))),
    };
    one_of("scope", &limit.scope, &["tenant", "team", "user", "key"])?;
    one_of("metric", &limit.metric, &["cost", "tokens", "requests"])?;
    one_of("window", &limit.window, &Period::ALL.map(Period::as_str))?;
    one_of("when_unavailable", &limit.when_unavailable, &["", "closed", "open"])?;
    if limit.id.is_empty() {
        return Err(invalid("id is missing: name the limit"));
    }
    if limit.scope == "tenant" && !limit.subject.is_empty() {
        return Err(invalid("a limit of scope \"tenant\" has no subject: it is the tenant"));
    }
    if limit.amount == 0 || limit.amount > AMOUNT_MAX {
        return Err(invalid(format!("amount is {}; use 1 to {AMOUNT_MAX}, or remove the limit", limit.amount)));
    }
    if limit.alert_percents.len() > ALERTS_MAX || limit.alert_percents.contains(&0) {
        return Err(invalid(format!("alert_percents holds at most {ALERTS_MAX} whole numbers above 0")));
    }
    Ok(())
}
