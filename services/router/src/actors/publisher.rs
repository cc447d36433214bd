//! Publishes what calls are decided by, for processes that make calls by themselves.

use std::sync::Arc;
use std::time::Duration;

use orrery_bus::{Bus, subjects};
use orrery_errors::Error;
use orrery_proto::v1::RoutingSnapshot;
use orrery_routing::catalogue_file;
use orrery_supervise::TaskSpec;
use orrery_types::UnixMillis;
use prost::Message as _;

use crate::Router;

/// Pause after a failure.
const RETRY: Duration = Duration::from_millis(500);
/// Published again after this, should the bus have lost it.
const AGAIN: Duration = Duration::from_secs(30);

/// Publishes for as long as it runs.
pub fn publisher(bus: &Bus, router: &Arc<Router>) -> TaskSpec {
    let (bus, router) = (bus.clone(), router.clone());
    TaskSpec::new("publisher", move |task| {
        let (bus, router) = (bus.clone(), router.clone());
        async move {
            loop {
                let pause = match publish(&bus, &router).await {
                    Ok(()) => AGAIN,
                    Err(error) => {
                        tracing::warn!(%error, "the routing snapshot was not published");
                        RETRY
                    }
                };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = task.draining() => return Ok::<(), Error>(()),
                }
            }
        }
    })
}

async fn publish(bus: &Bus, router: &Router) -> Result<(), Error> {
    let snapshot = router.plane.snapshot();
    let catalogue_json = catalogue_file::to_json(&snapshot.catalogue).map_err(|error| Error::internal(&error))?;
    let policies = router.policies.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
    let published =
        RoutingSnapshot { revision: UnixMillis::now().0, catalogue_json, policies, statistics_json: String::new() };
    bus.put_snapshot(subjects::SNAPSHOT_ROUTING, published.encode_to_vec()).await
}
