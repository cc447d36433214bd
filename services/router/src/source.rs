//! What calls are decided by, read anew when something of it has changed: now the secrets of providers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orrery_bus::Bus;
use orrery_dataplane::{DataPlane, Snapshot, SnapshotError};
use orrery_errors::Error;
use orrery_policy::Bundle;
use orrery_proto::v1::SealedSecret;
use orrery_providers::{Setup, StoredSecrets};
use orrery_routing::catalogue::Catalogue;
use orrery_vault::KeySource;
use parking_lot::Mutex;
use tokio::sync::Notify;

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
    /// The rows by which providers were made last. One refresh at a time.
    rows: tokio::sync::Mutex<Vec<StoredSecret>>,
    wanted: Mutex<Vec<SealedSecret>>,
    changed: AtomicBool,
    wake: Notify,
}

impl Source {
    /// Reads from these.
    pub fn new(bus: Bus, ledger: Ledger, keys: KeySource, policies: BTreeMap<String, String>) -> Self {
        let (rows, wanted, changed, wake) = Default::default();
        Self { bus, ledger, keys, policies, rows, wanted, changed, wake }
    }

    /// The snapshot to begin with.
    pub async fn first(
        &self,
        catalogue: Catalogue,
        policies: Arc<Bundle>,
    ) -> Result<Snapshot, crate::error::StartError> {
        let rows = self.ledger.secrets().await?;
        let snapshot = self.read(&rows, catalogue, policies, None)?;
        tell(&snapshot, None);
        *self.rows.lock().await = rows;
        Ok(snapshot)
    }

    fn read(
        &self,
        rows: &[StoredSecret],
        catalogue: Catalogue,
        policies: Arc<Bundle>,
        before: Option<&Snapshot>,
    ) -> Result<Snapshot, SnapshotError> {
        let named = catalogue.stored_secrets();
        let wanted = rows.iter().filter(|row| named.contains_key(row.name.as_str()));
        let wanted: Vec<SealedSecret> = wanted.map(sealed).collect();
        let secrets = Arc::new(StoredSecrets::new(wanted.clone(), &self.keys));
        let snapshot = Snapshot::new(catalogue, policies, &Setup { bus: self.bus.clone(), secrets }, before)?;
        *self.wanted.lock() = wanted;
        Ok(snapshot)
    }

    /// Goes on with what has changed since the last look. Calls under way end by what they began with. Providers that lack
    /// something are tried again each time.
    pub async fn refresh(&self, plane: &DataPlane) -> Result<(), Error> {
        let mut rows = self.rows.lock().await;
        let (present, now) = (plane.snapshot(), self.ledger.secrets().await?);
        if now == *rows && present.without_key().is_empty() {
            return Ok(());
        }
        let read = self.read(&now, present.catalogue.clone(), present.policies.clone(), Some(&present));
        let read = read.map_err(|error| Error::internal(&error))?;
        let resealed = now != *rows;
        *rows = now;
        if !read.is_as(&present) {
            tell(&read, Some(&present));
            plane.publish(read);
        } else if !resealed {
            return Ok(());
        }
        self.changed.store(true, Ordering::Release);
        self.wake.notify_one();
        Ok(())
    }

    /// The secrets that providers want, as they are published.
    pub fn wanted(&self) -> Vec<SealedSecret> {
        self.wanted.lock().clone()
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
