//! What calls are decided by, read anew when something of it has changed: the file of the catalogue, and providers' secrets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use orrery_bus::Bus;
use orrery_dataplane::{DataPlane, Snapshot, SnapshotError};
use orrery_errors::Error;
use orrery_policy::Bundle;
use orrery_proto::v1::SealedSecret;
use orrery_providers::{Setup, StoredSecrets};
use orrery_routing::catalogue::Catalogue;
use orrery_routing::catalogue_file;
use orrery_types::UnixMillis;
use orrery_vault::KeySource;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::catalogue::{CatalogueFile, Look};
use crate::config::RouterConfig;
use crate::error::StartError;
use crate::store::{Ledger, StoredSecret};

/// Reads snapshots. One for each process.
#[derive(Debug)]
pub struct Source {
    bus: Bus,
    ledger: Ledger,
    /// The keys that open secrets.
    pub keys: KeySource,
    /// The policies' texts, by file name, to be published.
    pub policies: BTreeMap<String, String>,
    /// One refresh at a time.
    read: tokio::sync::Mutex<Read>,
    told: Mutex<Told>,
    changed: AtomicBool,
    wake: Notify,
}

/// What the present snapshot was read from.
#[derive(Debug)]
struct Read {
    file: CatalogueFile,
    rows: Vec<StoredSecret>,
}

/// What others are told of it.
#[derive(Debug, Default)]
struct Told {
    wanted: Vec<SealedSecret>,
    standing: Standing,
}

/// How the catalogue stands.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Its file; none for the one that is compiled in.
    pub path: Option<String>,
    /// Since when the present one holds, in this process.
    pub since: UnixMillis,
    /// The changed one that does not hold, while it lies there.
    pub refused: Option<Refused>,
}

/// A changed catalogue that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When it was refused.
    pub at: UnixMillis,
    /// What is wrong with it and where, and the remedy.
    pub fault: String,
}

impl Source {
    /// With the snapshot to begin with. Blocks on the file system.
    pub async fn open(
        bus: Bus,
        ledger: Ledger,
        keys: KeySource,
        settings: &RouterConfig,
    ) -> Result<(Self, Snapshot), StartError> {
        let (catalogue, file) = CatalogueFile::open(settings)?;
        let texts = settings.read_policy_texts()?;
        let policies = Bundle::parse(&texts)?;
        tracing::info!(
            catalogue.digest = %catalogue.digest,
            catalogue.models = catalogue.models.len(),
            policy.digest = %policies.digest(),
            policy.ids = ?policies.ids(),
            "catalogue and policies read"
        );
        let rows = ledger.secrets().await?;
        let standing = Standing { path: file.path(), since: UnixMillis::now(), refused: None };
        let read = tokio::sync::Mutex::new(Read { file, rows: rows.clone() });
        let told = Mutex::new(Told { standing, ..Told::default() });
        let (changed, wake) = Default::default();
        let source = Self { bus, ledger, keys, policies: texts, read, told, changed, wake };
        source.keep(&catalogue).await?;
        let (snapshot, wanted) = source.make(&rows, catalogue, Arc::new(policies), None)?;
        source.told.lock().wanted = wanted;
        tell(&snapshot, None);
        Ok((source, snapshot))
    }

    fn make(
        &self,
        rows: &[StoredSecret],
        catalogue: Catalogue,
        policies: Arc<Bundle>,
        before: Option<&Snapshot>,
    ) -> Result<(Snapshot, Vec<SealedSecret>), SnapshotError> {
        let named = catalogue.stored_secrets();
        let wanted = rows.iter().filter(|row| named.contains_key(row.name.as_str()));
        let wanted: Vec<SealedSecret> = wanted.map(sealed).collect();
        let secrets = Arc::new(StoredSecrets::new(wanted.clone(), &self.keys));
        let snapshot = Snapshot::new(catalogue, policies, &Setup { bus: self.bus.clone(), secrets }, before)?;
        Ok((snapshot, wanted))
    }

    /// Keeps a catalogue before anyone decides by it, so that every decision can be made again.
    async fn keep(&self, catalogue: &Catalogue) -> Result<(), Error> {
        let json = catalogue_file::to_json(catalogue).map_err(|error| Error::internal(&error))?;
        Ok(self.ledger.keep_catalogue(catalogue.digest.to_string(), json).await?)
    }

    /// Goes on with what has changed since the last look. Calls under way end by what they began with. A catalogue that does
    /// not hold changes nothing; providers that lack something are tried again each time. `at_once` takes a changed file as
    /// it is, otherwise it is given the time until the next look to be written.
    pub async fn refresh(&self, plane: &DataPlane, at_once: bool) -> Result<(), Error> {
        let mut read = self.read.lock().await;
        let (present, now) = (plane.snapshot(), self.ledger.secrets().await?);
        let catalogue = match read.file.look(Instant::now(), at_once).await {
            Look::Same => None,
            Look::Changed(catalogue) => Some(*catalogue),
            Look::Bad(fault) => {
                self.refuse(fault);
                None
            }
        };
        let (reread, resealed) = (catalogue.is_some(), now != read.rows);
        if !reread && !resealed && present.without_key().is_empty() {
            return Ok(());
        }
        let catalogue = catalogue.unwrap_or_else(|| present.catalogue.clone());
        let (made, wanted) = match self.make(&now, catalogue, present.policies.clone(), Some(&present)) {
            Ok(made) => made,
            Err(error) if reread => {
                self.refuse(error.to_string());
                return Ok(());
            }
            Err(error) => return Err(Error::internal(&error)),
        };
        if reread {
            if let Err(error) = self.keep(&made.catalogue).await {
                read.file.judge_again();
                return Err(error);
            }
            self.taken(&made, &present);
        }
        read.rows = now;
        let same = made.is_as(&present);
        if same && !resealed {
            return Ok(());
        }
        self.told.lock().wanted = wanted;
        if !same {
            tell(&made, Some(&present));
            plane.publish(made);
        }
        self.changed.store(true, Ordering::Release);
        self.wake.notify_one();
        Ok(())
    }

    fn refuse(&self, fault: String) {
        let mut told = self.told.lock();
        let file = told.standing.path.as_deref().unwrap_or_default();
        tracing::error!(
            catalogue.file = file,
            fault,
            "the changed catalogue is refused and the one before holds; mend the file"
        );
        count("refused", 1.0);
        told.standing.refused = Some(Refused { at: UnixMillis::now(), fault });
    }

    fn taken(&self, made: &Snapshot, present: &Snapshot) {
        let mut told = self.told.lock();
        told.standing.refused = None;
        count("taken", 0.0);
        if made.catalogue.digest == present.catalogue.digest {
            return;
        }
        told.standing.since = UnixMillis::now();
        tracing::info!(
            catalogue.digest = %made.catalogue.digest,
            catalogue.before = %present.catalogue.digest,
            catalogue.models = made.catalogue.models.len(),
            "the catalogue has changed"
        );
    }

    /// How the catalogue stands.
    pub fn standing(&self) -> Standing {
        self.told.lock().standing.clone()
    }

    /// The secrets that providers want, as they are published.
    pub fn wanted(&self) -> Vec<SealedSecret> {
        self.told.lock().wanted.clone()
    }

    /// Whether something has changed since this was asked last.
    pub fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::AcqRel)
    }

    /// Resolves when something has changed.
    pub async fn changes(&self) {
        self.wake.notified().await;
    }
}

fn count(outcome: &'static str, refused: f64) {
    metrics::counter!("orrery.router.catalogue.reloads", "outcome" => outcome).increment(1);
    metrics::gauge!("orrery.router.catalogue.refused").set(refused);
}

fn sealed(row: &StoredSecret) -> SealedSecret {
    SealedSecret { name: row.name.clone(), version: row.version, sealed: row.sealed.clone() }
}

/// Says which providers lack a secret now, and which no longer do.
#[allow(clippy::cast_precision_loss)] // gauges are floats
fn tell(snapshot: &Snapshot, before: Option<&Snapshot>) {
    let lacking = snapshot.without_key();
    for (provider, error) in lacking {
        if before.and_then(|before| before.without_key().get(provider)) != Some(error) {
            tracing::warn!(gen_ai.provider.name = provider, %error, "a provider has no key; its models are unavailable");
        }
    }
    let mended = before.into_iter().flat_map(|before| before.without_key().keys());
    for provider in mended.filter(|provider| !lacking.contains_key(*provider)) {
        tracing::info!(gen_ai.provider.name = provider, "a provider has its key now");
    }
    metrics::gauge!("orrery.router.providers_without_key").set(lacking.len() as f64);
}
