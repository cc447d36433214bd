//! Compiled definitions by their hash. Compiling takes milliseconds, so each is compiled once and off the actors' threads.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use orrery_errors::{Error, ErrorCode};
use parking_lot::Mutex;

use crate::domain::definition::{self, Definition};
use crate::error::invalid_definition;
use crate::resources::{self, Fetch};
use crate::store::{DefinitionRow, KernelStore};

/// Compiled definitions kept; the rest is compiled again when needed.
const KEPT_MAX: usize = 512;

/// A deployed definition and its compiled form.
pub type Resolved = (DefinitionRow, Arc<Definition>);

/// The cache.
pub struct Definitions {
    store: KernelStore,
    compiled: Mutex<HashMap<String, Arc<Definition>>>,
    /// What references that name a version or a hash stand for, which never changes (K-2).
    named: Mutex<HashMap<(String, String), Resolved>>,
}

impl fmt::Debug for Definitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definitions").field("compiled", &self.compiled.lock().len()).finish_non_exhaustive()
    }
}

impl Definitions {
    /// Empty.
    pub fn new(store: KernelStore) -> Self {
        Self { store, compiled: Mutex::default(), named: Mutex::default() }
    }

    /// Compiles a text that may not be valid, and brings in what it takes from elsewhere; the text then holds it.
    pub async fn complete(&self, source: String, fetch: &dyn Fetch) -> Result<(Arc<Definition>, String), Error> {
        let complete = resources::complete(source, fetch).await.map_err(|problems| invalid_definition(&problems))?;
        Ok((self.keep(complete.definition), complete.text))
    }

    /// Compiles a text that was complete when it was deployed.
    async fn compile(&self, source: String) -> Result<Arc<Definition>, Error> {
        let compiling = tokio::task::spawn_blocking(move || definition::parse(&source));
        let compiled = compiling.await.map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))?;
        Ok(self.keep(compiled.map_err(|problems| invalid_definition(&problems))?))
    }

    fn keep(&self, definition: Definition) -> Arc<Definition> {
        let definition = Arc::new(definition);
        let mut kept = self.compiled.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(definition.hash.to_string(), definition.clone());
        definition
    }

    /// The definition of a row.
    pub async fn of(&self, row: DefinitionRow) -> Result<Arc<Definition>, Error> {
        let kept = self.compiled.lock().get(&row.hash).cloned();
        match kept {
            Some(definition) => Ok(definition),
            None => self.compile(row.source).await,
        }
    }

    /// The definition that a run is pinned to.
    pub async fn pinned(&self, tenant: &str, hash: &str) -> Result<Arc<Definition>, Error> {
        let kept = self.compiled.lock().get(hash).cloned();
        if let Some(definition) = kept {
            return Ok(definition);
        }
        let row = self.store.definition(tenant.to_owned(), hash.to_owned()).await?;
        let row = row.ok_or_else(|| Error::new(ErrorCode::DataCorrupted, format!("the definition {hash} is gone")))?;
        self.of(row).await
    }

    /// What a reference names: `name`, `name:version` or `name@sha256:<hex>`; without a version, the newest deployed.
    pub async fn resolve(&self, tenant: &str, reference: &str) -> Result<(DefinitionRow, Arc<Definition>), Error> {
        let key = (tenant.to_owned(), reference.to_owned());
        let kept = self.named.lock().get(&key).cloned();
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let (name, wanted) = match (reference.split_once('@'), reference.split_once(':')) {
            (Some((name, hash)), _) => (name, Wanted::Hash(hash)),
            (None, Some((name, version))) => (name, Wanted::Version(version)),
            (None, None) => (reference, Wanted::Newest),
        };
        let rows = self.store.definitions_named(tenant.to_owned(), name.to_owned()).await?;
        let fits = |row: &&DefinitionRow| match wanted {
            Wanted::Hash(hash) => row.hash == hash,
            Wanted::Version("latest") | Wanted::Newest => true,
            Wanted::Version(version) => row.version == version,
        };
        let row = rows.iter().rev().find(fits).cloned();
        let row = row.ok_or_else(|| {
            let known: Vec<String> = rows.iter().map(|row| format!("{}:{}", row.name, row.version)).collect();
            let known = if known.is_empty() { String::new() } else { format!("; there are {}", known.join(", ")) };
            Error::new(ErrorCode::NotFound, format!("no workflow {reference:?} is deployed{known}"))
        })?;
        let definition = self.of(row.clone()).await?;
        if matches!(wanted, Wanted::Version(version) if version != "latest") || matches!(wanted, Wanted::Hash(_)) {
            let mut named = self.named.lock();
            if named.len() >= KEPT_MAX {
                named.clear();
            }
            named.insert(key, (row.clone(), definition.clone()));
        }
        Ok((row, definition))
    }
}

#[derive(Clone, Copy)]
enum Wanted<'a> {
    Hash(&'a str),
    Version(&'a str),
    Newest,
}
