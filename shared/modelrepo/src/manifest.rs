//! The manifest: every file of a model with its size and digest. Its own digest identifies the model everywhere.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use orrery_types::Sha256Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Description, RepositoryError};

/// File name of the manifest.
pub const MANIFEST: &str = "manifest.json";
/// File name of its signature.
pub const SIGNATURE: &str = "manifest.sig";
const DESCRIPTION: &str = "model.toml";
const SCHEMA: &str = "orrery.model-manifest/v1";

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    schema: String,
    /// The model's name.
    pub model: String,
    /// Its version.
    pub version: String,
    /// Every file, sorted by name.
    pub files: Vec<FileDigest>,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDigest {
    /// Name within the model's folder.
    pub name: String,
    /// Length in bytes.
    pub size_bytes: u64,
    /// Digest of the bytes.
    pub digest: Sha256Digest,
}

impl Manifest {
    /// Hashes the files that the description names, and the description itself.
    pub fn of(folder: &Path, description: &Description) -> Result<Self, RepositoryError> {
        let mut names: Vec<&str> = description.files.values().map(String::as_str).chain([DESCRIPTION]).collect();
        names.sort_unstable();
        names.dedup();
        let files = names.into_iter().map(|name| FileDigest::of(folder, name)).collect::<Result<_, _>>()?;
        Ok(Self {
            schema: SCHEMA.to_owned(),
            model: description.name.clone(),
            version: description.version.clone(),
            files,
        })
    }

    /// The bytes that are signed and stored.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec_pretty(self)
    }

    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, RepositoryError> {
        let malformed = |reason: String| RepositoryError::Malformed { path: path.to_owned(), reason };
        let manifest: Self = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if manifest.schema != SCHEMA {
            return Err(malformed(format!("the schema is {:?}, expected {SCHEMA:?}", manifest.schema)));
        }
        Ok(manifest)
    }
}

impl FileDigest {
    fn of(folder: &Path, name: &str) -> Result<Self, RepositoryError> {
        let path = folder.join(name);
        // A name is a name: a path could reach outside the model's folder.
        if Path::new(name).components().count() != 1 || name.starts_with('.') {
            let reason = format!("{name:?} is not a plain file name");
            return Err(RepositoryError::Malformed { path: folder.join(DESCRIPTION), reason });
        }
        let mut file = File::open(&path).map_err(RepositoryError::io(&path))?;
        let mut hash = Sha256::new();
        let mut size_bytes = 0;
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).map_err(RepositoryError::io(&path))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            hash.update(bytes);
            size_bytes += read as u64;
        }
        Ok(Self { name: name.to_owned(), size_bytes, digest: Sha256Digest::from_bytes(hash.finalize().into()) })
    }

    /// Compares with the file on disk.
    pub(crate) fn check(&self, folder: &Path) -> Result<(), RepositoryError> {
        let found = Self::of(folder, &self.name)?;
        if found.digest != self.digest {
            return Err(RepositoryError::WrongDigest {
                path: folder.join(&self.name),
                expected: self.digest.to_string(),
                found: found.digest.to_string(),
            });
        }
        Ok(())
    }
}
