//! A model loads when it is whole and signed by a trusted key, and in no other case.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use orrery_modelrepo::{Repository, RepositoryError, SigningKeyFile, TrustedKeys};
use tempfile::TempDir;

const DESCRIPTION: &str = r#"
name = "tiny"
version = "1"
task = "embed"
format = "safetensors"
licence = "MIT"
[source]
package = "none"
version = "0"
[files]
weights = "weights.bin"
"#;

struct Installation {
    folder: TempDir,
}

impl Installation {
    fn signed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let installation = Self { folder };
        fs::create_dir_all(installation.model()).unwrap();
        fs::write(installation.model().join("model.toml"), DESCRIPTION).unwrap();
        fs::write(installation.model().join("weights.bin"), b"some weights").unwrap();
        let key = SigningKeyFile::open_or_create(&installation.path("keys/model.key"), &installation.path("trusted"));
        installation.repository().find("tiny").unwrap().sign(&key.unwrap()).unwrap();
        installation
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn model(&self) -> PathBuf {
        self.path("models/tiny/1")
    }

    fn repository(&self) -> Repository {
        Repository::new(self.path("models"))
    }

    fn verify_with(&self, trusted: &Path) -> Result<(), RepositoryError> {
        self.repository().find("tiny:1")?.verify(&TrustedKeys::load(trusted)?).map(drop)
    }

    fn verify(&self) -> Result<(), RepositoryError> {
        self.verify_with(&self.path("trusted"))
    }
}

fn flip_a_byte(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.get_mut(at).unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_whole_and_signed_model_verifies() {
    Installation::signed().verify().unwrap();
}

#[test]
fn a_changed_weight_is_named_with_both_digests() {
    let installation = Installation::signed();
    flip_a_byte(&installation.model().join("weights.bin"), 3);
    let error = installation.verify().unwrap_err();
    assert!(matches!(&error, RepositoryError::WrongDigest { path, .. } if path.ends_with("weights.bin")), "{error}");
}

#[test]
fn any_changed_byte_of_the_manifest_breaks_the_signature() {
    let installation = Installation::signed();
    let manifest = installation.model().join("manifest.json");
    for at in 0..fs::read(&manifest).unwrap().len() {
        flip_a_byte(&manifest, at);
        assert!(matches!(installation.verify(), Err(RepositoryError::WrongSignature { .. })), "byte {at}");
        flip_a_byte(&manifest, at);
    }
    installation.verify().unwrap();
}

#[test]
fn an_unknown_key_is_not_trusted_and_no_signature_is_no_model() {
    let installation = Installation::signed();
    let nobody = installation.verify_with(&installation.path("nobody"));
    assert!(matches!(nobody, Err(RepositoryError::Untrusted { .. })));
    fs::remove_file(installation.model().join("manifest.sig")).unwrap();
    assert!(matches!(installation.verify(), Err(RepositoryError::Unsigned { .. })));
}

#[test]
fn a_file_name_that_leaves_the_folder_is_refused() {
    let installation = Installation::signed();
    let outside = DESCRIPTION.replace("weights.bin", "../../../keys/model.key");
    fs::write(installation.model().join("model.toml"), outside).unwrap();
    let key = SigningKeyFile::open_or_create(&installation.path("keys/model.key"), &installation.path("trusted"));
    let error = installation.repository().find("tiny").unwrap().sign(&key.unwrap()).unwrap_err();
    assert!(matches!(error, RepositoryError::Malformed { .. }), "{error}");
}

#[test]
fn the_secret_key_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let installation = Installation::signed();
    let mode = fs::metadata(installation.path("keys/model.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
