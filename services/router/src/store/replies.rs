//! Replies of calls with an idempotency key. Scoped to the tenant; older ones are forgotten.

use diesel::prelude::*;
use orrery_store::StoreError;
use orrery_types::UnixMillis;

use super::{Ledger, column};

diesel::table! {
    invocations (tenant, key) {
        tenant -> Text,
        key -> Text,
        request_digest -> Text,
        reply -> Binary,
        at_ms -> BigInt,
    }
}

/// A reply given before.
#[derive(Debug, Clone, Queryable)]
pub struct Replay {
    /// Of the request that it answered.
    pub request_digest: String,
    /// Encoded `InvokeReply`.
    pub reply: Vec<u8>,
}

impl Ledger {
    /// The reply that this tenant was given for this key, if it is younger than `since`.
    pub async fn replay(&self, tenant: &str, key: &str, since: UnixMillis) -> Result<Option<Replay>, StoreError> {
        let (tenant, key) = (tenant.to_owned(), key.to_owned());
        let find = move |connection: &mut orrery_store::AnyConnection| {
            invocations::table
                .filter(invocations::tenant.eq(tenant).and(invocations::key.eq(key)))
                .filter(invocations::at_ms.ge(column(since.0)))
                .select((invocations::request_digest, invocations::reply))
                .first(connection)
                .optional()
        };
        self.store.read(move |connection| find(connection).map_err(StoreError::from)).await
    }

    /// Forgets replies older than `before`. Returns how many.
    pub async fn forget_replies(&self, before: UnixMillis) -> Result<usize, StoreError> {
        let older = invocations::table.filter(invocations::at_ms.lt(column(before.0)));
        self.store.write(move |connection| diesel::delete(older).execute(connection).map_err(StoreError::from)).await
    }
}
