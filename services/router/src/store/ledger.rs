//! One row per call, written together with everything else that the call makes true.

use std::collections::{BTreeMap, HashSet};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use orrery_proto::v1::{CallRecord, Charge, Usage};
use orrery_store::{AnyConnection, StoreError, outbox};
use orrery_types::{Nanos, UnixMillis};

use super::schema::calls;
use super::{Ledger, accounts, alerts, column, limits, replies};
use crate::records;
use crate::window::Window;
use orrery_dataplane::KeptReply;

#[derive(Insertable)]
#[diesel(table_name = calls)]
struct CallRow<'a> {
    id: &'a str,
    tenant: &'a str,
    principal: &'a str,
    task_id: &'a str,
    step: &'a str,
    month: String,
    capability: &'a str,
    model: &'a str,
    provider: &'a str,
    outcome: &'a str,
    input_tokens: i64,
    output_tokens: i64,
    pages: i64,
    audio_ms: i64,
    cost_nanos: i64,
    latency_ms: i64,
    attempts: i32,
    idempotency_key: &'a str,
    decision_inputs: &'a str,
    at_ms: i64,
    team: &'a str,
    key_id: &'a str,
    first_token_ms: i64,
    cache: &'a str,
    decision_digest: &'a str,
}

impl<'a> CallRow<'a> {
    fn new(record: &'a CallRecord) -> Self {
        let usage = usage(record);
        let caller = record.caller.as_ref();
        Self {
            id: &record.id,
            tenant: caller.map_or("", |caller| &caller.tenant),
            principal: caller.map_or("", |caller| &caller.principal),
            task_id: &record.task_id,
            step: &record.step,
            month: month(record),
            capability: &record.capability,
            model: &record.model,
            provider: &record.provider,
            outcome: &record.outcome,
            input_tokens: column(usage.input_tokens),
            output_tokens: column(usage.output_tokens),
            pages: column(usage.pages),
            audio_ms: column(usage.audio_ms),
            cost_nanos: column(usage.cost_nanos),
            latency_ms: column(usage.duration_ms),
            attempts: i32::try_from(record.attempts).unwrap_or(i32::MAX),
            idempotency_key: &record.idempotency_key,
            decision_inputs: &record.decision_json,
            at_ms: column(record.at_ms),
            team: caller.map_or("", |caller| &caller.team),
            key_id: caller.map_or("", |caller| &caller.key_id),
            first_token_ms: column(record.first_token_ms),
            cache: &record.cache,
            decision_digest: &record.decision_digest,
        }
    }
}

fn usage(record: &CallRecord) -> Usage {
    record.usage.unwrap_or_default()
}

fn month(record: &CallRecord) -> String {
    Window::at(UnixMillis(record.at_ms)).to_string()
}

impl Ledger {
    /// Writes the calls that are not there yet, moves the totals, queues audit records and alerts, all or nothing.
    /// Returns those that it had not yet.
    pub async fn record(&self, records: Vec<CallRecord>) -> Result<Vec<CallRecord>, StoreError> {
        let taken = self.store.write(move |connection| write(connection, &records)).await?;
        self.pump.wake();
        Ok(taken)
    }

    /// As [`Self::record`], for one keyed call with its reply. Another router may have answered the same key meanwhile; its
    /// reply stands.
    pub async fn record_with(&self, record: CallRecord, reply: KeptReply) -> Result<Vec<CallRecord>, StoreError> {
        let write = move |connection: &mut AnyConnection| {
            let tenant = record.caller.as_ref().map_or("", |caller| caller.tenant.as_str());
            replies::keep(connection, tenant, &record.idempotency_key, record.at_ms, &reply)?;
            write(connection, std::slice::from_ref(&record))
        };
        let taken = self.store.write(write).await?;
        self.pump.wake();
        Ok(taken)
    }

    /// What a tenant has spent in a month.
    pub async fn spent(&self, tenant: &str, month: &str) -> Result<Nanos, StoreError> {
        use super::schema::spent;
        let key = (tenant.to_owned(), month.to_owned());
        let total: Option<i64> = self
            .store
            .read(move |connection| {
                spent::table.find(key).select(spent::total_nanos).first(connection).optional().map_err(StoreError::from)
            })
            .await?;
        Ok(total.and_then(|total| Nanos::new(total.unsigned_abs()).ok()).unwrap_or(Nanos::ZERO))
    }
}

fn write(connection: &mut AnyConnection, records: &[CallRecord]) -> Result<Vec<CallRecord>, StoreError> {
    let fresh = fresh(connection, records)?;
    for record in &fresh {
        diesel::insert_into(calls::table).values(CallRow::new(record)).execute(connection)?;
    }
    spend(connection, &fresh)?;
    charge(connection, &fresh)?;
    outbox::insert(connection, &records::audit(&fresh))?;
    Ok(fresh.into_iter().cloned().collect())
}

/// Those that are not in the ledger, each once.
fn fresh<'a>(connection: &mut AnyConnection, records: &'a [CallRecord]) -> QueryResult<Vec<&'a CallRecord>> {
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    let known: Vec<String> = calls::table.filter(calls::id.eq_any(ids)).select(calls::id).load(connection)?;
    let mut seen: HashSet<&str> = known.iter().map(String::as_str).collect();
    Ok(records.iter().filter(|record| seen.insert(&record.id)).collect())
}

fn spend(connection: &mut AnyConnection, fresh: &[&CallRecord]) -> QueryResult<()> {
    let mut totals: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for record in fresh {
        let tenant = record.caller.as_ref().map_or("", |caller| caller.tenant.as_str());
        *totals.entry((tenant, month(record))).or_default() += usage(record).cost_nanos;
    }
    for ((tenant, month), total) in totals {
        diesel::sql_query(
            "INSERT INTO spent (tenant, month, total_nanos) VALUES ($1, $2, $3)
             ON CONFLICT (tenant, month) DO UPDATE SET total_nanos = spent.total_nanos + excluded.total_nanos",
        )
        .bind::<Text, _>(tenant)
        .bind::<Text, _>(month)
        .bind::<BigInt, _>(column(total))
        .execute(connection)?;
    }
    Ok(())
}

/// One account's charges of all the calls of a batch.
#[derive(Debug, Default)]
struct Charged<'a> {
    amount: u64,
    leased: BTreeMap<&'a str, u64>,
}

fn charge(connection: &mut AnyConnection, fresh: &[&CallRecord]) -> Result<(), StoreError> {
    // In one order, so that two routers never wait for each other.
    let mut charged: BTreeMap<_, Charged> = BTreeMap::new();
    for record in fresh {
        for Charge { account, amount, leased } in &record.charges {
            let Some(account) = account else { continue };
            let key = (&account.tenant, &account.limit_id, &account.subject, &account.model, account.window_start_ms);
            let entry = charged.entry(key).or_default();
            entry.amount += amount;
            *entry.leased.entry(record.holder.as_str()).or_default() += leased;
        }
    }
    for ((tenant, limit_id, subject, model, window_start_ms), charged) in charged {
        let account = orrery_proto::v1::Account {
            tenant: tenant.clone(),
            limit_id: limit_id.clone(),
            subject: subject.clone(),
            model: model.clone(),
            window_start_ms,
        };
        let Some(limit) = limits::find(connection, tenant, limit_id)? else { continue };
        let before = accounts::totals(connection, &account)?;
        let mut held = 0;
        for (holder, leased) in charged.leased {
            held += accounts::accounted(connection, holder, &account, leased)?;
        }
        let spent = match before {
            Some(before) => {
                accounts::add(connection, &account, column(charged.amount), -column(held))?;
                before.spent + charged.amount
            }
            // It begins with what the ledger has, these calls included.
            None => accounts::begin(connection, &account, &limit)?.spent,
        };
        alerts::raise(connection, &limit, &account, spent.saturating_sub(charged.amount), spent)?;
    }
    Ok(())
}
