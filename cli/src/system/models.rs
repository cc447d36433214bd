//! The models of this machine, signed by this machine's own key. Set-up has checked where they came from; from then on
//! the signature shows that nothing was changed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use orrery_config::Paths;
use orrery_modelrepo::{ModelFolder, Repository, SigningKeyFile};

/// The key that signs.
pub fn signing_key(paths: &Paths) -> PathBuf {
    paths.cache.join("keys/model-signing.key")
}

/// The keys whose signatures count.
pub fn trusted(paths: &Paths) -> PathBuf {
    paths.cache.join("keys/trusted")
}

/// Signs what has no signature yet. What has one is left alone, whatever it is worth: inference judges it at load, and
/// a changed file must never be signed without someone asking for it.
pub fn sign_new(paths: &Paths) -> Result<()> {
    if unsigned(paths)?.is_empty() {
        return Ok(());
    }
    // Another process may be doing the same; whoever comes second finds everything signed.
    let _until_signed = locked(&paths.cache.join("keys"))?;
    let unsigned = unsigned(paths)?;
    if unsigned.is_empty() {
        return Ok(());
    }
    let key = SigningKeyFile::open_or_create(&signing_key(paths), &trusted(paths))?;
    for model in unsigned {
        model.sign(&key)?;
    }
    Ok(())
}

fn unsigned(paths: &Paths) -> Result<Vec<ModelFolder>> {
    let models = Repository::new(paths.models()).list().context("the models are not set up; run `make setup`")?;
    Ok(models.into_iter().filter(|model| !model.is_signed()).collect())
}

/// Holds a folder for this process until the file is dropped.
fn locked(folder: &Path) -> Result<File> {
    let path = folder.join(".lock");
    let lock = || -> std::io::Result<File> {
        fs::create_dir_all(folder)?;
        let file = File::create(&path)?;
        file.lock()?;
        Ok(file)
    };
    lock().with_context(|| format!("cannot lock {}", path.display()))
}
