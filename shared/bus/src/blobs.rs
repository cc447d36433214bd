//! Payloads in the object store, named by tenant and digest, so that the same bytes are stored once per tenant and no
//! tenant can name another's.

use std::pin::Pin;
use std::task::{Context, Poll};

use async_nats::jetstream::object_store::{InfoErrorKind, Object, ObjectInfo, ObjectMetadata, ObjectStore};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::BlobRef;
use orrery_types::{Sha256Digest, TenantId};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _, ReadBuf};

use crate::client::unavailable;
use crate::{Bus, subjects};

/// The object store of payloads.
#[derive(Clone)]
#[allow(missing_debug_implementations)] // ObjectStore has none
pub struct Blobs {
    store: ObjectStore,
}

impl Bus {
    /// Opens the object store of payloads.
    pub async fn blobs(&self) -> Result<Blobs, Error> {
        let store = self.jetstream().get_object_store(subjects::BUCKET_BLOBS).await;
        Ok(Blobs { store: store.map_err(|error| unavailable("the object store", &error))? })
    }
}

impl Blobs {
    /// Stores a file that was received into `file` and whose digest is known. The same bytes are stored once.
    pub async fn put_file(
        &self,
        tenant: &TenantId,
        file: &mut tokio::fs::File,
        digest: &Sha256Digest,
        blob: BlobInfo,
    ) -> Result<BlobRef, Error> {
        self.put_file_as(format!("{tenant}/{}", digest.to_hex()), file, digest, blob).await
    }

    /// Stores a file under a name of its own, as [`Self::put_named`] does bytes.
    pub async fn put_file_named(
        &self,
        tenant: &TenantId,
        path: &str,
        file: &mut tokio::fs::File,
        digest: &Sha256Digest,
        blob: BlobInfo,
    ) -> Result<BlobRef, Error> {
        self.put_file_as(format!("{tenant}/{path}"), file, digest, blob).await
    }

    async fn put_file_as(
        &self,
        key: String,
        file: &mut tokio::fs::File,
        digest: &Sha256Digest,
        blob: BlobInfo,
    ) -> Result<BlobRef, Error> {
        let failed = |error: &dyn std::fmt::Display| unavailable("the object store", error);
        file.rewind().await.map_err(|error| failed(&error))?;
        // Of one that was deleted the store keeps the name.
        let stored = self.store.info(&key).await.is_ok_and(|info| !info.deleted && holds(&info, digest));
        if !stored {
            let meta = ObjectMetadata { name: key.clone(), ..ObjectMetadata::default() };
            self.store.put(meta, file).await.map_err(|error| failed(&error))?;
        }
        Ok(BlobRef {
            key,
            sha256: digest.to_hex(),
            size_bytes: blob.size_bytes,
            media_type: blob.media_type,
            name: blob.name,
        })
    }

    /// Stores bytes that are already in memory.
    pub async fn put(&self, tenant: &TenantId, bytes: &[u8], media_type: &str, name: &str) -> Result<BlobRef, Error> {
        let key = format!("{tenant}/{}", Sha256Digest::of(bytes).to_hex());
        self.put_as(key, bytes, media_type, name).await
    }

    /// Stores bytes under a name of their own, so that whoever owns the name may remove them: nobody else stores the same
    /// bytes there. What the name held before is replaced.
    pub async fn put_named(
        &self,
        tenant: &TenantId,
        path: &str,
        bytes: &[u8],
        media_type: &str,
        name: &str,
    ) -> Result<BlobRef, Error> {
        self.put_as(format!("{tenant}/{path}"), bytes, media_type, name).await
    }

    async fn put_as(&self, key: String, bytes: &[u8], media_type: &str, name: &str) -> Result<BlobRef, Error> {
        let failed = |error: std::io::Error| unavailable("the temporary folder", &error);
        let mut file = tokio::fs::File::from_std(tempfile::tempfile().map_err(failed)?);
        file.write_all(bytes).await.map_err(failed)?;
        file.flush().await.map_err(failed)?;
        let size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let info = BlobInfo { size_bytes, media_type: media_type.to_owned(), name: name.to_owned() };
        self.put_file_as(key, &mut file, &Sha256Digest::of(bytes), info).await
    }

    /// Removes a payload that only its owner names. One that is not there is as good as removed.
    pub async fn delete(&self, tenant: &TenantId, key: &str) -> Result<(), Error> {
        if !is_own(tenant, key) {
            return Err(Error::new(ErrorCode::NotFound, format!("there is no stored payload {key:?} of this tenant")));
        }
        match self.store.info(key).await {
            Ok(info) if info.deleted => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == InfoErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unavailable("the object store", &error)),
        }
        self.store.delete(key).await.map_err(|error| unavailable("the object store", &error))
    }

    /// Reads a whole payload of at most `bytes_max` bytes and checks its digest. `tenant` must own it.
    pub async fn get(&self, tenant: &TenantId, blob: &BlobRef, bytes_max: u64) -> Result<Vec<u8>, Error> {
        let mut reader = self.open(tenant, blob).await?;
        if reader.size_bytes > bytes_max {
            return Err(Error::new(
                ErrorCode::PayloadTooLarge,
                format!("{:?} has {} bytes; at most {bytes_max} are read", blob.name, reader.size_bytes),
            ));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(reader.size_bytes).unwrap_or(0));
        let read = (&mut reader).take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).await;
        read.map_err(|error| unavailable("the object store", &error))?;
        if hex::encode(Sha256::digest(&bytes)) != blob.sha256 {
            let message = format!("{:?} does not match its digest; send it again", blob.name);
            return Err(Error::new(ErrorCode::DataCorrupted, message));
        }
        Ok(bytes)
    }

    /// Opens a payload as a stream of bytes. The digest is for the reader to check. `tenant` must own it.
    pub async fn open(&self, tenant: &TenantId, blob: &BlobRef) -> Result<BlobReader, Error> {
        let object = if is_own(tenant, &blob.key) { self.store.get(&blob.key).await.ok() } else { None };
        let object = object.ok_or_else(|| {
            Error::new(ErrorCode::NotFound, format!("there is no stored payload {:?}; upload it first", blob.name))
        })?;
        Ok(BlobReader { size_bytes: u64::try_from(object.info().size).unwrap_or(u64::MAX), object: Box::pin(object) })
    }

    /// Keys of all payloads of a tenant.
    pub async fn keys(&self, tenant: &TenantId) -> Result<Vec<String>, Error> {
        let failed = |error: &dyn std::fmt::Display| unavailable("the object store", error);
        let mut list = self.store.list().await.map_err(|error| failed(&error))?;
        let prefix = format!("{tenant}/");
        let mut keys = Vec::new();
        while let Some(info) = list.next().await {
            let info = info.map_err(|error| failed(&error))?;
            if info.name.starts_with(&prefix) {
                keys.push(info.name);
            }
        }
        Ok(keys)
    }
}

/// Whether a key is in the part of the store that a tenant owns.
fn is_own(tenant: &TenantId, key: &str) -> bool {
    key.strip_prefix(tenant.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether an object holds the bytes of a digest. The store writes its own as `SHA-256=` and URL-safe base64.
fn holds(info: &ObjectInfo, digest: &Sha256Digest) -> bool {
    let expected = format!("SHA-256={}", URL_SAFE.encode(digest.as_bytes()));
    info.digest.as_ref() == Some(&expected)
}

/// What is known of a payload beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// Length.
    pub size_bytes: u64,
    /// As declared by the sender.
    pub media_type: String,
    /// File name as given by the sender.
    pub name: String,
}

/// A payload being read.
#[allow(missing_debug_implementations)] // Object has none
pub struct BlobReader {
    /// Length as stored.
    pub size_bytes: u64,
    object: Pin<Box<Object>>,
}

impl AsyncRead for BlobReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.object.as_mut().poll_read(cx, buffer)
    }
}
