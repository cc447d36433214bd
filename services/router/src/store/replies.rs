//! Replies of calls with an idempotency key. Scoped to the tenant; older ones are forgotten.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use orrery_dataplane::KeptReply;
use orrery_proto::v1::InvokeReply;
use orrery_store::{AnyConnection, StoreError};
use orrery_types::UnixMillis;
use prost::Message as _;

use super::schema::invocations;
use super::{Ledger, column};

impl Ledger {
    /// The reply that this tenant was given for this key, if it is younger than `since`.
    pub async fn replay(&self, tenant: &str, key: &str, since: UnixMillis) -> Result<Option<KeptReply>, StoreError> {
        let (tenant, key) = (tenant.to_owned(), key.to_owned());
        let find = move |connection: &mut AnyConnection| {
            invocations::table
                .filter(invocations::tenant.eq(tenant).and(invocations::key.eq(key)))
                .filter(invocations::at_ms.ge(column(since.0)))
                .select((invocations::request_digest, invocations::reply))
                .first::<(String, Vec<u8>)>(connection)
                .optional()
        };
        let found = self.store.read(move |connection| find(connection).map_err(StoreError::from)).await?;
        let read = |(request_digest, reply): (String, Vec<u8>)| {
            let reply = InvokeReply::decode(reply.as_slice());
            let reply =
                reply.map_err(|error| StoreError::Corrupted(format!("a recorded reply does not read: {error}")))?;
            Ok(KeptReply { request_digest, reply })
        };
        found.map(read).transpose()
    }

    /// Forgets replies older than `before`. Returns how many.
    pub async fn forget_replies(&self, before: UnixMillis) -> Result<usize, StoreError> {
        let older = invocations::table.filter(invocations::at_ms.lt(column(before.0)));
        self.store.write(move |connection| diesel::delete(older).execute(connection).map_err(StoreError::from)).await
    }
}

/// Keeps a reply, unless there is one.
pub(super) fn keep(
    connection: &mut AnyConnection,
    tenant: &str,
    key: &str,
    at_ms: u64,
    kept: &KeptReply,
) -> QueryResult<()> {
    diesel::sql_query(
        "INSERT INTO invocations (tenant, key, request_digest, reply, at_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (tenant, key) DO NOTHING",
    )
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(key)
    .bind::<Text, _>(&kept.request_digest)
    .bind::<Binary, _>(kept.reply.encode_to_vec())
    .bind::<BigInt, _>(column(at_ms))
    .execute(connection)
    .map(drop)
}
