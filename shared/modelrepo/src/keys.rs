//! Keys that sign models, and keys that are trusted here. A key file holds one base64 line; the secret one is readable
//! by its owner only.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use orrery_types::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::RepositoryError;

const PUBLIC_EXTENSION: &str = "pub";
/// Hex digits of a key's digest that identify it.
const KEY_ID_DIGITS: usize = 16;

/// A secret key of this installation.
#[allow(missing_debug_implementations)] // it must not show itself
pub struct SigningKeyFile(SigningKey);

/// The content of `manifest.sig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetachedSignature {
    algorithm: String,
    pub(crate) key_id: String,
    signature: String,
}

const ALGORITHM: &str = "ed25519";

impl SigningKeyFile {
    /// Reads the key at `path`, or creates it together with its public half in the trusted folder beside it.
    pub fn open_or_create(path: &Path, trusted: &Path) -> Result<Self, RepositoryError> {
        if !path.exists() {
            create(path, trusted)?;
        }
        let text = fs::read_to_string(path).map_err(RepositoryError::io(path))?;
        let bytes = key_bytes(path, &text)?;
        Ok(Self(SigningKey::from_bytes(&bytes)))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> DetachedSignature {
        DetachedSignature {
            algorithm: ALGORITHM.to_owned(),
            key_id: key_id(&self.0.verifying_key()),
            signature: STANDARD.encode(self.0.sign(message).to_bytes()),
        }
    }
}

fn create(path: &Path, trusted: &Path) -> Result<(), RepositoryError> {
    let key = SigningKey::from_bytes(&rand::random());
    for folder in [path.parent().unwrap_or(Path::new(".")), trusted] {
        fs::create_dir_all(folder).map_err(RepositoryError::io(folder))?;
    }
    let public = trusted.join(format!("{}.{PUBLIC_EXTENSION}", key_id(&key.verifying_key())));
    let text = format!("{}\n", STANDARD.encode(key.verifying_key().as_bytes()));
    fs::write(&public, text).map_err(RepositoryError::io(&public))?;
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(RepositoryError::io(path))?;
    writeln!(file, "{}", STANDARD.encode(key.to_bytes())).map_err(RepositoryError::io(path))?;
    file.sync_all().map_err(RepositoryError::io(path))
}

/// The public keys whose signatures are accepted: every `*.pub` in a folder.
#[derive(Debug, Clone)]
pub struct TrustedKeys {
    folder: PathBuf,
    keys: Vec<VerifyingKey>,
}

impl TrustedKeys {
    /// Reads the folder. A folder that is not there trusts nobody.
    pub fn load(folder: &Path) -> Result<Self, RepositoryError> {
        let mut keys = Vec::new();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { folder: folder.to_owned(), keys });
            }
            Err(error) => return Err(RepositoryError::io(folder)(error)),
        };
        for entry in entries {
            let path = entry.map_err(RepositoryError::io(folder))?.path();
            if path.extension().is_some_and(|extension| extension == PUBLIC_EXTENSION) {
                let text = fs::read_to_string(&path).map_err(RepositoryError::io(&path))?;
                let key = VerifyingKey::from_bytes(&key_bytes(&path, &text)?);
                let bad = |error: ed25519_dalek::SignatureError| RepositoryError::BadKey {
                    path: path.clone(),
                    reason: error.to_string(),
                };
                keys.push(key.map_err(bad)?);
            }
        }
        Ok(Self { folder: folder.to_owned(), keys })
    }

    /// Checks a detached signature over `message`.
    pub(crate) fn check(&self, model: &str, message: &[u8], given: &DetachedSignature) -> Result<(), RepositoryError> {
        let wrong = || RepositoryError::WrongSignature { model: model.to_owned() };
        let Some(key) = self.keys.iter().find(|key| key_id(key) == given.key_id) else {
            return Err(RepositoryError::Untrusted {
                model: model.to_owned(),
                key_id: given.key_id.clone(),
                folder: self.folder.clone(),
            });
        };
        let bytes = STANDARD.decode(&given.signature).map_err(|_| wrong())?;
        let signature = Signature::from_slice(&bytes).map_err(|_| wrong())?;
        if given.algorithm != ALGORITHM || key.verify_strict(message, &signature).is_err() {
            return Err(wrong());
        }
        Ok(())
    }
}

fn key_bytes(path: &Path, text: &str) -> Result<[u8; 32], RepositoryError> {
    let bad = |reason: String| RepositoryError::BadKey { path: path.to_owned(), reason };
    let bytes = STANDARD.decode(text.trim()).map_err(|error| bad(error.to_string()))?;
    bytes.try_into().map_err(|bytes: Vec<u8>| bad(format!("it has {} bytes, expected 32", bytes.len())))
}

fn key_id(key: &VerifyingKey) -> String {
    Sha256Digest::of(key.as_bytes()).to_hex().chars().take(KEY_ID_DIGITS).collect()
}
