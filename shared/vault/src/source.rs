//! Where the keys of a process come from: its environment, or a file that only its owner may read. Read anew whenever they
//! are needed, so that they can be changed while the process runs. Blocks on the file system.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use orrery_config::{Secret, ServiceConfig, env};
use zeroize::Zeroizing;

use crate::keys::{KeyFault, SealingKeys};

const OWNER_ONLY: u32 = 0o600;

/// Keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// There is neither a file nor a value in the environment.
    #[error(
        "this process has no sealing key: make one with `orrery secret new-key --file {path}`, or name another file with {file}",
        path = path.display(), file = env::SECRETS_KEY_FILE
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("cannot use the file of sealing keys {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("the file of sealing keys {path} is readable by others (mode {mode:o}); run chmod 600 on it", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What is there is no key.
    #[error("sealing keys in {place}: {fault}")]
    Content {
        /// The file, or the environment variable.
        place: String,
        /// What is wrong.
        fault: KeyFault,
    },
}

/// Where keys are looked for.
#[derive(Debug, Clone)]
pub struct KeySource {
    given: Option<Secret>,
    path: PathBuf,
}

impl KeySource {
    /// As the process is configured.
    pub fn of(config: &ServiceConfig) -> Self {
        Self { given: config.secrets_key.clone(), path: config.secrets_key_file.clone() }
    }

    /// In a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { given: None, path: path.into() }
    }

    /// The keys that are there now.
    pub fn load(&self) -> Result<SealingKeys, KeysError> {
        if let Some(given) = &self.given {
            let lines = Zeroizing::new(given.expose().replace(',', "\n"));
            let content = |fault| KeysError::Content { place: env::SECRETS_KEY.to_owned(), fault };
            return SealingKeys::parse(&lines).map_err(content);
        }
        let text = read(&self.path)?.ok_or_else(|| KeysError::Missing { path: self.path.clone() })?;
        let content = |fault| KeysError::Content { place: self.path.display().to_string(), fault };
        SealingKeys::parse(&text).map_err(content)
    }
}

/// None where there is no file.
fn read(path: &Path) -> Result<Option<Zeroizing<String>>, KeysError> {
    let failed = |source| KeysError::File { path: path.to_owned(), source };
    let mode = match std::fs::metadata(path) {
        Ok(found) => found.permissions().mode() & 0o777,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if mode & 0o077 != 0 {
        return Err(KeysError::Exposed { path: path.to_owned(), mode });
    }
    std::fs::read_to_string(path).map(|text| Some(Zeroizing::new(text))).map_err(failed)
}

/// Puts a fresh key first in a file, which is made where there is none; those before it stay, to open what they sealed.
/// Readers see the old file or the new one. Returns the ids of all.
pub fn add_key(path: &Path) -> Result<Vec<String>, KeysError> {
    let failed = |source| KeysError::File { path: path.to_owned(), source };
    let content = |fault| KeysError::Content { place: path.display().to_string(), fault };
    let fresh = Zeroizing::new(rand::random::<[u8; 32]>());
    let before = read(path)?.unwrap_or_default();
    let text = Zeroizing::new(format!("{}\n{}", hex::encode(fresh.as_slice()), before.as_str()));
    let ids = SealingKeys::parse(&text).map_err(content)?.ids();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(OWNER_ONLY).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&draft, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    write().map_err(failed)?;
    Ok(ids)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_made_for_its_owner_alone_and_further_ones_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/secrets.key");
        let source = KeySource::file(&path);
        let missing = source.load().unwrap_err().to_string();
        assert!(missing.contains("orrery secret new-key") && missing.contains("secrets.key"), "{missing}");
        let first = add_key(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        let both = add_key(&path).unwrap();
        assert_eq!((both.len(), &both[1]), (2, &first[0]));
        assert_eq!(source.load().unwrap().ids(), both, "the file is read anew");
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.key");
        add_key(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refused = KeySource::file(&path).load().unwrap_err();
        assert!(refused.to_string().contains("chmod 600"), "{refused}");
        assert!(add_key(&path).is_err());
    }

    #[test]
    fn the_environment_holds_keys_between_commas() {
        let given = Some(Secret::new(format!("{},{}", "aa".repeat(32), "bb".repeat(32))));
        let keys = KeySource { given, path: "/no/such/file".into() }.load().unwrap();
        assert_eq!(keys.ids().len(), 2);
        let source = KeySource { given: Some(Secret::new("hunter2")), path: "/no/such/file".into() };
        let refused = source.load().unwrap_err().to_string();
        assert!(refused.contains(env::SECRETS_KEY) && !refused.contains("hunter2"), "{refused}");
    }
}
