//! Where providers' keys are found: in the environment, in files, and in the router's store, of which a process that makes
//! calls has the sealed rows and the key that opens them.

use std::collections::BTreeMap;
use std::fmt;

use orrery_config::{Secret, env};
use orrery_proto::v1::SealedSecret;
use orrery_routing::catalogue::SecretRef;
use orrery_vault::{KeySource, KeysError, Place, SealingKeys};

/// A key that is not there. Says where it should be and never what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct SecretError {
    /// Where it should be.
    pub place: String,
    /// Why it is not, and the remedy.
    pub reason: String,
    /// Who lacks it.
    pub lack: Lack,
}

/// Who lacks a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// This process. Another one may have it.
    Here,
    /// All processes.
    Everywhere,
}

/// Finds secrets.
pub trait Secrets: fmt::Debug + Send + Sync {
    /// The secret that a reference names.
    fn find(&self, reference: &SecretRef) -> Result<Secret, SecretError>;

    /// Which value a reference leads to; another number says that it is another one. 0 where values are not counted.
    fn version(&self, _reference: &SecretRef) -> u64 {
        0
    }
}

/// The environment and files of this process. Knows no secret store.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalSecrets;

impl Secrets for LocalSecrets {
    fn find(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        let missing = |place: String, reason: String| SecretError { place, reason, lack: Lack::Here };
        match reference {
            SecretRef::Env(name) => env::read(name)
                .map(Secret::new)
                .ok_or_else(|| missing(format!("environment variable {name}"), "it is not set".to_owned())),
            SecretRef::File(path) => match std::fs::read_to_string(path) {
                Ok(text) if !text.trim().is_empty() => Ok(Secret::new(text.trim())),
                Ok(_) => Err(missing(format!("file {path}"), "it is empty".to_owned())),
                Err(error) => Err(missing(format!("file {path}"), error.to_string())),
            },
            SecretRef::Store(name) => {
                Err(missing(format!("secret {name:?}"), "there is no secret store in this process".to_owned()))
            }
        }
    }
}

/// The environment and files of this process, and rows of the store as they are now.
#[derive(Debug)]
pub struct StoredSecrets {
    rows: BTreeMap<String, SealedSecret>,
    /// Not read where there is nothing to open.
    keys: Option<Result<SealingKeys, KeysError>>,
}

impl StoredSecrets {
    /// The rows, and the keys that this process has now. Blocks on the file system.
    pub fn new(rows: impl IntoIterator<Item = SealedSecret>, keys: &KeySource) -> Self {
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.name.clone(), row)).collect();
        let keys = (!rows.is_empty()).then(|| keys.load());
        Self { rows, keys }
    }

    fn open(&self, name: &str) -> Result<Secret, SecretError> {
        let failed = |lack, reason| SecretError { place: format!("secret {name:?}"), reason, lack };
        let (Some(row), Some(keys)) = (self.rows.get(name), &self.keys) else {
            let reason = format!("it is not in the store; set it with `orrery secret set {name}`");
            return Err(failed(Lack::Everywhere, reason));
        };
        let keys = keys.as_ref().map_err(|error| failed(Lack::Here, error.to_string()))?;
        keys.open(Place::stored(name, row.version), &row.sealed).map_err(|error| failed(Lack::Here, error.to_string()))
    }
}

impl Secrets for StoredSecrets {
    fn find(&self, reference: &SecretRef) -> Result<Secret, SecretError> {
        match reference {
            SecretRef::Store(name) => self.open(name),
            SecretRef::Env(_) | SecretRef::File(_) => LocalSecrets.find(reference),
        }
    }

    fn version(&self, reference: &SecretRef) -> u64 {
        match reference {
            SecretRef::Store(name) => self.rows.get(name).map_or(0, |row| row.version),
            SecretRef::Env(_) | SecretRef::File(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn row(keys: &KeySource, name: &str, version: u64, value: &str) -> SealedSecret {
        let sealed = keys.load().unwrap().seal(Place::stored(name, version), &Secret::new(value)).unwrap();
        SealedSecret { name: name.to_owned(), version, sealed }
    }

    #[test]
    fn stored_secrets_are_opened_and_what_is_missing_names_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeySource::file(folder.path().join("secrets.key"));
        let other = KeySource::file(folder.path().join("other.key"));
        orrery_vault::add_key(&folder.path().join("secrets.key")).unwrap();
        let stored = StoredSecrets::new([row(&keys, "openai", 2, "sk-1")], &keys);
        let reference = |name: &str| SecretRef::Store(name.to_owned());
        assert_eq!(stored.find(&reference("openai")).unwrap().expose(), "sk-1");
        assert_eq!((stored.version(&reference("openai")), stored.version(&reference("x"))), (2, 0));
        let missing = stored.find(&reference("x")).unwrap_err();
        assert_eq!(missing.lack, Lack::Everywhere);
        assert!(missing.to_string().contains("`orrery secret set x`"), "{missing}");

        // A row under another name, or of another version, is not what it says.
        let swapped = [
            SealedSecret { name: "anthropic".into(), ..row(&keys, "openai", 2, "sk-1") },
            SealedSecret { version: 3, ..row(&keys, "openai", 2, "sk-1") },
        ];
        for row in swapped {
            let name = reference(&row.name);
            let refused = StoredSecrets::new([row], &keys).find(&name).unwrap_err();
            assert!(refused.to_string().contains("seal is broken"), "{refused}");
        }

        let without = StoredSecrets::new([row(&keys, "openai", 2, "sk-1")], &other);
        let refused = without.find(&reference("openai")).unwrap_err();
        assert!(refused.lack == Lack::Here && refused.to_string().contains("new-key"), "{refused}");
        orrery_vault::add_key(&folder.path().join("other.key")).unwrap();
        let wrong = StoredSecrets::new([row(&keys, "openai", 2, "sk-1")], &other);
        let refused = wrong.find(&reference("openai")).unwrap_err();
        assert!(refused.lack == Lack::Here && refused.to_string().contains("it is sealed with key"), "{refused}");
        assert!(!format!("{refused} {wrong:?}").contains("sk-1"));
    }
}
