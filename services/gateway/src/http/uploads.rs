//! Files on their way in: hashed while they go to a nameless file on disk, then into the object store. A request that
//! ends early leaves nothing behind, because the file has no name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use orrery_bus::{BlobInfo, Blobs, Bus};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::BlobRef;
use orrery_types::{Sha256Digest, TenantId};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OnceCell, OwnedSemaphorePermit, Semaphore};

use super::{Failure, media_type};

const OVERLOAD_HINT: Duration = Duration::from_secs(1);

/// Where files wait, and how many may come at once.
#[derive(Clone)]
#[allow(missing_debug_implementations)] // the object store has none
pub struct Uploads {
    folder: PathBuf,
    places: Arc<Semaphore>,
    places_max: usize,
    store: Arc<OnceCell<Blobs>>,
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploads").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A file that was received whole.
#[derive(Debug)]
pub struct Upload {
    /// The form field, where there is one.
    pub field: String,
    /// As the client named it.
    pub file_name: String,
    /// As the client declared it, or as the bytes say where it declared nothing.
    pub media_type: String,
    size_bytes: u64,
    digest: Sha256Digest,
    file: tokio::fs::File,
}

impl Upload {
    /// Length.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Of the bytes.
    pub fn digest(&self) -> &Sha256Digest {
        &self.digest
    }
}

impl Uploads {
    /// Uses `folder`, and creates it.
    pub fn open(folder: &Path, places_max: usize) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let places = Arc::new(Semaphore::new(places_max));
        Ok(Self { folder: folder.to_owned(), places, places_max, store: Arc::default() })
    }

    /// A place for one request with files; held until they are stored.
    pub fn enter(&self) -> Result<OwnedSemaphorePermit, Failure> {
        self.places.clone().try_acquire_owned().map_err(|_| {
            let message = format!("{} uploads are under way, the most there may be", self.places_max);
            Error::new(ErrorCode::Overloaded, message).retry_after(OVERLOAD_HINT).into()
        })
    }

    /// Begins to receive a file.
    pub async fn begin(&self) -> Result<Spool, Failure> {
        let folder = self.folder.clone();
        let made = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await;
        let file = made.map_err(|error| disk(&error))?.map_err(|error| disk(&error))?;
        Ok(Spool { file: tokio::fs::File::from_std(file), hash: Sha256::new(), size_bytes: 0, head: Vec::new() })
    }

    /// Puts a file into the object store.
    pub async fn store(&self, bus: &Bus, tenant: &TenantId, upload: Upload) -> Result<BlobRef, Failure> {
        let store = self.blobs(bus).await?;
        let Upload { file_name: name, media_type, size_bytes, digest, mut file, .. } = upload;
        let info = BlobInfo { size_bytes, media_type, name };
        Ok(store.put_file(tenant, &mut file, &digest, info).await?)
    }

    /// Puts a file into the object store under a name of its own, by which it can be removed.
    pub async fn store_as(&self, bus: &Bus, tenant: &TenantId, path: &str, upload: Upload) -> Result<BlobRef, Error> {
        let store = self.blobs(bus).await?;
        let Upload { file_name: name, media_type, size_bytes, digest, mut file, .. } = upload;
        let info = BlobInfo { size_bytes, media_type, name };
        store.put_file_named(tenant, path, &mut file, &digest, info).await
    }

    /// The object store.
    pub async fn blobs(&self, bus: &Bus) -> Result<&Blobs, Error> {
        self.store.get_or_try_init(|| bus.blobs()).await
    }
}

/// A file being received.
#[derive(Debug)]
pub struct Spool {
    file: tokio::fs::File,
    hash: Sha256,
    size_bytes: u64,
    head: Vec<u8>,
}

impl Spool {
    /// Whether nothing came so far.
    pub fn is_empty(&self) -> bool {
        self.size_bytes == 0
    }

    /// Takes the next bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hash.update(bytes);
        let room = media_type::HEAD_BYTES - self.head.len();
        self.head.extend(bytes.iter().take(room));
        self.size_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.file.write_all(bytes).await.map_err(|error| disk(&error))
    }

    /// The file is whole.
    pub async fn finish(
        mut self,
        field: String,
        file_name: String,
        declared: Option<String>,
    ) -> Result<Upload, Failure> {
        self.file.flush().await.map_err(|error| disk(&error))?;
        let media_type = media_type::settle(declared, &self.head);
        let digest = Sha256Digest::from_bytes(self.hash.finalize().into());
        Ok(Upload { field, file_name, media_type, size_bytes: self.size_bytes, digest, file: self.file })
    }
}

fn disk(error: &dyn std::fmt::Display) -> Failure {
    tracing::error!(%error, "an upload cannot be kept on disk");
    Error::new(ErrorCode::Unavailable, "the upload cannot be kept on disk right now").retry_after(OVERLOAD_HINT).into()
}
