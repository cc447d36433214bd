//! The catalogue's file is changed while the router runs: taken as a whole, or refused and told of.

use std::sync::Arc;

use nix::sys::signal::Signal;
use orrery_bus::{CallContext, subjects, verbs};
use orrery_errors::ErrorCode;
use orrery_proto::v1::{
    CatalogueReply, CatalogueRequest, ListModelsRequest, ReplayDecisionRequest, RoutingSnapshot, SpendReply,
};
use orrery_routing::decide::Decision;
use orrery_standins::openai::{OpenaiServer, Script};
use orrery_testkit::eventually;
use prost::Message as _;
use tokio::sync::Notify;

use crate::system::{System, caller, catalogue, chat};

/// As an editor or a mounted volume does it: at one moment the old text, at the next the new one.
fn replace(system: &System, text: &str) {
    let folder = system.folder.path();
    std::fs::write(folder.join("catalogue.new"), text).unwrap();
    std::fs::rename(folder.join("catalogue.new"), folder.join("catalogue.toml")).unwrap();
}

async fn standing(system: &System) -> CatalogueReply {
    let request = CatalogueRequest { caller: Some(caller(&["operator"])) };
    system.bus.call(verbs::router::CATALOGUE, &CallContext::default(), &request).await.unwrap()
}

/// The standing once it is as wanted.
async fn stands(system: &System, is_so: impl Fn(&CatalogueReply) -> bool) -> CatalogueReply {
    let so = eventually(|| async { Some(standing(system).await).filter(|standing| is_so(standing)) });
    match so.await {
        Some(standing) => standing,
        None => panic!("it stands otherwise: {:?}\n{}", standing(system).await, system.router.log()),
    }
}

async fn healthy(system: &System, model: &str) -> bool {
    let request = ListModelsRequest { caller: Some(caller(&[])) };
    let models = system.bus.call(verbs::router::MODELS, &CallContext::default(), &request).await.unwrap().models;
    models.iter().find(|it| it.name == model).unwrap().healthy
}

/// A decision of a call, made again from the catalogue of its time.
async fn replayed(system: &System, id: &str) -> Decision {
    let request = ReplayDecisionRequest { caller: Some(caller(&[])), id: id.to_owned() };
    let context = CallContext::default();
    let again =
        eventually(|| async { system.bus.call(verbs::router::DECISION, &context, &request).await.ok() }).await.unwrap();
    assert!(again.verified, "{again:?}");
    serde_json::from_str(&again.decision_json).unwrap()
}

#[tokio::test]
async fn a_changed_catalogue_holds_for_calls_to_come_and_nothing_else_is_lost() {
    let cloud =
        OpenaiServer::start(Script::Refuses(429, vec![("retry-after", "250".to_owned())], "{}".to_owned())).await;
    let text = catalogue(Some(&cloud));
    let system = Arc::new(System::start(&text).await);
    let before = standing(&system).await;
    assert!(before.fault.is_empty() && before.file.ends_with("catalogue.toml"), "{before:?}");
    assert!(system.invoke(&chat("cloud-chat", "hello")).await.is_err());
    assert!(!healthy(&system, "cloud-chat").await, "its provider has asked for a pause");
    let decided_before = system.invoke(&chat("home", "hello")).await.unwrap().decision.unwrap();

    let gate = Arc::new(Notify::new());
    *system.model.gate.lock() = Some(gate.clone());
    let calling = system.clone();
    let under_way = tokio::spawn(async move { calling.invoke(&chat("home", "wait")).await });
    assert!(eventually(|| async { (system.model.calls() == 2).then_some(()) }).await.is_some());

    let dearer = text.replace("request = 1000", "request = 2000");
    let further = "[[model]]\nname = \"further\"\nprovider = \"local\"\ncapabilities = [\"chat\"]\ndata_classes = [\"internal\", \"personal\"]\n";
    replace(&system, &format!("{dearer}{further}"));
    let after = stands(&system, |standing| standing.digest != before.digest).await;
    assert_eq!((after.models, after.fault.as_str()), (before.models + 1, ""));

    *system.model.gate.lock() = None;
    gate.notify_one();
    let ended = under_way.await.unwrap().unwrap();
    assert_eq!(ended.usage.unwrap().cost_nanos, 1_000, "the call under way ends by the catalogue that it began with");
    let reply = system.invoke(&chat("home", "hello")).await.unwrap();
    assert_eq!(reply.usage.unwrap().cost_nanos, 2_000);
    assert!(system.invoke(&chat("further", "hello")).await.is_ok());
    assert!(!healthy(&system, "cloud-chat").await, "what is known of an unchanged model was forgotten");
    let spend: SpendReply = system.spent(4_000).await;
    assert_eq!(spend.rows.iter().find(|row| row.model == "home").unwrap().calls, 3, "{spend:?}");

    // Decisions of both are made again, each by its own.
    let decided_after = reply.decision.unwrap();
    let digests = [replayed(&system, &decided_before.id).await, replayed(&system, &decided_after.id).await]
        .map(|decision| decision.catalogue_digest.to_string());
    assert_eq!(digests, [before.digest, after.digest.clone()]);
    let mut snapshots = system.bus.follow_snapshot(subjects::SNAPSHOT_ROUTING).await.unwrap();
    let published = eventually_published(&mut snapshots, "further").await;
    assert!(published.catalogue_json.contains("2000"));

    // The same model of another provider is another one.
    replace(
        &system,
        &text.replace(
            "name = \"cloud-chat\"\nprovider = \"cloud\"",
            "name = \"cloud-chat\"\nupstream = \"x\"\nprovider = \"cloud\"",
        ),
    );
    stands(&system, |standing| standing.digest != after.digest).await;
    assert!(healthy(&system, "cloud-chat").await);
}

type Snapshots = futures::stream::BoxStream<'static, Result<bytes::Bytes, orrery_errors::Error>>;

async fn eventually_published(snapshots: &mut Snapshots, model: &str) -> RoutingSnapshot {
    use futures::StreamExt as _;
    let found = async {
        loop {
            let snapshot = RoutingSnapshot::decode(snapshots.next().await.unwrap().unwrap()).unwrap();
            if snapshot.catalogue_json.contains(model) {
                return snapshot;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), found).await.expect("it was not published")
}

#[tokio::test]
async fn a_catalogue_that_does_not_hold_is_refused_and_the_one_before_goes_on() {
    let text = catalogue(None);
    let system = System::start(&text).await;
    let before = standing(&system).await;
    // A text that is still being written, two that contradict themselves, and none at all.
    let half = format!("{text}[[model]]\nname = \"half");
    let lines = text.lines().count();
    let orphan = format!(
        "{text}[[model]]\nname = \"orphan\"\nprovider = \"nobody\"\ncapabilities = [\"chat\"]\ndata_classes = []\n"
    );
    let misspelt = format!(
        "{text}[[provider]]\nname = \"vllm\"\nkind = \"openai\"\nlocation = \"local\"\nbase_url = \"http://localhost:1/v1\"\noptions = {{ embedings = \"float\" }}\n"
    );
    let cases = [
        (half.as_str(), format!("line {}", lines + 2)),
        (orphan.as_str(), format!("line {}: model \"orphan\": there is no provider \"nobody\"", lines + 2)),
        (misspelt.as_str(), "no option \"embedings\"".to_owned()),
        ("", "missing field".to_owned()),
    ];
    for (bad, told) in &cases {
        replace(&system, bad);
        let refused = stands(&system, |standing| standing.fault.contains(told.as_str())).await;
        assert_eq!((refused.digest.as_str(), refused.models), (before.digest.as_str(), before.models));
        assert!(refused.refused_at_ms > 0);
        assert_eq!(system.invoke(&chat("home", "hello")).await.unwrap().usage.unwrap().cost_nanos, 1_000);
    }
    let log = system.router.log();
    assert_eq!(log.matches("is refused and the one before holds").count(), cases.len(), "each is told once: {log}");

    // What was half is whole now; a signal says so.
    replace(
        &system,
        &format!("{half}-written\"\nprovider = \"local\"\ncapabilities = [\"chat\"]\ndata_classes = [\"personal\"]\n"),
    );
    system.router.signal(Signal::SIGHUP).unwrap();
    let taken = stands(&system, |standing| standing.fault.is_empty()).await;
    assert_eq!((taken.models, taken.refused_at_ms), (before.models + 1, 0));
    assert!(system.invoke(&chat("half-written", "hello")).await.is_ok());
    let nosy = CatalogueRequest { caller: Some(caller(&["developer"])) };
    let refused = system.bus.call(verbs::router::CATALOGUE, &CallContext::default(), &nosy).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
}
