//! One row per call, written together with everything else that the call makes true.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use orrery_store::{StoreError, outbox};
use orrery_types::{Nanos, UnixMillis};

use super::{Ledger, column};
use orrery_routing::price::Quantities;

diesel::table! {
    calls (id) {
        id -> Text,
        tenant -> Text,
        principal -> Text,
        task_id -> Text,
        step -> Text,
        month -> Text,
        capability -> Text,
        model -> Text,
        provider -> Text,
        outcome -> Text,
        input_tokens -> BigInt,
        output_tokens -> BigInt,
        pages -> BigInt,
        audio_ms -> BigInt,
        cost_nanos -> BigInt,
        latency_ms -> BigInt,
        attempts -> Integer,
        idempotency_key -> Text,
        decision_inputs -> Text,
        at_ms -> BigInt,
    }
}

/// A call that is over.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The decision's id, which is the call's.
    pub id: String,
    /// Who pays.
    pub tenant: String,
    /// Who asked.
    pub principal: String,
    /// The task, or empty.
    pub task_id: String,
    /// The step, or empty.
    pub step: String,
    /// The month that pays, `2026-11`.
    pub month: String,
    /// What was asked.
    pub capability: &'static str,
    /// Who answered or failed last; empty when nobody was called.
    pub model: String,
    /// Its provider.
    pub provider: String,
    /// `ok` or an error code.
    pub outcome: String,
    /// What was used.
    pub used: Quantities,
    /// What it cost.
    pub cost: Nanos,
    /// From the request to its end.
    pub latency_ms: u64,
    /// Calls made to providers.
    pub attempts: u32,
    /// The caller's key, or empty.
    pub idempotency_key: String,
    /// JSON of `domain::decide::Inputs`.
    pub decision_inputs: String,
    /// When it ended.
    pub at: UnixMillis,
    /// The reply to keep for calls with the same key.
    pub reply: Option<KeptReply>,
    /// The audit record.
    pub audit: outbox::Message,
}

/// A reply to keep.
#[derive(Debug, Clone)]
pub struct KeptReply {
    /// Of the request, so that the key cannot be used for another one.
    pub request_digest: String,
    /// Encoded `InvokeReply`.
    pub bytes: Vec<u8>,
}

#[derive(Insertable)]
#[diesel(table_name = calls)]
struct CallRow {
    id: String,
    tenant: String,
    principal: String,
    task_id: String,
    step: String,
    month: String,
    capability: &'static str,
    model: String,
    provider: String,
    outcome: String,
    input_tokens: i64,
    output_tokens: i64,
    pages: i64,
    audio_ms: i64,
    cost_nanos: i64,
    latency_ms: i64,
    attempts: i32,
    idempotency_key: String,
    decision_inputs: String,
    at_ms: i64,
}

#[derive(QueryableByName)]
struct Total {
    #[diesel(sql_type = BigInt)]
    total_nanos: i64,
}

impl Ledger {
    /// Writes the row, moves the month's total, keeps the reply and queues the audit record, all or nothing.
    /// Returns the tenant's total of that month, this call included.
    pub async fn record(&self, entry: Entry) -> Result<Nanos, StoreError> {
        let total = self.store.write(move |connection| write(connection, entry)).await?;
        self.pump.wake();
        Ok(total)
    }
}

fn write(connection: &mut orrery_store::AnyConnection, entry: Entry) -> Result<Nanos, StoreError> {
    let Entry { reply, audit, cost, .. } = entry.clone();
    let (tenant, month, key, at_ms) =
        (entry.tenant.clone(), entry.month.clone(), entry.idempotency_key.clone(), entry.at);
    diesel::insert_into(calls::table).values(CallRow::from(entry)).execute(connection)?;
    if let Some(reply) = reply {
        // Another router may have answered the same key meanwhile; its reply stands.
        diesel::sql_query(
            "INSERT INTO invocations (tenant, key, request_digest, reply, at_ms) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant, key) DO NOTHING",
        )
        .bind::<Text, _>(tenant.clone())
        .bind::<Text, _>(key)
        .bind::<Text, _>(reply.request_digest)
        .bind::<Binary, _>(reply.bytes)
        .bind::<BigInt, _>(column(at_ms.0))
        .execute(connection)?;
    }
    outbox::insert(connection, &[audit])?;
    let total: Total = diesel::sql_query(
        "INSERT INTO spent (tenant, month, total_nanos) VALUES ($1, $2, $3)
         ON CONFLICT (tenant, month) DO UPDATE SET total_nanos = spent.total_nanos + excluded.total_nanos
         RETURNING total_nanos",
    )
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(month)
    .bind::<BigInt, _>(column(cost.get()))
    .get_result(connection)?;
    Ok(Nanos::new(total.total_nanos.unsigned_abs()).unwrap_or(Nanos::ZERO))
}

impl From<Entry> for CallRow {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.id,
            tenant: entry.tenant,
            principal: entry.principal,
            task_id: entry.task_id,
            step: entry.step,
            month: entry.month,
            capability: entry.capability,
            model: entry.model,
            provider: entry.provider,
            outcome: entry.outcome,
            input_tokens: column(entry.used.input_tokens),
            output_tokens: column(entry.used.output_tokens),
            pages: column(entry.used.pages),
            audio_ms: column(entry.used.audio_ms),
            cost_nanos: column(entry.cost.get()),
            latency_ms: column(entry.latency_ms),
            attempts: i32::try_from(entry.attempts).unwrap_or(i32::MAX),
            idempotency_key: entry.idempotency_key,
            decision_inputs: entry.decision_inputs,
            at_ms: column(entry.at.0),
        }
    }
}
