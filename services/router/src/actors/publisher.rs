//! Publishes what calls are decided by, for processes that make calls by themselves: catalogue, policies and sealed secrets as
//! soon as they change, which it looks for, and every second what was measured, if it has changed. Statistics are kept before anyone decides by them, so that every decision can be
//! made again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orrery_bus::{Bus, subjects};
use orrery_errors::Error;
use orrery_proto::v1::RoutingSnapshot;
use orrery_routing::catalogue_file;
use orrery_routing::statistics::Statistics;
use orrery_supervise::TaskSpec;
use orrery_types::UnixMillis;
use prost::Message as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::Router;
use crate::measured::Spans;

/// Pause after a failure.
const RETRY: Duration = Duration::from_millis(500);
/// Between two looks at what was measured.
const PERIOD: Duration = Duration::from_secs(1);
/// Published again after this, should the bus have lost it.
const AGAIN: Duration = Duration::from_secs(30);

/// Publishes for as long as it runs.
pub fn publisher(bus: &Bus, router: &Arc<Router>) -> TaskSpec {
    let (bus, router) = (bus.clone(), router.clone());
    TaskSpec::new("publisher", move |task| {
        let (bus, router) = (bus.clone(), router.clone());
        async move {
            let (mut published, mut at_once): (Option<Instant>, bool) = (None, false);
            let mut hangups = signal(SignalKind::hangup()).map_err(|error| Error::internal(&error))?;
            loop {
                let due = published.is_none_or(|at| at.elapsed() >= AGAIN);
                let pause = match step(&bus, &router, due, at_once).await {
                    Ok(done) => {
                        published = if done { Some(Instant::now()) } else { published };
                        PERIOD
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the routing snapshot was not published");
                        published = None;
                        RETRY
                    }
                };
                at_once = tokio::select! {
                    () = tokio::time::sleep(pause) => false,
                    () = router.source.changes() => false,
                    // Whoever sends it has written the file.
                    _hangup = hangups.recv() => true,
                    () = task.draining() => return Ok::<(), Error>(()),
                };
            }
        }
    })
}

/// Says whether the snapshot was published.
async fn step(bus: &Bus, router: &Router, due: bool, at_once: bool) -> Result<bool, Error> {
    // What cannot be looked at now stays as it is.
    if let Err(error) = router.source.refresh(&router.plane, at_once).await {
        tracing::warn!(%error, "the catalogue and secrets cannot be looked at now");
    }
    let changed = measure(router).await?;
    let publishes = router.source.take_changed() || due || !changed.is_empty();
    if publishes {
        publish(bus, router).await?;
    }
    tell(bus, router, &changed).await?;
    Ok(publishes)
}

/// Goes on with what was measured. Returns the models of which something else is known than before.
async fn measure(router: &Router) -> Result<Vec<String>, Error> {
    let now = UnixMillis::now();
    let (snapshot, models) = (router.plane.snapshot(), router.measured.statistics(now));
    let (present, models) = (snapshot.statistics(), models.map_err(|error| Error::internal(&error))?);
    let names: BTreeSet<&String> = models.keys().chain(present.models.keys()).collect();
    let changed = names.into_iter().filter(|name| models.get(*name) != present.models.get(*name));
    let changed: Vec<String> = changed.cloned().collect();
    if changed.is_empty() {
        return Ok(changed);
    }
    let revision = now.0.max(present.revision.saturating_add(1));
    let statistics = Statistics { revision, models, routes: present.routes.clone() };
    let json = serde_json::to_string(&statistics).map_err(|error| Error::internal(&error))?;
    if !router.ledger.keep_statistics(revision, json).await? {
        // Another router has published in the same millisecond; the next second has another.
        return Ok(Vec::new());
    }
    snapshot.measured(statistics);
    Ok(changed)
}

/// Tells of single models: to who watches the bucket of snapshots, and to who reads metrics.
async fn tell(bus: &Bus, router: &Router, changed: &[String]) -> Result<(), Error> {
    if changed.is_empty() {
        return Ok(());
    }
    let spans = router.measured.spans(UnixMillis::now()).map_err(|error| Error::internal(&error))?;
    for (name, spans) in changed.iter().filter_map(|name| Some((name, spans.get(name)?))) {
        gauges(name, spans);
        let json = serde_json::to_vec(spans).map_err(|error| Error::internal(&error))?;
        bus.put_snapshot(&subjects::snapshot_stats(name), json).await?;
    }
    Ok(())
}

#[allow(clippy::cast_precision_loss)] // gauges are floats
fn gauges(model: &str, spans: &Spans) {
    for (span, summary) in [("1m", &spans.minute), ("1h", &spans.hour), ("1d", &spans.day)] {
        let labels = [("gen_ai.request.model", model.to_owned()), ("span", span.to_owned())];
        let set = |name: &'static str, value: u64| metrics::gauge!(name, &labels).set(value as f64);
        set("orrery.router.model.calls", summary.calls);
        set("orrery.router.model.errors", summary.failed());
        set("orrery.router.model.spent_nanos", summary.spent.get());
        let durations = [
            ("orrery.router.model.latency_p50_ms", summary.latency.p50_ms),
            ("orrery.router.model.latency_p95_ms", summary.latency.p95_ms),
            ("orrery.router.model.ttft_p50_ms", summary.ttft.p50_ms),
            ("orrery.router.model.ttft_p95_ms", summary.ttft.p95_ms),
            ("orrery.router.model.tokens_per_second", summary.tokens_per_second),
        ];
        for (name, value) in durations {
            value.into_iter().for_each(|value| set(name, value));
        }
    }
}

async fn publish(bus: &Bus, router: &Router) -> Result<(), Error> {
    let snapshot = router.plane.snapshot();
    let catalogue_json = catalogue_file::to_json(&snapshot.catalogue).map_err(|error| Error::internal(&error))?;
    let policies = router.source.policies.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
    let without_key = snapshot.without_key().iter().map(|(name, error)| (name.clone(), error.to_string())).collect();
    let statistics_json =
        serde_json::to_string(snapshot.statistics().as_ref()).map_err(|error| Error::internal(&error))?;
    let published = RoutingSnapshot {
        revision: UnixMillis::now().0,
        catalogue_json,
        policies,
        statistics_json,
        secrets: router.source.wanted(),
        without_key,
    };
    bus.put_snapshot(subjects::SNAPSHOT_ROUTING, published.encode_to_vec()).await
}
