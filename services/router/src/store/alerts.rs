//! Alerts: an event when so many percent of a limit are used, each once a window, in the transaction that makes it true.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};
use orrery_bus::{CloudEvent, subjects};
use orrery_proto::v1::{Account, Limit};
use orrery_store::{AnyConnection, StoreError, outbox};
use orrery_types::UnixMillis;

use super::column;

const SERVICE: &str = "router";
const USED_UP: u32 = 100;

/// Raises the alerts that lie between two totals of an account.
pub(super) fn raise(
    connection: &mut AnyConnection,
    limit: &Limit,
    account: &Account,
    before: u64,
    after: u64,
) -> Result<(), StoreError> {
    for percent in passed(limit, before, after) {
        let now = UnixMillis::now();
        let raised = diesel::sql_query(
            "INSERT INTO alerts (tenant, limit_id, subject, model, window_start_ms, percent, at_ms)
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind::<Text, _>(&account.tenant)
        .bind::<Text, _>(&account.limit_id)
        .bind::<Text, _>(&account.subject)
        .bind::<Text, _>(&account.model)
        .bind::<BigInt, _>(column(account.window_start_ms))
        .bind::<Integer, _>(i32::try_from(percent).unwrap_or(i32::MAX))
        .bind::<BigInt, _>(column(now.0))
        .execute(connection)?;
        if raised > 0 {
            outbox::insert(connection, &[event(limit, account, percent, after, now)?])?;
        }
    }
    Ok(())
}

/// The percents of a limit that were not used before and are now.
fn passed(limit: &Limit, before: u64, after: u64) -> Vec<u32> {
    let reached = |percent: u32, spent: u64| {
        u128::from(spent) * u128::from(USED_UP) >= u128::from(limit.amount) * u128::from(percent)
    };
    let mut percents = limit.alert_percents.clone();
    percents.push(USED_UP);
    percents.sort_unstable();
    percents.dedup();
    percents.retain(|percent| !reached(*percent, before) && reached(*percent, after));
    percents
}

fn event(
    limit: &Limit,
    account: &Account,
    percent: u32,
    spent: u64,
    now: UnixMillis,
) -> Result<outbox::Message, StoreError> {
    let Account { tenant, limit_id, subject, model, window_start_ms } = account;
    let id = format!("budget-{tenant}-{limit_id}-{subject}-{model}-{window_start_ms}-{percent}");
    let data = serde_json::json!({
        "limit_id": limit_id, "scope": limit.scope,
        "subject": if subject.is_empty() { &limit.subject } else { subject },
        "model": if model.is_empty() { &limit.model } else { model },
        "metric": limit.metric, "window": limit.window, "window_start": UnixMillis(*window_start_ms).to_string(),
        "percent": percent, "used": spent, "limit": limit.amount, "soft": limit.soft,
    });
    let event = CloudEvent::new(SERVICE, tenant, "budget.reached", limit_id, &id, now).data(data);
    let payload = serde_json::to_vec(&event).map_err(|error| StoreError::Corrupted(error.to_string()))?;
    Ok(outbox::Message {
        subject: subjects::event(tenant, "budget", "reached"),
        message_id: id,
        payload,
        created_ms: column(now.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_percent_is_passed_once() {
        let limit = Limit { amount: 1_000, alert_percents: vec![50, 80], ..Limit::default() };
        let cases = [
            (0, 499, vec![]),
            (499, 500, vec![50]),
            (500, 900, vec![80]),
            (0, 5_000, vec![50, 80, 100]),
            (1_000, 2_000, vec![]),
        ];
        for (before, after, expected) in cases {
            assert_eq!(passed(&limit, before, after), expected, "{before} to {after}");
        }
    }
}
