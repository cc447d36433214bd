//! Pauses of workflows and tenants, and the runs that do not agree with them yet.

use diesel::prelude::*;
use orrery_store::outbox::{self, Message};
use orrery_store::{AnyConnection, StoreError};

use super::KernelStore;
use super::changes::scope_word;
use super::schema::{pauses, run_pauses, runs};
use crate::domain::command::Scope;

/// A pause that holds many runs.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = pauses)]
#[allow(missing_docs)] // the columns say it; no workflow: the tenant
pub struct PauseRow {
    pub tenant: String,
    pub workflow: String,
    pub paused_by: String,
    pub reason: String,
    pub paused_ms: i64,
}

impl PauseRow {
    /// What it holds.
    pub fn scope(&self) -> Scope {
        if self.workflow.is_empty() { Scope::Tenant } else { Scope::Definition }
    }
}

/// A run, by tenant and id.
pub type RunName = (String, String);

impl KernelStore {
    /// All pauses.
    pub async fn pauses(&self) -> Result<Vec<PauseRow>, StoreError> {
        self.store
            .read(|connection: &mut AnyConnection| {
                Ok(pauses::table.order((pauses::tenant, pauses::workflow)).load(connection)?)
            })
            .await
    }

    /// Adds a pause, with what others are told of it; false: it was there.
    pub async fn pause(&self, row: PauseRow, told: Vec<Message>) -> Result<bool, StoreError> {
        self.store
            .write(move |connection| {
                let found: Option<PauseRow> =
                    pauses::table.find((&row.tenant, &row.workflow)).first(connection).optional()?;
                if found.is_none() {
                    diesel::insert_into(pauses::table).values(&row).execute(connection)?;
                    outbox::insert(connection, &told)?;
                }
                Ok(found.is_none())
            })
            .await
    }

    /// Takes a pause away, with what others are told of it; false: there was none.
    pub async fn resume(&self, tenant: String, workflow: String, told: Vec<Message>) -> Result<bool, StoreError> {
        self.store
            .write(move |connection| {
                let found = diesel::delete(pauses::table.find((&tenant, &workflow))).execute(connection)? > 0;
                if found {
                    outbox::insert(connection, &told)?;
                }
                Ok(found)
            })
            .await
    }

    /// Runs under way in some partitions that a pause holds and that do not know it yet.
    pub async fn to_pause(
        &self,
        partitions: Vec<i32>,
        pause: PauseRow,
        limit: i64,
    ) -> Result<Vec<RunName>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let held = run_pauses::table
                    .filter(run_pauses::scope.eq(scope_word(pause.scope())))
                    .select(run_pauses::run_id);
                let mut rows = runs::table
                    .filter(runs::finished_ms.eq(0))
                    .filter(runs::partition.eq_any(partitions))
                    .filter(runs::tenant.eq(pause.tenant))
                    .filter(runs::id.ne_all(held))
                    .into_boxed();
                if !pause.workflow.is_empty() {
                    rows = rows.filter(runs::workflow.eq(pause.workflow));
                }
                Ok(rows.order(runs::id).select((runs::tenant, runs::id)).limit(limit).load(connection)?)
            })
            .await
    }

    /// Runs in some partitions that are held by a pause which is over.
    pub async fn to_resume(&self, partitions: Vec<i32>, scope: Scope, limit: i64) -> Result<Vec<RunName>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let of_tenant = pauses::table.filter(pauses::tenant.eq(run_pauses::tenant));
                let held = run_pauses::table
                    .filter(run_pauses::scope.eq(scope_word(scope)))
                    .filter(run_pauses::partition.eq_any(partitions))
                    .select((run_pauses::tenant, run_pauses::run_id))
                    .order(run_pauses::run_id)
                    .limit(limit);
                Ok(match scope {
                    Scope::Definition => held
                        .filter(diesel::dsl::not(diesel::dsl::exists(
                            of_tenant.filter(pauses::workflow.eq(run_pauses::workflow)),
                        )))
                        .load(connection)?,
                    Scope::Tenant => held
                        .filter(diesel::dsl::not(diesel::dsl::exists(of_tenant.filter(pauses::workflow.eq("")))))
                        .load(connection)?,
                    Scope::Run => Vec::new(),
                })
            })
            .await
    }
}
