//! What calls tell of models: measured, published, decided by, and enough to make decisions again.

use futures::StreamExt as _;
use orrery_bus::{CallContext, subjects, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    ModelStatsReply, ModelStatsRequest, ReplayDecisionReply, ReplayDecisionRequest, RoutingSnapshot,
};
use orrery_routing::decide::Decision;
use orrery_routing::statistics::Statistics;
use orrery_testkit::eventually;
use prost::Message as _;
use serde_json::Value;

use crate::system::{System, caller, catalogue, chat};
use orrery_standins::inference::Behaviour;

async fn stats(system: &System, roles: &[&str]) -> (Value, u64) {
    let request = ModelStatsRequest { caller: Some(caller(roles)) };
    let reply: ModelStatsReply =
        system.bus.call(verbs::router::STATS, &CallContext::default(), &request).await.unwrap();
    (serde_json::from_str(&reply.models_json).unwrap(), reply.revision)
}

async fn replay(system: &System, tenant: &str, id: &str) -> Result<ReplayDecisionReply, Error> {
    let mut caller = caller(&[]);
    caller.tenant = tenant.into();
    let request = ReplayDecisionRequest { caller: Some(caller), id: id.into() };
    system.bus.call(verbs::router::DECISION, &CallContext::default(), &request).await
}

#[tokio::test]
async fn calls_are_measured_and_decisions_know_it_and_are_made_again() {
    let system = System::start(&catalogue(None)).await;
    let unmeasured = system.invoke(&chat("home", "hello")).await.unwrap().decision.unwrap();
    for _ in 0..7 {
        system.invoke(&chat("home", "hello")).await.unwrap();
    }
    system.model.becomes(Behaviour::Fails(Error::new(ErrorCode::InvalidRequest, "no")));
    assert!(system.invoke(&chat("home", "hello")).await.is_err());

    let measured = eventually(|| async {
        let (models, revision) = stats(&system, &["operator"]).await;
        (models["home"]["hour"]["calls"] == 9 && revision > 0).then_some(models)
    });
    let models = measured.await.expect("the calls were not measured");
    let hour = &models["home"]["hour"];
    assert_eq!(hour["spent_nanos"], 8_000);
    assert_eq!(hour["error_ppm"], 0, "a bad request is not the model's");
    assert!(hour["latency"]["p50_ms"].is_u64(), "{hour}");
    let (of_all, _) = stats(&system, &["developer"]).await;
    assert!(of_all["home"]["hour"]["latency"]["p50_ms"].is_u64());
    assert_eq!(of_all["home"]["hour"].get("spent_nanos"), None, "what all tenants spend is not everybody's business");

    // Published: in the snapshot that calls are decided by elsewhere, and by model.
    let mut snapshots = system.bus.follow_snapshot(subjects::SNAPSHOT_ROUTING).await.unwrap();
    let published = loop {
        let snapshot = RoutingSnapshot::decode(snapshots.next().await.unwrap().unwrap()).unwrap();
        let statistics: Statistics = serde_json::from_str(&snapshot.statistics_json).unwrap();
        if statistics.models.contains_key("home") {
            break statistics;
        }
    };
    assert!(published.models["home"].latency.p50_ms.is_some(), "{published:?}");
    let mut of_model = system.bus.follow_snapshot(&subjects::snapshot_stats("home")).await.unwrap();
    let told: Value = serde_json::from_slice(&of_model.next().await.unwrap().unwrap()).unwrap();
    assert!(told["hour"]["calls"].as_u64().is_some_and(|calls| calls >= 5), "{told}");

    // Decisions of both times are made again, each from what was known then.
    system.model.becomes(Behaviour::Says("four words of text"));
    let made = system.invoke(&chat("home", "hello")).await.unwrap().decision.unwrap();
    for (decision, knew) in [(&unmeasured, false), (&made, true)] {
        let again = eventually(|| async { replay(&system, "acme", &decision.id).await.ok() });
        let again = again.await.expect("the decision is not in the ledger");
        assert!(again.verified, "{again:?}");
        assert_eq!((again.model.as_str(), again.outcome.as_str(), again.attempts), ("home", "ok", 1));
        let read: Decision = serde_json::from_str(&again.decision_json).unwrap();
        assert_eq!((read.id.as_str(), read.statistics_revision > 0), (decision.id.as_str(), knew));
        let again_told: Vec<_> = read.candidates.iter().map(|it| (&it.model, &it.reason)).collect();
        let told: Vec<_> = decision.candidates.iter().map(|it| (&it.model, &it.reason)).collect();
        assert_eq!(again_told, told);
        assert!(again.explanation.contains("home"), "{}", again.explanation);
    }
    let others = replay(&system, "other", &made.id).await.unwrap_err();
    assert_eq!(others.code, ErrorCode::NotFound);
}
