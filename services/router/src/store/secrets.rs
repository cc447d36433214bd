//! Providers' secrets, sealed. Opening and sealing is the caller's business; here only envelopes are seen.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use orrery_store::{AnyConnection, StoreError, outbox};
use orrery_types::UnixMillis;
use orrery_vault::OpenError;

use super::schema::secrets;
use super::{Ledger, column, count};

/// A secret as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSecret {
    /// Unique.
    pub name: String,
    /// Of the value.
    pub version: u64,
    /// The envelope.
    pub sealed: Vec<u8>,
    /// When it was set.
    pub set_at: UnixMillis,
    /// By whom: `<tenant>/<principal>`.
    pub set_by: String,
}

/// Who changes what, and the record of it.
#[derive(Debug)]
pub struct SecretChange {
    /// The secret's name.
    pub name: String,
    /// Who: `<tenant>/<principal>`.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// A change of secrets that was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sealing.
    #[error(transparent)]
    Seal(#[from] OpenError),
    /// There are as many as there may be.
    #[error("there are {0} secrets already, the most that there can be; remove some")]
    Full(i64),
    /// Somebody else was faster.
    #[error("the secret was changed by somebody else at the same moment; look at it and try again")]
    Changed,
}

impl From<diesel::result::Error> for ChangeError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

type Row = (String, i64, Option<Vec<u8>>, i64, String);

fn stored((name, version, sealed, at_ms, set_by): Row) -> Option<StoredSecret> {
    Some(StoredSecret { name, version: count(version), sealed: sealed?, set_at: UnixMillis(count(at_ms)), set_by })
}

/// Writes the next version in the place of `version`, which must still be the one that is there; 0: none ever was.
fn replace(
    connection: &mut AnyConnection,
    change: &SecretChange,
    version: i64,
    sealed: Option<&[u8]>,
) -> Result<(), ChangeError> {
    let at_ms = column(change.at.0);
    let written = if version == 0 {
        diesel::sql_query(
            "INSERT INTO secrets (name, version, sealed, set_at_ms, set_by) VALUES ($1, 1, $2, $3, $4)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind::<Text, _>(&change.name)
        .bind::<diesel::sql_types::Nullable<Binary>, _>(sealed)
        .bind::<BigInt, _>(at_ms)
        .bind::<Text, _>(&change.by)
        .execute(connection)?
    } else {
        let row = secrets::table.filter(secrets::name.eq(&change.name).and(secrets::version.eq(version)));
        diesel::update(row)
            .set((
                secrets::version.eq(version.saturating_add(1)),
                secrets::sealed.eq(sealed),
                secrets::set_at_ms.eq(at_ms),
                secrets::set_by.eq(&change.by),
            ))
            .execute(connection)?
    };
    if written == 1 { Ok(()) } else { Err(ChangeError::Changed) }
}

impl Ledger {
    /// All secrets, by name.
    pub async fn secrets(&self) -> Result<Vec<StoredSecret>, StoreError> {
        let all = secrets::table.filter(secrets::sealed.is_not_null()).order(secrets::name);
        let rows: Vec<Row> = self.store.read(move |connection| all.load(connection).map_err(StoreError::from)).await?;
        Ok(rows.into_iter().filter_map(stored).collect())
    }

    /// Sets a secret under its next version, for which `seal` makes the envelope; `record` goes to the log with it.
    pub async fn set_secret(
        &self,
        change: SecretChange,
        secrets_max: i64,
        seal: impl FnOnce(u64) -> Result<Vec<u8>, OpenError> + Send + 'static,
        record: impl FnOnce(u64) -> outbox::Message + Send + 'static,
    ) -> Result<StoredSecret, ChangeError> {
        let set = move |connection: &mut AnyConnection| {
            let others = secrets::table.filter(secrets::name.ne(&change.name).and(secrets::sealed.is_not_null()));
            if others.count().get_result::<i64>(connection)? >= secrets_max {
                return Err(ChangeError::Full(secrets_max));
            }
            let present = secrets::table.find(&change.name).select(secrets::version);
            let present: i64 = present.first(connection).optional()?.unwrap_or(0);
            let version = count(present.saturating_add(1));
            let sealed = seal(version)?;
            replace(connection, &change, present, Some(&sealed))?;
            outbox::insert(connection, &[record(version)])?;
            Ok(StoredSecret { name: change.name, version, sealed, set_at: change.at, set_by: change.by })
        };
        let set = self.store.write(set).await?;
        self.pump.wake();
        Ok(set)
    }

    /// Removes a secret and returns it; none where there was none.
    pub async fn remove_secret(
        &self,
        change: SecretChange,
        record: impl FnOnce(u64) -> outbox::Message + Send + 'static,
    ) -> Result<Option<StoredSecret>, ChangeError> {
        let remove = move |connection: &mut AnyConnection| {
            let row: Option<Row> = secrets::table.find(&change.name).first(connection).optional()?;
            let Some(present) = row.and_then(stored) else { return Ok(None) };
            replace(connection, &change, column(present.version), None)?;
            outbox::insert(connection, &[record(present.version)])?;
            Ok::<_, ChangeError>(Some(present))
        };
        let removed = self.store.write(remove).await?;
        self.pump.wake();
        Ok(removed)
    }

    /// Puts other envelopes around values that stay the same. One that was changed meanwhile is left as it is; returns the
    /// names of the others.
    pub async fn reseal(
        &self,
        envelopes: Vec<(StoredSecret, Vec<u8>)>,
        record: impl FnOnce(&[String]) -> outbox::Message + Send + 'static,
    ) -> Result<Vec<String>, ChangeError> {
        let write = move |connection: &mut AnyConnection| {
            let mut resealed = Vec::new();
            for (before, sealed) in envelopes {
                let same = secrets::name.eq(&before.name).and(secrets::version.eq(column(before.version)));
                let row = secrets::table.filter(same.and(secrets::sealed.eq(&before.sealed)));
                if diesel::update(row).set(secrets::sealed.eq(Some(sealed))).execute(connection)? == 1 {
                    resealed.push(before.name);
                }
            }
            if !resealed.is_empty() {
                outbox::insert(connection, &[record(&resealed)])?;
            }
            Ok::<_, ChangeError>(resealed)
        };
        let resealed = self.store.write(write).await?;
        self.pump.wake();
        Ok(resealed)
    }
}
