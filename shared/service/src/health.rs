//! The state of the tree, on the bus: answered when asked, published at each change and every few seconds.

use std::time::Duration;

use orrery_bus::{Bus, Server, subjects, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{HealthReport, HealthRequest};
use orrery_supervise::Root;
use orrery_types::UnixMillis;

const PERIOD: Duration = Duration::from_secs(5);
/// Calls of the health verb at once.
const CALLS: usize = 16;

/// Says how one process is.
#[derive(Clone)]
pub(crate) struct Reporter {
    pub(crate) service: &'static str,
    pub(crate) instance: String,
    pub(crate) root: Root,
}

impl Reporter {
    fn report(&self) -> HealthReport {
        let health = self.root.health();
        let tree = serde_json::to_string(&self.root.snapshot());
        HealthReport {
            service: self.service.to_owned(),
            instance: self.instance.clone(),
            live: health.live,
            ready: health.ready,
            reasons: health.reasons,
            tree_json: tree.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")),
            reported_at_ms: UnixMillis::now().0,
        }
    }

    /// The server that answers the health verb.
    pub(crate) fn server(&self, bus: &Bus) -> Result<Server, Error> {
        let unknown = || Error::new(ErrorCode::Internal, format!("{:?} is no service", self.service));
        let verb = verbs::health(self.service).ok_or_else(unknown)?;
        let reporter = self.clone();
        let answer = move |_context, _request: HealthRequest| {
            let report = reporter.report();
            async move { Ok(report) }
        };
        Ok(Server::new(bus, self.service, env!("CARGO_PKG_VERSION")).handle(verb, CALLS, answer))
    }

    /// Publishes for as long as the tree exists.
    pub(crate) async fn publish(self, bus: Bus) {
        use prost::Message as _;
        let mut changes = self.root.watch();
        loop {
            let report = self.report();
            if let Err(error) = bus.publish(subjects::health(self.service), report.encode_to_vec()).await {
                tracing::debug!(%error, "the health report was not published");
            }
            if let Ok(Err(_gone)) = tokio::time::timeout(PERIOD, changes.changed()).await {
                return;
            }
        }
    }
}
