//! Tables for the decision: who is dropped and why, in which order the others come, and that it can be replayed.

use std::collections::BTreeMap;

use orrery_routing::catalogue::{Capability, Catalogue};
use orrery_routing::catalogue_file;
use orrery_routing::decide::{Decision, Dropped, Inputs, ModelHealth, PolicyAnswer};
use orrery_routing::request::{RequestFacts, Size};
use orrery_routing::statistics::Statistics;
use orrery_types::{Sha256Digest, UnixMillis};

const CATALOGUE: &str = r#"
currency = "EUR"
provider = [{ name = "local", kind = "local", location = "local" }]
route = [{ name = "tuned", models = ["slow", "quick"], strategy = "ordered" },
         { name = "fast", models = ["slow", "quick"], strategy = "fastest" },
         { name = "thrifty", models = ["slow", "quick"], strategy = "cheapest" }]

[[model]]
name = "slow"
provider = "local"
capabilities = ["chat"]
data_classes = []
price = { output_token = 10 }
limits = { context_tokens = 1000, output_tokens = 100 }
latency_ms = 1000

[[model]]
name = "quick"
provider = "local"
capabilities = ["chat"]
data_classes = []
price = { output_token = 5000 }
limits = { context_tokens = 1000, output_tokens = 100 }
latency_ms = 10

[[model]]
name = "reader"
provider = "local"
capabilities = ["read"]
media_types = ["image/*", "application/pdf"]
data_classes = []
price = { page = 7 }
"#;

fn decide(catalogue: &Catalogue, inputs: &Inputs) -> Decision {
    orrery_routing::decide::decide(catalogue, &Statistics::default(), inputs)
}

fn catalogue() -> Catalogue {
    catalogue_file::parse(CATALOGUE).unwrap()
}

fn inputs(model: &str) -> Inputs {
    let facts = RequestFacts {
        tenant: "acme".into(),
        principal: "ana".into(),
        roles: vec![],
        model: model.into(),
        capability: Capability::Chat,
        media_type: None,
        data_classes: vec![],
        purpose: String::new(),
        cost_nanos_max: 0,
        session: String::new(),
        size: Size { text_bytes: 40, items: 1, output_tokens: 10, blob_bytes: 0, ..Size::default() },
    };
    let allow = PolicyAnswer { allowed: true, policies: vec!["p".into()], reason: "permitted by p".into() };
    let policies = ["slow", "quick", "reader"].map(|name| (name.to_owned(), allow.clone())).into();
    let catalogue = catalogue();
    let (policy_digest, catalogue_digest) = (Sha256Digest::of(b"policies"), catalogue.digest);
    Inputs {
        id: "dec_1".into(),
        at: UnixMillis(0),
        seed: 0,
        facts,
        health: BTreeMap::new(),
        policies,
        policy_digest,
        catalogue_digest,
        statistics_revision: 0,
    }
}

fn order(inputs: &Inputs) -> Vec<String> {
    decide(&catalogue(), inputs).eligible().map(|candidate| candidate.model.clone()).collect()
}

fn dropped(inputs: &Inputs, model: &str) -> (Option<Dropped>, String) {
    let decision = decide(&catalogue(), inputs);
    let candidate = decision.candidates.iter().find(|candidate| candidate.model == model).unwrap();
    (candidate.dropped, candidate.reason.clone())
}

#[test]
fn strategies_order_the_same_models_differently() {
    let table = [
        ("auto", vec!["quick", "slow"]),
        ("", vec!["quick", "slow"]),
        ("tuned", vec!["slow", "quick"]),
        ("fast", vec!["quick", "slow"]),
        ("thrifty", vec!["slow", "quick"]),
        ("slow", vec!["slow"]),
        ("unheard-of", vec![]),
    ];
    for (asked, expected) in table {
        assert_eq!(order(&inputs(asked)), expected, "{asked:?}");
    }
}

#[test]
fn measured_latency_counts_more_than_the_expected_one() {
    let mut inputs = inputs("fast");
    inputs
        .health
        .insert("quick".into(), ModelHealth { unavailable: None, latency_ms: Some(5000), ..ModelHealth::default() });
    assert_eq!(order(&inputs), ["slow", "quick"]);
}

#[test]
fn only_models_that_were_asked_for_are_candidates() {
    let mut inputs = inputs("fast");
    inputs.facts.model = "slow".into();
    let candidates = decide(&catalogue(), &inputs).candidates;
    assert_eq!(candidates.iter().map(|it| it.model.as_str()).collect::<Vec<_>>(), ["slow"]);
}

#[test]
fn every_model_is_listed_with_the_reason_it_was_dropped() {
    type Change = fn(&mut Inputs);
    let table: [(&str, Change, Dropped, &str); 6] = [
        ("reader", |_| {}, Dropped::Incapable, "cannot chat"),
        ("quick", |i| i.facts.size.text_bytes = 8000, Dropped::TooLong, "about 2008 tokens do not fit into 999"),
        (
            "quick",
            |i| {
                let answer = i.policies.get_mut("quick").unwrap();
                (answer.allowed, answer.reason) = (false, "forbidden by home".into());
            },
            Dropped::Policy,
            "forbidden by home",
        ),
        ("quick", |i| drop(i.policies.remove("quick")), Dropped::Policy, "policies were not asked"),
        ("quick", |i| i.facts.cost_nanos_max = 49_999, Dropped::TooDear, "can cost 50000 nanos, the call allows 49999"),
        (
            "quick",
            |i| {
                drop(i.health.insert(
                    "quick".into(),
                    ModelHealth { unavailable: Some("it rests".into()), ..ModelHealth::default() },
                ))
            },
            Dropped::Unavailable,
            "it rests",
        ),
    ];
    for (model, change, why, reason) in table {
        let mut inputs = inputs("auto");
        change(&mut inputs);
        assert_eq!(dropped(&inputs, model), (Some(why), reason.to_owned()), "{why:?}");
        assert_eq!(decide(&catalogue(), &inputs).candidates.len(), 3, "{why:?}");
    }
}

#[test]
fn reading_asks_for_the_media_type() {
    let mut inputs = inputs("auto");
    inputs.facts.capability = Capability::Read;
    for (media, expected) in [
        ("image/png", vec!["reader"]),
        ("application/pdf; charset=binary", vec!["reader"]),
        ("audio/wav", vec![]),
        ("imagery/x", vec![]),
    ] {
        inputs.facts.media_type = Some(media.to_owned());
        assert_eq!(order(&inputs), expected, "{media}");
    }
    assert!(decide(&catalogue(), &inputs).reads_no_such_media());
}

#[test]
fn a_recorded_decision_replays_to_the_same_result() {
    let inputs = inputs("thrifty");
    let first = decide(&catalogue(), &inputs);
    let recorded = serde_json::to_string(&inputs).unwrap();
    let again: Inputs = serde_json::from_str(&recorded).unwrap();
    assert_eq!(decide(&catalogue(), &again), first);
}
