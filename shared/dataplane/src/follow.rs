//! Following the router's snapshots, for processes that make calls by themselves.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use futures::StreamExt as _;
use orrery_bus::{Bus, subjects};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::RoutingSnapshot;
use orrery_providers::Setup;
use orrery_routing::statistics::Statistics;
use orrery_supervise::TaskSpec;
use parking_lot::Mutex;
use prost::Message as _;

use crate::snapshot::SnapshotError;
use crate::{Budgets, Caches, DataPlane, Recorder, Snapshot};

/// Pause after the bucket of snapshots could not be followed.
const RETRY: Duration = Duration::from_millis(500);

/// The data plane of a process, once it has a snapshot that it can use. While it has none, calls go to the router.
#[derive(Debug)]
pub struct Follower {
    present: ArcSwapOption<DataPlane>,
    setup: Setup,
    budgets: Arc<Budgets>,
    recorder: Recorder,
    caches: Option<Caches>,
    /// The last that was read, to tell whether more than statistics has changed.
    last: Mutex<RoutingSnapshot>,
}

impl Follower {
    /// Without a snapshot yet.
    pub fn new(setup: Setup, budgets: Arc<Budgets>, recorder: Recorder, caches: Option<Caches>) -> Arc<Self> {
        Arc::new(Self { present: ArcSwapOption::empty(), setup, budgets, recorder, caches, last: Mutex::default() })
    }

    /// The data plane, when there is one.
    pub fn plane(&self) -> Option<Arc<DataPlane>> {
        self.present.load_full()
    }

    /// The supervised task that follows.
    pub fn task(self: &Arc<Self>, bus: &Bus) -> TaskSpec {
        let (follower, bus) = (self.clone(), bus.clone());
        TaskSpec::new("snapshots", move |task| {
            let (follower, bus) = (follower.clone(), bus.clone());
            async move {
                loop {
                    let followed = tokio::select! {
                        followed = follower.follow(&bus) => followed,
                        () = task.draining() => return Ok::<(), Error>(()),
                    };
                    // What was read last holds meanwhile.
                    tracing::warn!(error = %followed, "the router's snapshots cannot be followed now");
                    tokio::time::sleep(RETRY).await;
                }
            }
        })
    }

    async fn follow(&self, bus: &Bus) -> Error {
        let mut snapshots = match bus.follow_snapshot(subjects::SNAPSHOT_ROUTING).await {
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

    /// Whether catalogue and policies are, word for word, those of the snapshot before.
    fn is_known(&self, snapshot: &RoutingSnapshot) -> bool {
        let last = self.last.lock();
        last.catalogue_json == snapshot.catalogue_json && last.policies == snapshot.policies
    }

    /// None when it is the present one again.
    fn read(&self, snapshot: RoutingSnapshot) -> Result<Option<Snapshot>, SnapshotError> {
        let before = self.plane().map(|plane| plane.snapshot());
        let policies = snapshot.policies.into_iter().collect();
        let read = Snapshot::read(&snapshot.catalogue_json, policies, &self.setup, before.as_deref())?;
        let same = before.is_some_and(|before| {
            before.catalogue.digest == read.catalogue.digest && before.policies.digest() == read.policies.digest()
        });
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
