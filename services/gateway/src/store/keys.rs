//! API keys: rows in and out, and the snapshot that admission reads.

use std::sync::Arc;

use diesel::prelude::*;
use orrery_errors::{Error, ErrorCode};
use orrery_store::{AnyConnection, StoreError, outbox};
use orrery_types::{PrincipalId, Sha256Digest, TenantId, UnixMillis};
use serde_json::json;

use super::schema::{api_keys, tenants};
use super::{ControlError, ControlPlane, Fact, bump, revision};
use crate::domain::directory::{Directory, Entry, Identity};

/// Keys that one tenant may have, revoked ones included.
const KEYS_MAX: i64 = 10_000;

/// A key as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = api_keys)]
pub struct KeyRow {
    /// The public part.
    pub id: String,
    /// SHA-256 of the whole text.
    pub digest: Vec<u8>,
    /// Whose it is.
    pub tenant: String,
    /// Who it speaks for.
    pub principal: String,
    /// Separated by commas.
    pub roles: String,
    /// Who made it.
    pub created_by: String,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds; none: does not end by itself.
    pub expires_ms: Option<i64>,
    /// Unix milliseconds; none: not revoked.
    pub revoked_ms: Option<i64>,
    /// Of the tenant; empty: none.
    pub team: String,
}

/// A key to be made; all is checked already.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The public part.
    pub id: String,
    /// SHA-256 of the whole text.
    pub digest: Sha256Digest,
    /// Whose it is.
    pub tenant: TenantId,
    /// Who it speaks for.
    pub principal: PrincipalId,
    /// The team that it belongs to; empty: none.
    pub team: String,
    /// At least one.
    pub roles: Vec<String>,
    /// Who makes it.
    pub created_by: String,
    /// When it ends by itself.
    pub expires_at: Option<UnixMillis>,
    /// Now.
    pub now: UnixMillis,
}

impl NewKey {
    fn row(&self) -> KeyRow {
        KeyRow {
            id: self.id.clone(),
            digest: self.digest.as_bytes().to_vec(),
            tenant: self.tenant.to_string(),
            principal: self.principal.to_string(),
            roles: self.roles.join(","),
            created_by: self.created_by.clone(),
            created_ms: column(self.now),
            expires_ms: self.expires_at.map(column),
            revoked_ms: None,
            team: self.team.clone(),
        }
    }

    fn fact(&self) -> Fact {
        let facts = json!({
            "key": self.id,
            "principal": self.principal,
            "team": self.team,
            "roles": self.roles,
            "created_by": self.created_by,
            "expires_ms": self.expires_at,
        });
        Fact { tenant: self.tenant.to_string(), kind: "key.created", at: self.now, facts }
    }
}

impl KeyRow {
    /// What admission needs of it; none when the row breaks the rules of its columns.
    fn entry(self) -> Option<Entry> {
        let digest: [u8; 32] = self.digest.try_into().ok()?;
        let identity = Identity {
            key_id: self.id,
            tenant: TenantId::new(&self.tenant).ok()?,
            principal: PrincipalId::new(&self.principal).ok()?,
            team: self.team,
            roles: self.roles.split(',').map(str::to_owned).collect(),
            expires_at: self.expires_ms.map(millis),
        };
        let revoked = self.revoked_ms.is_some();
        Some(Entry { identity: Arc::new(identity), digest: Sha256Digest::from_bytes(digest), revoked })
    }
}

impl ControlPlane {
    /// All keys as they are now.
    pub async fn directory(&self) -> Result<Directory, StoreError> {
        let (revision, rows): (i64, Vec<KeyRow>) = self
            .store
            .read(|connection| {
                // The revision first: a change in between is seen again, not missed.
                let revision = revision(connection)?;
                Ok::<_, StoreError>((revision, api_keys::table.load(connection)?))
            })
            .await?;
        let entry = |row: KeyRow| {
            let id = row.id.clone();
            let entry = row.entry();
            if entry.is_none() {
                tracing::error!(key.id = %id, "the stored key is damaged and is not used");
            }
            entry
        };
        Ok(Directory::new(revision, rows.into_iter().filter_map(entry)))
    }

    /// Makes a key; its tenant must be there.
    pub async fn create_key(&self, key: NewKey) -> Result<KeyRow, ControlError> {
        let row = self
            .store
            .write(move |connection| {
                bump(connection)?;
                let row = key.row();
                let known: i64 = tenants::table.filter(tenants::id.eq(&row.tenant)).count().get_result(connection)?;
                if known == 0 {
                    let message = format!("there is no tenant {:?}; an operator can make it", row.tenant);
                    return Err(ControlError::Rule(Error::new(ErrorCode::NotFound, message)));
                }
                let held: i64 =
                    api_keys::table.filter(api_keys::tenant.eq(&row.tenant)).count().get_result(connection)?;
                if held >= KEYS_MAX {
                    let message = format!("the tenant has {held} keys, the most it may have");
                    return Err(ControlError::Rule(Error::new(ErrorCode::FailedPrecondition, message)));
                }
                insert(connection, &row, key.fact())?;
                Ok(row)
            })
            .await?;
        self.pump.wake();
        Ok(row)
    }

    /// Makes the first key and its tenant, unless there is a key already. Says whether it did.
    pub async fn bootstrap(&self, key: NewKey) -> Result<bool, StoreError> {
        let made = self
            .store
            .write(move |connection| {
                // Two gateways that start at once wait for each other here.
                bump(connection)?;
                let keys: i64 = api_keys::table.count().get_result(connection)?;
                if keys > 0 {
                    return Ok::<_, StoreError>(false);
                }
                let tenant = (
                    tenants::id.eq(key.tenant.to_string()),
                    tenants::title.eq(key.tenant.to_string()),
                    tenants::created_ms.eq(column(key.now)),
                );
                let known: i64 =
                    tenants::table.filter(tenants::id.eq(key.tenant.as_str())).count().get_result(connection)?;
                if known == 0 {
                    diesel::insert_into(tenants::table).values(tenant).execute(connection)?;
                }
                insert(connection, &key.row(), key.fact())?;
                Ok(true)
            })
            .await?;
        self.pump.wake();
        Ok(made)
    }

    /// The keys of a tenant, oldest first.
    pub async fn keys(&self, tenant: &TenantId) -> Result<Vec<KeyRow>, StoreError> {
        let tenant = tenant.to_string();
        self.store
            .read(move |connection| {
                let own = api_keys::table.filter(api_keys::tenant.eq(tenant)).order(api_keys::created_ms);
                Ok(own.limit(KEYS_MAX).load(connection)?)
            })
            .await
    }

    /// Ends a key of a tenant at once. Revoking it again changes nothing.
    pub async fn revoke_key(
        &self,
        tenant: &TenantId,
        id: String,
        by: String,
        now: UnixMillis,
    ) -> Result<KeyRow, ControlError> {
        let tenant = tenant.to_string();
        let row = self
            .store
            .write(move |connection| {
                bump(connection)?;
                let own = api_keys::table.filter(api_keys::id.eq(&id)).filter(api_keys::tenant.eq(&tenant));
                let found: Option<KeyRow> = own.first(connection).optional()?;
                let Some(mut row) = found else {
                    let message = format!("there is no key {id:?}; `GET /v1/admin/keys` lists them");
                    return Err(ControlError::Rule(Error::new(ErrorCode::NotFound, message)));
                };
                if row.revoked_ms.is_none() {
                    row.revoked_ms = Some(column(now));
                    diesel::update(api_keys::table.find(&id))
                        .set(api_keys::revoked_ms.eq(row.revoked_ms))
                        .execute(connection)?;
                    let facts = json!({"key": id, "principal": row.principal, "revoked_by": by});
                    let fact = Fact { tenant, kind: "key.revoked", at: now, facts };
                    outbox::insert(connection, &[fact.message()])?;
                }
                Ok(row)
            })
            .await?;
        self.pump.wake();
        Ok(row)
    }
}

fn insert(connection: &mut AnyConnection, row: &KeyRow, fact: Fact) -> QueryResult<()> {
    diesel::insert_into(api_keys::table).values(row).execute(connection)?;
    outbox::insert(connection, &[fact.message()])
}

pub(super) fn column(at: UnixMillis) -> i64 {
    super::integer(at.0)
}

pub(super) fn millis(column: i64) -> UnixMillis {
    UnixMillis(u64::try_from(column).unwrap_or(0))
}
