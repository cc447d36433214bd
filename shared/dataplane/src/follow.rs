//! Following the router's snapshots, for processes that make calls by themselves.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures::StreamExt as _;
use orrery_bus::{Bus, subjects};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::RoutingSnapshot;
use orrery_providers::{Lack, SecretError, Setup, StoredSecrets};
use orrery_routing::statistics::Statistics;
use orrery_supervise::TaskSpec;
use orrery_vault::KeySource;
use parking_lot::Mutex;
use prost::Message as _;

use crate::snapshot::SnapshotError;
use crate::{Budgets, Caches, DataPlane, Recorder, Snapshot};

/// A snapshot that calls cannot be made by in this process.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The router has what is missing here.
    #[error("provider {provider:?} has no key in this process: {source}")]
    Secret { provider: String, source: SecretError },
}

/// Pause after the bucket of snapshots could not be followed.
const RETRY: Duration = Duration::from_millis(500);

/// The data plane of a process, once it has a snapshot that it can use. While it has none, calls go to the router.
#[derive(Debug)]
pub struct Follower {
    present: ArcSwapOption<DataPlane>,
    bus: Bus,
    keys: KeySource,
    budgets: Arc<Budgets>,
    recorder: Recorder,
    caches: Option<Caches>,
    /// The last that was read, to tell whether more than statistics has changed.
    last: Mutex<RoutingSnapshot>,
}

impl Follower {
    /// Without a snapshot yet. `keys` open the secrets that come with snapshots.
    pub fn new(
        bus: &Bus,
        keys: KeySource,
        budgets: Arc<Budgets>,
        recorder: Recorder,
        caches: Option<Caches>,
    ) -> Arc<Self> {
        let (present, bus, last) = (ArcSwapOption::empty(), bus.clone(), Mutex::default());
        Arc::new(Self { present, bus, keys, budgets, recorder, caches, last })
    }

    /// The data plane, when there is one.
    pub fn plane(&self) -> Option<Arc<DataPlane>> {
        self.present.load_full()
    }

    /// The supervised task that follows.
    pub fn task(self: &Arc<Self>) -> TaskSpec {
        let follower = self.clone();
        TaskSpec::new("snapshots", move |task| {
            let follower = follower.clone();
            async move {
                loop {
                    let followed = tokio::select! {
                        followed = follower.follow() => followed,
                        () = task.draining() => return Ok::<(), Error>(()),
                    };
                    // What was read last holds meanwhile.
                    tracing::warn!(error = %followed, "the router's snapshots cannot be followed now");
                    tokio::time::sleep(RETRY).await;
                }
            }
        })
    }

    async fn follow(&self) -> Error {
        let mut snapshots = match self.bus.follow_snapshot(subjects::SNAPSHOT_ROUTING).await {
            Ok(snapshots) => snapshots,
            Err(error) => return error,
        };
        while let Some(snapshot) = snapshots.next().await {
            match snapshot {
                Ok(snapshot) => self.take(&snapshot),
                Err(error) => return error,
            }
        }
        Error::new(ErrorCode::Unavailable, "the subscription to snapshots has ended")
    }

    fn take(&self, bytes: &Bytes) {
        let snapshot = match RoutingSnapshot::decode(bytes.as_ref()) {
            Ok(snapshot) => snapshot,
            Err(error) => return tracing::error!(%error, "a routing snapshot does not read"),
        };
        let revision = snapshot.revision;
        let statistics = read_statistics(&snapshot.statistics_json);
        if let (true, Some(plane)) = (self.is_known(&snapshot), self.plane()) {
            statistics.into_iter().for_each(|statistics| plane.snapshot().measured(statistics));
            return;
        }
        *self.last.lock() = snapshot.clone();
        match self.read(snapshot) {
            Ok(None) => {
                let present = self.plane().map(|plane| plane.snapshot());
                present.into_iter().zip(statistics).for_each(|(present, statistics)| present.measured(statistics));
            }
            Ok(Some(snapshot)) => {
                let digest = snapshot.catalogue.digest;
                statistics.into_iter().for_each(|statistics| snapshot.measured(statistics));
                match self.plane() {
                    Some(plane) => plane.publish(snapshot),
                    None => {
                        let (budgets, recorder) = (self.budgets.clone(), self.recorder.clone());
                        let plane = DataPlane::new(snapshot, budgets, recorder, None, self.caches.clone());
                        self.present.store(Some(plane));
                    }
                }
                tracing::info!(snapshot.revision = revision, catalogue.digest = %digest, "calls are made by the router's snapshot");
            }
            Err(error) => {
                // Not by the one before: the router may have taken a model away.
                self.present.store(None);
                tracing::warn!(%error, snapshot.revision = revision, "the router's snapshot cannot be used here; calls go to the router");
            }
        }
    }

    /// Whether all but statistics is, word for word, that of the snapshot before.
    fn is_known(&self, snapshot: &RoutingSnapshot) -> bool {
        let last = self.last.lock();
        last.catalogue_json == snapshot.catalogue_json
            && last.policies == snapshot.policies
            && last.secrets == snapshot.secrets
            && last.without_key == snapshot.without_key
    }

    /// None when it is the present one again.
    fn read(&self, snapshot: RoutingSnapshot) -> Result<Option<Snapshot>, Unusable> {
        let before = self.plane().map(|plane| plane.snapshot());
        let policies = snapshot.policies.into_iter().collect();
        let secrets = Arc::new(StoredSecrets::new(snapshot.secrets, &self.keys));
        let setup = Setup { bus: self.bus.clone(), secrets };
        let read = Snapshot::read(&snapshot.catalogue_json, policies, &setup, before.as_deref())?;
        // What the router lacks too, nobody has; its models are unavailable here as there.
        let mut lacking = read.without_key().iter();
        let here = |(name, error): &(&String, &SecretError)| {
            error.lack == Lack::Here && !snapshot.without_key.contains_key(*name)
        };
        if let Some((provider, source)) = lacking.find(here) {
            return Err(Unusable::Secret { provider: provider.clone(), source: source.clone() });
        }
        let same = before.is_some_and(|before| before.is_as(&read));
        Ok((!same).then_some(read))
    }
}

/// None where there are none. Those that do not read leave the ones before in their place.
fn read_statistics(json: &str) -> Option<Statistics> {
    if json.is_empty() {
        return None;
    }
    serde_json::from_str(json)
        .inspect_err(|error| tracing::error!(%error, "the router's statistics do not read; is it of another version?"))
        .ok()
}
