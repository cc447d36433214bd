//! Compiled definitions by their hash. Compiling takes milliseconds, so each is compiled once and off the actors' threads.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use orrery_errors::{Error, ErrorCode};
use parking_lot::Mutex;

use crate::domain::definition::{self, Definition};
use crate::error::invalid_definition;
use crate::resources::{self, Fetch};
use crate::store::{DefinitionRow, Deployed, KernelStore, NewSchedule};

/// Compiled definitions kept; the rest is compiled again when needed.
const KEPT_MAX: usize = 512;

/// A deployed definition and its compiled form.
pub type Resolved = (DefinitionRow, Arc<Definition>);

/// The cache.
pub struct Definitions {
    store: KernelStore,
    compiled: Mutex<HashMap<String, Arc<Definition>>>,
    named: Mutex<Named>,
}

/// What references stand for, by tenant. For one that names a version or a hash that never changes (K-2).
#[derive(Default)]
struct Named {
    kept: HashMap<(String, String), Resolved>,
    /// Rises whenever another version may have become the newest.
    changes: u64,
    /// Other processes deploy as well, so what is the newest is asked of the database.
    are_shared: bool,
}

impl Named {
    fn keep(&mut self, key: (String, String), resolved: Resolved) {
        if self.kept.len() >= KEPT_MAX {
            self.kept.clear();
        }
        self.kept.insert(key, resolved);
    }

    fn forget_newest(&mut self) {
        self.changes += 1;
        self.kept.retain(|(_, reference), _| parsed(reference).1 != Wanted::Newest);
    }
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

    /// Deploys a definition.
    pub async fn deploy(&self, row: DefinitionRow, schedule: Option<NewSchedule>) -> Result<Deployed, Error> {
        let deployed = self.store.deploy(row, schedule).await;
        // Whatever came of it: a failed commit may have taken effect.
        self.named.lock().forget_newest();
        Ok(deployed?)
    }

    /// Whether other processes deploy definitions as well. One that has just come is known of after a beat.
    pub fn are_shared(&self, are_shared: bool) {
        let mut named = self.named.lock();
        named.are_shared = are_shared;
        named.forget_newest();
    }

    /// What a reference names: `name`, `name:version` or `name@sha256:<hex>`; without a version, the newest deployed.
    pub async fn resolve(&self, tenant: &str, reference: &str) -> Result<Resolved, Error> {
        let key = (tenant.to_owned(), reference.to_owned());
        let (kept, changes) = {
            let named = self.named.lock();
            (named.kept.get(&key).cloned(), named.changes)
        };
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let (name, wanted) = parsed(reference);
        let rows = self.store.definitions_named(tenant.to_owned(), name.to_owned()).await?;
        let fits = |row: &&DefinitionRow| match wanted {
            Wanted::Hash(hash) => row.hash == hash,
            Wanted::Newest => true,
            Wanted::Version(version) => row.version == version,
        };
        let row = rows.iter().rev().find(fits).cloned();
        let row = row.ok_or_else(|| {
            let known: Vec<String> = rows.iter().map(|row| format!("{}:{}", row.name, row.version)).collect();
            let known = if known.is_empty() { String::new() } else { format!("; there are {}", known.join(", ")) };
            Error::new(ErrorCode::NotFound, format!("no workflow {reference:?} is deployed{known}"))
        })?;
        let resolved = (row.clone(), self.of(row).await?);
        let mut named = self.named.lock();
        if wanted != Wanted::Newest || (!named.are_shared && named.changes == changes) {
            named.keep(key, resolved.clone());
        }
        Ok(resolved)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted<'a> {
    Hash(&'a str),
    Version(&'a str),
    Newest,
}

/// The name in a reference, and what it wants of that name.
fn parsed(reference: &str) -> (&str, Wanted<'_>) {
    match (reference.split_once('@'), reference.split_once(':')) {
        (Some((name, hash)), _) => (name, Wanted::Hash(hash)),
        (None, Some((name, "latest"))) => (name, Wanted::Newest),
        (None, Some((name, version))) => (name, Wanted::Version(version)),
        (None, None) => (reference, Wanted::Newest),
    }
}
