//! What decisions are made again from: their records, and the catalogues and statistics that these name.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use orrery_store::{AnyConnection, StoreError};
use orrery_types::UnixMillis;

use super::schema::{calls, catalogues, statistics};
use super::{Ledger, column};

/// A decision as the ledger has it.
#[derive(Debug, Queryable)]
pub struct DecisionRow {
    /// Everything it was made from.
    pub inputs: String,
    /// Over the decision as it was made; empty for one of an earlier version.
    pub digest: String,
    /// Who answered or failed last.
    pub model: String,
    /// How the call ended.
    pub outcome: String,
    attempts: i32,
}

impl DecisionRow {
    /// How often models were asked.
    pub fn attempts(&self) -> u32 {
        self.attempts.unsigned_abs()
    }
}

impl Ledger {
    /// Keeps a catalogue, unless it is there.
    pub async fn keep_catalogue(&self, digest: String, json: String) -> Result<(), StoreError> {
        let insert = move |connection: &mut AnyConnection| {
            diesel::sql_query("INSERT INTO catalogues (digest, json) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING")
                .bind::<Text, _>(&digest)
                .bind::<Text, _>(&json)
                .execute(connection)
        };
        self.store.write(move |connection| insert(connection).map(drop).map_err(StoreError::from)).await
    }

    /// Keeps statistics under their revision. False when another router has taken the revision.
    pub async fn keep_statistics(&self, revision: u64, json: String) -> Result<bool, StoreError> {
        let insert = move |connection: &mut AnyConnection| {
            diesel::sql_query(
                "INSERT INTO statistics (revision, json) VALUES ($1, $2) ON CONFLICT (revision) DO NOTHING",
            )
            .bind::<BigInt, _>(column(revision))
            .bind::<Text, _>(&json)
            .execute(connection)
        };
        let kept = self.store.write(move |connection| insert(connection).map_err(StoreError::from)).await?;
        Ok(kept == 1)
    }

    /// Forgets statistics that were published before a moment. Returns how many.
    pub async fn forget_statistics(&self, before: UnixMillis) -> Result<usize, StoreError> {
        // A revision is the time of its publication.
        let older = statistics::table.filter(statistics::revision.lt(column(before.0)));
        self.store.write(move |connection| diesel::delete(older).execute(connection).map_err(StoreError::from)).await
    }

    /// A decision of a tenant.
    pub async fn decision(&self, tenant: &str, id: &str) -> Result<Option<DecisionRow>, StoreError> {
        let of_tenant = calls::table.filter(calls::tenant.eq(tenant.to_owned()).and(calls::id.eq(id.to_owned())));
        let columns = (calls::decision_inputs, calls::decision_digest, calls::model, calls::outcome, calls::attempts);
        let find = of_tenant.select(columns);
        self.store.read(move |connection| find.first(connection).optional().map_err(StoreError::from)).await
    }

    /// A catalogue, as it was published.
    pub async fn catalogue(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let find = catalogues::table.filter(catalogues::digest.eq(digest.to_owned())).select(catalogues::json);
        self.store.read(move |connection| find.first(connection).optional().map_err(StoreError::from)).await
    }

    /// Statistics, as they were published.
    pub async fn statistics(&self, revision: u64) -> Result<Option<String>, StoreError> {
        let find = statistics::table.filter(statistics::revision.eq(column(revision))).select(statistics::json);
        self.store.read(move |connection| find.first(connection).optional().map_err(StoreError::from)).await
    }
}
