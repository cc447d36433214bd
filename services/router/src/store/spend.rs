//! What was spent, by model.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use orrery_store::StoreError;

use super::Ledger;

/// Calls of one model.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct SpendLine {
    /// Name in the catalogue.
    #[diesel(sql_type = Text)]
    pub model: String,
    /// Its provider.
    #[diesel(sql_type = Text)]
    pub provider: String,
    /// How many.
    #[diesel(sql_type = BigInt)]
    pub calls: i64,
    /// Tokens read.
    #[diesel(sql_type = BigInt)]
    pub input_tokens: i64,
    /// Tokens written.
    #[diesel(sql_type = BigInt)]
    pub output_tokens: i64,
    /// What they cost.
    #[diesel(sql_type = BigInt)]
    pub cost_nanos: i64,
    /// Median latency.
    #[diesel(sql_type = BigInt)]
    pub latency_ms_p50: i64,
}

// The median is the row in the middle of each model's calls by latency; both databases have window functions.
const BY_MODEL: &str = "
    SELECT model, provider, COUNT(*) AS calls,
           CAST(SUM(input_tokens) AS BIGINT) AS input_tokens, CAST(SUM(output_tokens) AS BIGINT) AS output_tokens,
           CAST(SUM(cost_nanos) AS BIGINT) AS cost_nanos,
           CAST(MAX(CASE WHEN place = (total + 1) / 2 THEN latency_ms ELSE 0 END) AS BIGINT) AS latency_ms_p50
    FROM (SELECT model, provider, input_tokens, output_tokens, cost_nanos, latency_ms,
                 ROW_NUMBER() OVER (PARTITION BY model, provider ORDER BY latency_ms) AS place,
                 COUNT(*) OVER (PARTITION BY model, provider) AS total
          FROM calls WHERE tenant = $1 AND model <> '' AND ";
const GROUPED: &str = ") AS placed GROUP BY model, provider ORDER BY model, provider";

impl Ledger {
    /// By model, for a tenant's month.
    pub async fn spend_of_month(&self, tenant: &str, month: &str) -> Result<Vec<SpendLine>, StoreError> {
        self.spend("month = $2", tenant, month).await
    }

    /// By model, for one task.
    pub async fn spend_of_task(&self, tenant: &str, task_id: &str) -> Result<Vec<SpendLine>, StoreError> {
        self.spend("task_id = $2", tenant, task_id).await
    }

    async fn spend(&self, filter: &'static str, tenant: &str, value: &str) -> Result<Vec<SpendLine>, StoreError> {
        let (tenant, value) = (tenant.to_owned(), value.to_owned());
        self.store
            .read(move |connection| {
                diesel::sql_query(format!("{BY_MODEL}{filter}{GROUPED}"))
                    .bind::<Text, _>(tenant)
                    .bind::<Text, _>(value)
                    .load(connection)
                    .map_err(StoreError::from)
            })
            .await
    }
}
