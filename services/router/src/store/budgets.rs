//! Limits that administrators set, and the totals they are held against.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use orrery_store::StoreError;
use orrery_types::Nanos;

use super::{Ledger, column};

diesel::table! {
    budgets (tenant) {
        tenant -> Text,
        limit_nanos -> BigInt,
        when_unavailable -> Text,
        revision -> BigInt,
    }
}

diesel::table! {
    spent (tenant, month) {
        tenant -> Text,
        month -> Text,
        total_nanos -> BigInt,
    }
}

/// What happens to calls while budgets cannot be checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenUnavailable {
    /// They are refused.
    #[default]
    Closed,
    /// They go through, and are counted once budgets are back.
    Open,
}

impl WhenUnavailable {
    /// As it is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
        }
    }

    /// Reads what is stored and sent; empty is the default.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "closed" => Some(Self::Closed),
            "open" => Some(Self::Open),
            _ => None,
        }
    }
}

/// A tenant's budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetRow {
    /// Per calendar month.
    pub limit: Nanos,
    /// Without the means to check it.
    pub when_unavailable: WhenUnavailable,
    /// Grows with each change, so that an older one never overwrites a newer one.
    pub revision: i64,
}

impl Ledger {
    /// The budget of a tenant; none is no limit.
    pub async fn budget(&self, tenant: &str) -> Result<Option<BudgetRow>, StoreError> {
        let tenant = tenant.to_owned();
        let row: Option<(i64, String, i64)> = self
            .store
            .read(move |connection| {
                budgets::table
                    .find(tenant)
                    .filter(budgets::limit_nanos.gt(0))
                    .select((budgets::limit_nanos, budgets::when_unavailable, budgets::revision))
                    .first(connection)
                    .optional()
                    .map_err(StoreError::from)
            })
            .await?;
        Ok(row.map(|(limit, mode, revision)| BudgetRow {
            limit: Nanos::new(limit.unsigned_abs()).unwrap_or(Nanos::ZERO),
            when_unavailable: WhenUnavailable::parse(&mode).unwrap_or_default(),
            revision,
        }))
    }

    /// Sets a tenant's budget; zero lifts the limit.
    pub async fn set_budget(&self, tenant: &str, limit: Nanos, mode: WhenUnavailable) -> Result<(), StoreError> {
        let tenant = tenant.to_owned();
        self.store
            .write(move |connection| {
                diesel::sql_query(
                    "INSERT INTO budgets (tenant, limit_nanos, when_unavailable, revision) VALUES ($1, $2, $3, 1)
                     ON CONFLICT (tenant) DO UPDATE SET limit_nanos = excluded.limit_nanos,
                       when_unavailable = excluded.when_unavailable, revision = budgets.revision + 1",
                )
                .bind::<Text, _>(tenant)
                .bind::<BigInt, _>(column(limit.get()))
                .bind::<Text, _>(mode.as_str())
                .execute(connection)
                .map(drop)
                .map_err(StoreError::from)
            })
            .await
    }

    /// What a tenant has spent in a month.
    pub async fn spent(&self, tenant: &str, month: &str) -> Result<Nanos, StoreError> {
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
