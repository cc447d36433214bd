//! Files that clients keep here and that batches make: bytes in the object store, all else in SQL. Bytes come first and go
//! last, so that a file that is listed can be read.

use orrery_bus::{BlobReader, Bus};
use orrery_errors::{Error, ErrorCode};
use orrery_types::{Sha256Digest, TenantId, UnixMillis};

use crate::http::{Upload, Uploads};
use crate::store::{ControlPlane, FileRow, Slice, integer, tenant_of};

/// Files that are removed in one sweep.
const SWEEP_MAX: i64 = 1_000;

/// The files of all tenants.
#[derive(Debug, Clone)]
pub struct Files {
    control: ControlPlane,
    bus: Bus,
    uploads: Uploads,
}

/// What is said of a file beside its bytes.
#[derive(Debug, Clone)]
pub struct About {
    /// Whose it is.
    pub tenant: TenantId,
    /// Who sends it.
    pub created_by: String,
    /// What for.
    pub purpose: String,
    /// How long it stays; none: until it is deleted.
    pub kept_s: Option<u64>,
    /// Now.
    pub now: UnixMillis,
}

impl Files {
    /// In this database and on this bus.
    pub fn new(control: ControlPlane, bus: Bus, uploads: Uploads) -> Self {
        Self { control, bus, uploads }
    }

    /// Keeps a file.
    pub async fn create(&self, id: String, about: About, upload: Upload) -> Result<FileRow, Error> {
        let row = self.store(id, about, upload).await?;
        Ok(self.control.create_file(row).await?)
    }

    /// Stores the bytes of a file and gives the row that is to be written then.
    pub async fn store(&self, id: String, about: About, upload: Upload) -> Result<FileRow, Error> {
        let blob = self.uploads.store_as(&self.bus, &about.tenant, &FileRow::path(&id), upload).await?;
        let expires = about.kept_s.map_or(0, |seconds| about.now.0.saturating_add(seconds.saturating_mul(1_000)));
        Ok(FileRow {
            id,
            tenant: about.tenant.to_string(),
            purpose: about.purpose,
            file_name: blob.name,
            media_type: blob.media_type,
            size_bytes: integer(blob.size_bytes),
            sha256: blob.sha256,
            created_by: about.created_by,
            created_ms: integer(about.now.0),
            expires_ms: integer(expires),
            deleted_ms: 0,
        })
    }

    /// A file of a tenant.
    pub async fn get(&self, tenant: &TenantId, id: &str) -> Result<FileRow, Error> {
        self.control.file(tenant, id, UnixMillis::now()).await?.ok_or_else(|| missing(id))
    }

    /// Files of a tenant; one more than asked for, if there are more.
    pub async fn list(&self, tenant: &TenantId, purpose: Option<String>, slice: Slice) -> Result<Vec<FileRow>, Error> {
        Ok(self.control.files(tenant, purpose, slice, UnixMillis::now()).await?)
    }

    /// The bytes of a file.
    pub async fn open(&self, file: &FileRow) -> Result<BlobReader, Error> {
        let tenant = tenant_of(&file.tenant)?;
        self.uploads.blobs(&self.bus).await?.open(&tenant, &file.blob()).await
    }

    /// Deletes a file.
    pub async fn delete(&self, tenant: &TenantId, id: &str, by: &str) -> Result<(), Error> {
        let gone = self.control.delete_file(tenant, id, by, UnixMillis::now()).await?.ok_or_else(|| missing(id))?;
        if let Err(error) = self.remove(&gone).await {
            // The sweep comes back to it.
            tracing::warn!(%error, file.id = gone.id, "the bytes of a deleted file were not removed yet");
        }
        Ok(())
    }

    /// Removes the bytes of files that were deleted or have expired.
    pub async fn sweep(&self) -> Result<(), Error> {
        for file in self.control.files_over(UnixMillis::now(), SWEEP_MAX).await? {
            self.remove(&file).await?;
        }
        Ok(())
    }

    async fn remove(&self, file: &FileRow) -> Result<(), Error> {
        let tenant = tenant_of(&file.tenant)?;
        self.uploads.blobs(&self.bus).await?.delete(&tenant, &file.blob().key).await?;
        Ok(self.control.forget_file(&file.id).await?)
    }
}

/// The name of a file that is made from something: the same for the same, so that making it twice makes one.
pub fn derived_id(from: &str) -> String {
    let digest = Sha256Digest::of(from.as_bytes()).to_hex();
    format!("file-{}", digest.get(..32).unwrap_or(&digest))
}

fn missing(id: &str) -> Error {
    Error::new(ErrorCode::NotFound, format!("there is no file {id:?}; `GET /v1/files` lists them"))
}
