//! A service's signing key: made at the first start, kept in one file that only its owner may read. Blocks; a service calls
//! it before its tree starts, off the actors' threads.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::note::{NoteError, NoteSigner};

const OWNER_ONLY: u32 = 0o600;

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read or write the key file {path}: {source}", path = path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("the key file {path} is readable by others (mode {mode:o}); run chmod 600 on it", path = path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("the key file {path} holds no key: {source}", path = path.display())]
    Content { path: PathBuf, source: NoteError },
    #[error("the key in {path} is named {found:?}, the service expects {expected:?}", path = path.display())]
    OtherName { path: PathBuf, found: String, expected: String },
}

/// Reads the key at `path`, or makes one of that name if there is none.
pub fn load_or_create(path: &Path, name: &str) -> Result<NoteSigner, KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    if !path.try_exists().map_err(failed)? {
        create(path, name)?;
    }
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let content = |source| KeyError::Content { path: path.to_owned(), source };
    let signer = NoteSigner::parse(text.trim_end()).map_err(content)?;
    if signer.verifier().name() != name {
        let (found, expected) = (signer.verifier().name().to_owned(), name.to_owned());
        return Err(KeyError::OtherName { path: path.to_owned(), found, expected });
    }
    Ok(signer)
}

/// Writes a whole file under another name first, so that a crash never leaves half a key. Linking fails when a key
/// appeared meanwhile; that one is then used.
fn create(path: &Path, name: &str) -> Result<(), KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let signer = NoteSigner::generate(name).map_err(|source| KeyError::Content { path: path.to_owned(), source })?;
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let draft = path.with_extension(format!("draft-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(OWNER_ONLY).open(&draft).map_err(failed)?;
    file.write_all(format!("{}\n", signer.to_secret_text()).as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    std::fs::remove_file(&draft).map_err(failed)?;
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_key_is_made_once_readable_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit").join("log.key");
        let made = load_or_create(&path, "log.test").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        let read = load_or_create(&path, "log.test").unwrap();
        assert_eq!(read.verifier(), made.verifier());
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_or_of_another_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        load_or_create(&path, "log.test").unwrap();
        let other = load_or_create(&path, "log.other");
        assert!(matches!(other, Err(KeyError::OtherName { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let exposed = load_or_create(&path, "log.test");
        assert!(matches!(exposed, Err(KeyError::Exposed { mode: 0o640, .. })));
    }
}
