//! Texts that are too long for a row live in the object store, named by their run and digest, so that they go with the run;
//! the row holds a reference. Archives of runs lie there too.

use orrery_bus::{Blobs, Bus};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::BlobRef;
use orrery_types::{Sha256Digest, TaskId, TenantId};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

/// Longest text that a row holds itself.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// Longest that is read back: the events of one move, or a whole state.
const READ_BYTES_MAX: u64 = 512 * 1024 * 1024;
const MEDIA_TYPE: &str = "application/json";
/// Of a digest in hex.
const SHA256_DIGITS: usize = 64;

/// How a reference begins; no JSON text does.
const REFERENCE: &str = "payload:";

#[derive(Debug, Serialize, Deserialize)]
struct Place {
    key: String,
    sha256: String,
    size_bytes: u64,
}

/// The way to the object store.
#[allow(missing_debug_implementations)] // the object store has none
pub struct Payloads {
    bus: Bus,
    blobs: OnceCell<Blobs>,
}

impl Payloads {
    /// Opens the store at its first use.
    pub fn new(bus: Bus) -> Self {
        Self { bus, blobs: OnceCell::new() }
    }

    async fn blobs(&self) -> Result<&Blobs, Error> {
        self.blobs.get_or_try_init(|| self.bus.blobs()).await
    }

    /// Stores a text that is too long and puts a reference in its place. Done before the row is committed, so that a row
    /// never refers to what is not there.
    pub async fn offload(&self, tenant: &TenantId, run: &TaskId, text: &mut String) -> Result<(), Error> {
        if text.len() <= INLINE_BYTES_MAX {
            return Ok(());
        }
        let path = format!("{run}/{}", Sha256Digest::of(text.as_bytes()).to_hex());
        let blob = self.blobs().await?.put_named(tenant, &path, text.as_bytes(), MEDIA_TYPE, "payload").await?;
        let payload = Place { key: blob.key, sha256: blob.sha256, size_bytes: blob.size_bytes };
        let payload = serde_json::to_string(&payload).map_err(|error| damaged(&error))?;
        *text = format!("{REFERENCE}{payload}");
        Ok(())
    }

    /// Stores a part of a text, under its digest, which is given back.
    pub async fn put_part(&self, tenant: &TenantId, part: &str) -> Result<String, Error> {
        self.blobs().await?.put(tenant, part.as_bytes(), MEDIA_TYPE, "part").await.map(|blob| blob.sha256)
    }

    /// A part by its digest; none: this tenant has stored no such one.
    pub async fn part(&self, tenant: &TenantId, sha256: &str, bytes_max: usize) -> Result<Option<String>, Error> {
        if sha256.len() != SHA256_DIGITS || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(None);
        }
        let blob = BlobRef {
            key: format!("{tenant}/{sha256}"),
            sha256: sha256.to_owned(),
            name: "part".to_owned(),
            ..BlobRef::default()
        };
        match self.blobs().await?.get(tenant, &blob, bytes_max as u64).await {
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|error| damaged(&error)),
            Err(error) if error.code == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The text that a row stands for.
    pub async fn fetch(&self, tenant: &TenantId, text: String) -> Result<String, Error> {
        let Some(payload) = text.strip_prefix(REFERENCE) else { return Ok(text) };
        let payload: Place = serde_json::from_str(payload).map_err(|error| damaged(&error))?;
        let blob = BlobRef {
            key: payload.key,
            sha256: payload.sha256,
            size_bytes: payload.size_bytes,
            media_type: MEDIA_TYPE.to_owned(),
            name: "payload".to_owned(),
        };
        let bytes = self.blobs().await?.get(tenant, &blob, READ_BYTES_MAX).await?;
        String::from_utf8(bytes).map_err(|error| damaged(&error))
    }

    /// Removes what rows of a run refer to. Texts that were stored under their digest alone may be others' too, and stay.
    pub async fn remove(&self, tenant: &TenantId, run: &TaskId, texts: &[String]) -> Result<(), Error> {
        let own = format!("{tenant}/{run}/");
        for text in texts.iter().filter_map(|text| text.strip_prefix(REFERENCE)) {
            match serde_json::from_str::<Place>(text) {
                Ok(place) if place.key.starts_with(&own) => self.blobs().await?.delete(tenant, &place.key).await?,
                Ok(_) => {}
                Err(error) => tracing::warn!(task.id = %run, %error, "a reference to a payload cannot be read"),
            }
        }
        Ok(())
    }

    /// Writes the archive of a run, in place of one that was begun before.
    pub async fn write_archive(
        &self,
        tenant: &TenantId,
        run: &str,
        bytes: &[u8],
        media_type: &str,
    ) -> Result<BlobRef, Error> {
        let (path, name) = (format!("archive/{run}.jsonl"), format!("{run}.jsonl"));
        self.blobs().await?.put_named(tenant, &path, bytes, media_type, &name).await
    }

    /// Reads any object of a tenant, against its digest.
    pub async fn read_blob(&self, tenant: &TenantId, blob: &BlobRef, bytes_max: u64) -> Result<Vec<u8>, Error> {
        self.blobs().await?.get(tenant, blob, bytes_max).await
    }
}

/// Whether a text of a row is a reference.
pub fn is_reference(text: &str) -> bool {
    text.starts_with(REFERENCE)
}

/// The text of a row as it may stand in a list: of one that is stored elsewhere, the length.
pub fn shown(text: String) -> String {
    match text.strip_prefix(REFERENCE).map(serde_json::from_str::<Place>) {
        Some(Ok(place)) => serde_json::json!({ "omitted_bytes": place.size_bytes }).to_string(),
        Some(Err(_)) => String::new(),
        None => text,
    }
}

fn damaged(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::DataCorrupted, format!("a stored payload cannot be read: {error}"))
}
