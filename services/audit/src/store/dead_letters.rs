//! Messages that are no record. Kept, so that a fault of a sender can be found and mended.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use orrery_store::AnyConnection;
use orrery_types::{Sha256Digest, UnixMillis};

use super::schema::dead_letters;
use super::{LogStore, to_sql};
use crate::error::AuditError;

/// A message that cannot become a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it was published.
    pub subject: String,
    /// Why it is no record.
    pub reason: String,
    /// Its bytes.
    pub payload: Vec<u8>,
}

impl LogStore {
    /// Keeps a letter; the same bytes on the same subject are kept once.
    pub async fn bury(&self, letter: DeadLetter, now: UnixMillis) -> Result<(), AuditError> {
        let mut named = letter.subject.clone().into_bytes();
        named.push(0);
        named.extend_from_slice(&letter.payload);
        let digest = Sha256Digest::of(&named).to_string();
        let insert = move |connection: &mut AnyConnection| {
            diesel::sql_query(
                "INSERT INTO dead_letters (digest, subject, reason, payload, received_ms)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (digest) DO NOTHING",
            )
            .bind::<Text, _>(digest)
            .bind::<Text, _>(letter.subject)
            .bind::<Text, _>(letter.reason)
            .bind::<Binary, _>(letter.payload)
            .bind::<BigInt, _>(to_sql(now.0))
            .execute(connection)?;
            Ok(())
        };
        self.store.write(insert).await
    }

    /// The letters kept, newest first.
    pub async fn dead_letters(&self, limit: i64) -> Result<Vec<DeadLetter>, AuditError> {
        let load = move |connection: &mut AnyConnection| {
            let rows = dead_letters::table
                .order(dead_letters::received_ms.desc())
                .limit(limit)
                .select((dead_letters::subject, dead_letters::reason, dead_letters::payload))
                .load::<(String, String, Vec<u8>)>(connection)?;
            let letters = rows.into_iter().map(|(subject, reason, payload)| DeadLetter { subject, reason, payload });
            Ok(letters.collect())
        };
        self.store.read(load).await
    }
}
