//! The folder tree, and loading a model only when signature and digests hold.

use std::fs;
use std::path::{Path, PathBuf};

use orrery_types::Sha256Digest;

use crate::keys::DetachedSignature;
use crate::{Description, MANIFEST, Manifest, RepositoryError, SIGNATURE, SigningKeyFile, TrustedKeys};

/// A model repository on disk.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
}

/// One version of one model, not yet verified.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    description: Description,
}

/// A model whose signature and digests hold.
#[derive(Debug, Clone)]
pub struct VerifiedModel {
    path: PathBuf,
    /// `model.toml`.
    pub description: Description,
    /// Digest of the manifest: identifies every byte of the model.
    pub digest: Sha256Digest,
    /// All files together.
    pub size_bytes: u64,
}

impl Repository {
    /// The repository at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Every version of every model, sorted by name and version.
    pub fn list(&self) -> Result<Vec<ModelFolder>, RepositoryError> {
        let mut found = Vec::new();
        for model in folders(&self.root)? {
            for version in folders(&model)? {
                found.push(ModelFolder::open(version)?);
            }
        }
        found.sort_by(|a, b| (&a.description.name, &a.path).cmp(&(&b.description.name, &b.path)));
        Ok(found)
    }

    /// One model: `name` for its newest version, or `name:version`.
    pub fn find(&self, model: &str) -> Result<ModelFolder, RepositoryError> {
        let (name, version) = model.split_once(':').map_or((model, None), |(name, version)| (name, Some(version)));
        let fits = |folder: &ModelFolder| {
            folder.description.name == name && version.is_none_or(|version| folder.description.version == version)
        };
        let found = self.list()?.into_iter().rfind(fits);
        found.ok_or_else(|| RepositoryError::Missing { model: model.to_owned(), root: self.root.clone() })
    }
}

impl ModelFolder {
    fn open(path: PathBuf) -> Result<Self, RepositoryError> {
        let file = path.join("model.toml");
        let text = fs::read_to_string(&file).map_err(RepositoryError::io(&file))?;
        let malformed = |reason: String| RepositoryError::Malformed { path: file.clone(), reason };
        let description: Description = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let folders: Vec<_> = path.components().rev().take(2).map(|part| part.as_os_str().to_owned()).collect();
        if folders != [description.version.as_str(), description.name.as_str()] {
            let reason = format!("it describes {}:{}, which is not its folder", description.name, description.version);
            return Err(malformed(reason));
        }
        Ok(Self { path, description })
    }

    /// What `model.toml` says.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Whether a manifest and a signature are there; says nothing of their being right.
    pub fn is_signed(&self) -> bool {
        self.path.join(MANIFEST).is_file() && self.path.join(SIGNATURE).is_file()
    }

    /// Hashes every file, and writes manifest and signature.
    pub fn sign(&self, key: &SigningKeyFile) -> Result<Manifest, RepositoryError> {
        let manifest = Manifest::of(&self.path, &self.description)?;
        let (manifest_path, signature_path) = (self.path.join(MANIFEST), self.path.join(SIGNATURE));
        let malformed = |path: &Path| {
            let path = path.to_owned();
            move |error: serde_json::Error| RepositoryError::Malformed { path, reason: error.to_string() }
        };
        let bytes = manifest.to_bytes().map_err(malformed(&manifest_path))?;
        let signature = serde_json::to_vec_pretty(&key.sign(&bytes)).map_err(malformed(&signature_path))?;
        write_whole(&manifest_path, &bytes)?;
        write_whole(&signature_path, &signature)?;
        Ok(manifest)
    }

    /// Checks the signature, then every digest.
    pub fn verify(self, trusted: &TrustedKeys) -> Result<VerifiedModel, RepositoryError> {
        let name = format!("{}:{}", self.description.name, self.description.version);
        let signed = |file: &str| {
            let path = self.path.join(file);
            fs::read(&path).map_err(|_| RepositoryError::Unsigned { model: name.clone(), path })
        };
        let manifest_bytes = signed(MANIFEST)?;
        let signature: DetachedSignature = serde_json::from_slice(&signed(SIGNATURE)?).map_err(|error| {
            RepositoryError::Malformed { path: self.path.join(SIGNATURE), reason: error.to_string() }
        })?;
        trusted.check(&name, &manifest_bytes, &signature)?;
        let path = self.path.join(MANIFEST);
        let manifest = Manifest::parse(&path, &manifest_bytes)?;
        if (&manifest.model, &manifest.version) != (&self.description.name, &self.description.version) {
            let reason = format!("it is the manifest of {}:{}", manifest.model, manifest.version);
            return Err(RepositoryError::Malformed { path, reason });
        }
        for name in self.description.files.values() {
            if !manifest.files.iter().any(|file| file.name == *name) {
                let reason = format!("{name} is named in model.toml but not in the manifest");
                return Err(RepositoryError::Malformed { path, reason });
            }
        }
        manifest.files.iter().try_for_each(|file| file.check(&self.path))?;
        Ok(VerifiedModel {
            digest: Sha256Digest::of(&manifest_bytes),
            size_bytes: manifest.files.iter().map(|file| file.size_bytes).sum(),
            path: self.path,
            description: self.description,
        })
    }
}

impl VerifiedModel {
    /// The path of the file with that role.
    pub fn file(&self, role: &str) -> Result<PathBuf, RepositoryError> {
        let name = self.description.files.get(role).ok_or_else(|| RepositoryError::Malformed {
            path: self.path.join("model.toml"),
            reason: format!("it names no file for {role:?}"),
        })?;
        Ok(self.path.join(name))
    }
}

fn folders(root: &Path) -> Result<Vec<PathBuf>, RepositoryError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).map_err(RepositoryError::io(root))? {
        let path = entry.map_err(RepositoryError::io(root))?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            found.push(path);
        }
    }
    Ok(found)
}

/// Readers see the old file or the new one, never half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), RepositoryError> {
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes).map_err(RepositoryError::io(&partial))?;
    fs::rename(&partial, path).map_err(RepositoryError::io(path))
}
