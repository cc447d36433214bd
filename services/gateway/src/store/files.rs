//! Files: what is known of each beside its bytes.

use diesel::prelude::*;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::BlobRef;
use orrery_store::{AnyConnection, StoreError, outbox};
use orrery_types::{TenantId, UnixMillis};
use serde_json::json;

use super::keys::column;
use super::schema::files;
use super::{ControlError, ControlPlane, Fact};

/// Files that one tenant may have.
const FILES_MAX: i64 = 100_000;

/// A file as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = files)]
pub struct FileRow {
    /// `file-` and 32 hex digits.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// What for.
    pub purpose: String,
    /// As its sender named it.
    pub file_name: String,
    /// As its sender declared it, or as its bytes say.
    pub media_type: String,
    /// Length.
    pub size_bytes: i64,
    /// In hex.
    pub sha256: String,
    /// Who sent it.
    pub created_by: String,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds; 0: it stays.
    pub expires_ms: i64,
    /// Unix milliseconds; 0: it is there.
    pub deleted_ms: i64,
}

impl FileRow {
    /// Where the bytes of a file lie in its tenant's part of the object store.
    pub fn path(id: &str) -> String {
        format!("files/{id}")
    }

    /// The bytes.
    pub fn blob(&self) -> BlobRef {
        BlobRef {
            key: format!("{}/{}", self.tenant, Self::path(&self.id)),
            sha256: self.sha256.clone(),
            size_bytes: u64::try_from(self.size_bytes).unwrap_or(0),
            media_type: self.media_type.clone(),
            name: self.file_name.clone(),
        }
    }

    fn fact(&self, kind: &'static str, by: &str, at: UnixMillis) -> Fact {
        let facts = json!({
            "file": self.id, "purpose": self.purpose, "size_bytes": self.size_bytes,
            "sha256": format!("sha256:{}", self.sha256), "by": by,
        });
        Fact { tenant: self.tenant.clone(), kind, at, facts }
    }
}

/// One page of a list that is asked for by the last item of the page before.
#[derive(Debug, Clone, Default)]
pub struct Slice {
    /// The item after which it begins; none: the first page.
    pub after: Option<String>,
    /// Items at most; one more is read, to tell whether there are more.
    pub limit: usize,
    /// Oldest first.
    pub ascending: bool,
}

impl Slice {
    pub(super) fn rows(&self) -> i64 {
        super::integer(self.limit.saturating_add(1))
    }
}

/// The item after which a page should begin is not there.
pub(super) fn unknown_place(what: &str, after: &str) -> ControlError {
    let message = format!("there is no {what} {after:?} to list what comes after it; begin again without `after`");
    ControlError::Rule(Error::new(ErrorCode::NotFound, message))
}

/// Writes a file's row and the fact that it is there.
pub(super) fn insert(connection: &mut AnyConnection, row: &FileRow) -> QueryResult<()> {
    diesel::insert_into(files::table).values(row).execute(connection)?;
    let at = UnixMillis(u64::try_from(row.created_ms).unwrap_or(0));
    outbox::insert(connection, &[row.fact("file.created", &row.created_by, at).message()])
}

impl ControlPlane {
    /// Keeps a file whose bytes are stored.
    pub async fn create_file(&self, row: FileRow) -> Result<FileRow, ControlError> {
        let row = self
            .store
            .write(move |connection| {
                let own = files::table.filter(files::tenant.eq(&row.tenant)).filter(files::deleted_ms.eq(0));
                let held: i64 = own.count().get_result(connection)?;
                if held >= FILES_MAX {
                    let message = format!("the tenant has {held} files, the most it may have; delete some");
                    return Err(ControlError::Rule(Error::new(ErrorCode::FailedPrecondition, message)));
                }
                insert(connection, &row)?;
                Ok(row)
            })
            .await?;
        self.pump.wake();
        Ok(row)
    }

    /// A file of a tenant that is there and has not expired.
    pub async fn file(&self, tenant: &TenantId, id: &str, now: UnixMillis) -> Result<Option<FileRow>, StoreError> {
        let (tenant, id) = (tenant.to_string(), id.to_owned());
        self.store
            .read(move |connection| {
                let own = files::table.find(id).filter(files::tenant.eq(tenant)).filter(files::deleted_ms.eq(0));
                let there = own.filter(files::expires_ms.eq(0).or(files::expires_ms.gt(column(now))));
                Ok(there.first(connection).optional()?)
            })
            .await
    }

    /// Files of a tenant by the time of their creation; one more than asked for, if there are more.
    pub async fn files(
        &self,
        tenant: &TenantId,
        purpose: Option<String>,
        slice: Slice,
        now: UnixMillis,
    ) -> Result<Vec<FileRow>, ControlError> {
        let tenant = tenant.to_string();
        self.store
            .read(move |connection| {
                let mut rows = files::table
                    .filter(files::tenant.eq(tenant.clone()))
                    .filter(files::deleted_ms.eq(0))
                    .filter(files::expires_ms.eq(0).or(files::expires_ms.gt(column(now))))
                    .into_boxed();
                if let Some(purpose) = purpose {
                    rows = rows.filter(files::purpose.eq(purpose));
                }
                if let Some(after) = &slice.after {
                    let place = files::table.find(after.clone()).filter(files::tenant.eq(tenant));
                    let place: Option<(i64, String)> =
                        place.select((files::created_ms, files::id)).first(connection).optional()?;
                    let Some((at, id)) = place else { return Err(unknown_place("file", after)) };
                    let same = files::created_ms.eq(at);
                    rows = match slice.ascending {
                        true => rows.filter(files::created_ms.gt(at).or(same.and(files::id.gt(id)))),
                        false => rows.filter(files::created_ms.lt(at).or(same.and(files::id.lt(id)))),
                    };
                }
                let rows = match slice.ascending {
                    true => rows.order((files::created_ms.asc(), files::id.asc())),
                    false => rows.order((files::created_ms.desc(), files::id.desc())),
                };
                Ok(rows.limit(slice.rows()).load(connection)?)
            })
            .await
    }

    /// Takes a file away from clients; its bytes are removed next. Gives none when there is no such file.
    pub async fn delete_file(
        &self,
        tenant: &TenantId,
        id: &str,
        by: &str,
        now: UnixMillis,
    ) -> Result<Option<FileRow>, StoreError> {
        let (tenant, id, by) = (tenant.to_string(), id.to_owned(), by.to_owned());
        let gone = self
            .store
            .write(move |connection| {
                let own = files::table.find(&id).filter(files::tenant.eq(tenant)).filter(files::deleted_ms.eq(0));
                let gone: Option<FileRow> = own.first(connection).optional()?;
                if let Some(row) = &gone {
                    let gone = diesel::update(files::table.find(&id)).set(files::deleted_ms.eq(column(now)));
                    gone.execute(connection)?;
                    outbox::insert(connection, &[row.fact("file.deleted", &by, now).message()])?;
                }
                Ok::<_, StoreError>(gone)
            })
            .await?;
        self.pump.wake();
        Ok(gone)
    }

    /// Files whose bytes are to be removed: deleted, or expired by now.
    pub async fn files_over(&self, now: UnixMillis, limit: i64) -> Result<Vec<FileRow>, StoreError> {
        self.store
            .read(move |connection| {
                let expired = files::expires_ms.gt(0).and(files::expires_ms.le(column(now)));
                Ok(files::table.filter(files::deleted_ms.gt(0).or(expired)).limit(limit).load(connection)?)
            })
            .await
    }

    /// Forgets a file whose bytes are gone.
    pub async fn forget_file(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.store
            .write(move |connection| Ok(diesel::delete(files::table.find(id)).execute(connection).map(drop)?))
            .await
    }
}
