//! One table or property for each strategy.

use std::collections::{BTreeMap, BTreeSet};

use orrery_routing::bandit::Arm;
use orrery_routing::catalogue::Catalogue;
use orrery_routing::decide::{Decision, Dropped, Inputs, ModelHealth, Quota, decide};
use orrery_routing::statistics::{ModelStatistics, Quantiles, RouteStatistics, Statistics};
use orrery_types::UnixMillis;

use crate::fixture::{self, down};

const ROUNDS: u64 = 2_000;

fn order(decision: &Decision) -> Vec<&str> {
    decision.eligible().map(|candidate| candidate.model.as_str()).collect()
}

fn first_of(catalogue: &Catalogue, statistics: &Statistics, inputs: &Inputs) -> String {
    decide(catalogue, statistics, inputs).eligible().next().unwrap().model.clone()
}

/// How often each model comes first over many draws.
fn firsts(catalogue: &Catalogue, statistics: &Statistics, inputs: &Inputs) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for seed in 0..ROUNDS {
        *found.entry(first_of(catalogue, statistics, &Inputs { seed, ..inputs.clone() })).or_default() += 1;
    }
    found
}

fn latency(model: &str, p95_ms: u64, ttft_ms: u64) -> (String, ModelStatistics) {
    let quantiles = |ms| Quantiles { p50_ms: Some(ms), p95_ms: Some(ms), p99_ms: Some(ms) };
    let statistics = ModelStatistics { latency: quantiles(p95_ms), ttft: quantiles(ttft_ms), ..Default::default() };
    (model.to_owned(), statistics)
}

fn measured(models: impl IntoIterator<Item = (String, ModelStatistics)>) -> Statistics {
    Statistics { models: models.into_iter().collect(), ..Statistics::default() }
}

#[test]
fn plain_orders() {
    for (settings, expected) in [
        ("strategy = \"cheapest\"", ["cheap", "mid", "quick"]),
        ("strategy = \"fastest\"", ["quick", "mid", "cheap"]),
        ("strategy = \"ordered\"", ["cheap", "mid", "quick"]),
        ("strategy = \"balanced\"", ["quick", "mid", "cheap"]),
    ] {
        let catalogue = fixture::with_route(settings);
        let decision = decide(&catalogue, &Statistics::default(), &fixture::inputs(&catalogue, "r"));
        assert_eq!(order(&decision), expected, "{settings}");
    }
}

#[test]
fn a_model_that_fails_often_counts_as_slower() {
    let catalogue = fixture::with_route("strategy = \"fastest\"");
    let mut failing = latency("quick", 100, 50);
    failing.1.error_ppm = 950_000;
    let decision = decide(&catalogue, &measured([failing]), &fixture::inputs(&catalogue, "r"));
    assert_eq!(order(&decision), ["mid", "quick", "cheap"]);
}

#[test]
fn the_cheapest_within_the_objective_comes_first_and_late_ones_last_by_speed() {
    let late = [latency("cheap", 3_000, 700), latency("mid", 900, 600), latency("quick", 200, 100)];
    let table = [
        ("{ p95_ms = 1000 }", vec!["mid", "quick", "cheap"]),
        ("{ ttft_ms = 650 }", vec!["mid", "quick", "cheap"]),
        ("{ p95_ms = 5000, ttft_ms = 500 }", vec!["quick", "mid", "cheap"]),
        ("{ p95_ms = 5000 }", vec!["cheap", "mid", "quick"]),
        ("{ p95_ms = 10 }", vec!["quick", "mid", "cheap"]),
    ];
    for (slo, expected) in table {
        let catalogue = fixture::with_route(&format!("strategy.cheapest_within_slo = {slo}"));
        let decision = decide(&catalogue, &measured(late.clone()), &fixture::inputs(&catalogue, "r"));
        assert_eq!(order(&decision), expected, "{slo}");
    }
    let catalogue = fixture::with_route("strategy.cheapest_within_slo = { p95_ms = 1000 }");
    let decision = decide(&catalogue, &measured(late), &fixture::inputs(&catalogue, "r"));
    let reason = &decision.candidates.iter().find(|it| it.model == "cheap").unwrap().reason;
    assert_eq!(reason, "fallback 2, p95 of 3000 ms misses 1000 ms");
}

#[test]
fn nothing_beyond_the_budget_of_a_call_answers() {
    let catalogue = fixture::with_route("strategy.fastest_within_budget = { nanos = 1500 }");
    let decision = decide(&catalogue, &Statistics::default(), &fixture::inputs(&catalogue, "r"));
    assert_eq!(order(&decision), ["mid", "cheap"]);
    let quick = decision.candidates.iter().find(|it| it.model == "quick").unwrap();
    assert_eq!(quick.dropped, Some(Dropped::TooDear));
    assert_eq!(quick.reason, "can cost 10000 nanos, the route allows 1500");
}

#[test]
fn models_come_first_as_often_as_their_weights_say() {
    let catalogue = fixture::with_route("strategy.weighted = { cheap = 3, mid = 1, quick = 0 }");
    let inputs = fixture::inputs(&catalogue, "r");
    let found = firsts(&catalogue, &Statistics::default(), &inputs);
    assert!(found["cheap"].abs_diff(ROUNDS * 3 / 4) < ROUNDS / 25, "{found:?}");
    assert!(!found.contains_key("quick"), "{found:?}");
    let decision = decide(&catalogue, &Statistics::default(), &inputs);
    assert_eq!(order(&decision).last(), Some(&"quick"));
}

#[test]
fn a_session_stays_and_moves_only_when_its_model_is_down() {
    let catalogue = fixture::with_route("strategy = \"sticky\"");
    let none = Statistics::default();
    let mut spread = BTreeMap::<String, u64>::new();
    for session in 0..300u64 {
        let mut inputs = Inputs { seed: session, ..fixture::inputs(&catalogue, "r") };
        inputs.facts.session = format!("s{session}");
        let home = first_of(&catalogue, &none, &inputs);
        *spread.entry(home.clone()).or_default() += 1;
        inputs.seed = session + 7;
        assert_eq!(first_of(&catalogue, &none, &inputs), home, "chance has no part in it");
        let second = order(&decide(&catalogue, &none, &inputs))[1].to_owned();
        for model in ["cheap", "mid", "quick"] {
            let mut without = inputs.clone();
            without.health.insert(model.into(), down());
            let expected = if model == home { &second } else { &home };
            assert_eq!(&first_of(&catalogue, &none, &without), expected, "{session} without {model}");
        }
    }
    assert!(spread.len() == 3 && spread.values().all(|count| *count > 70), "{spread:?}");
    let mut elsewhere = fixture::inputs(&catalogue, "r");
    elsewhere.facts.session = String::new();
    assert_eq!(firsts(&catalogue, &none, &elsewhere).len(), 2, "without a session the load decides");
}

#[test]
fn of_two_drawn_the_less_loaded_comes_first() {
    let catalogue = fixture::with_route("strategy = \"least_loaded\"");
    let mut inputs = fixture::inputs(&catalogue, "r");
    let busy =
        |ms: u64, in_flight| ModelHealth { peak_ewma_ns: Some(ms * 1_000_000), in_flight, ..ModelHealth::default() };
    // 100 x 1, 60 x 4, 50 x 10: loads of 100, 240 and 500.
    inputs.health =
        [("cheap", busy(100, 0)), ("mid", busy(60, 3)), ("quick", busy(50, 9))].map(|(n, h)| (n.into(), h)).into();
    let found = firsts(&catalogue, &Statistics::default(), &inputs);
    // The least loaded wins whenever it is drawn, two times of three; the most loaded never.
    assert!(found["cheap"].abs_diff(ROUNDS * 2 / 3) < ROUNDS / 20, "{found:?}");
    assert_eq!(found.keys().collect::<Vec<_>>(), ["cheap", "mid"]);
}

#[test]
fn a_bandit_prefers_what_has_earned_most_and_still_tries_the_others() {
    let arms = |counts: [(&str, u64, u64); 3]| {
        let arm = |(name, pulls, micros): (&str, u64, u64)| {
            (name.to_owned(), Arm { pulls, reward_micros: micros * 1_000_000 })
        };
        let route = RouteStatistics { arms: counts.map(arm).into(), ..RouteStatistics::default() };
        Statistics { routes: [("r".to_owned(), route)].into(), ..Statistics::default() }
    };
    let known = arms([("cheap", 100, 20), ("mid", 100, 90), ("quick", 100, 50)]);
    let unsure = arms([("cheap", 3, 1), ("mid", 100, 60), ("quick", 100, 50)]);
    for algorithm in ["thompson", "ucb1"] {
        let catalogue = fixture::with_route(&format!("strategy.bandit = {{ algorithm = {algorithm:?} }}"));
        let inputs = fixture::inputs(&catalogue, "r");
        let found = firsts(&catalogue, &known, &inputs);
        assert!(found["mid"] > ROUNDS * 99 / 100, "{algorithm}: {found:?}");
        let found = firsts(&catalogue, &unsure, &inputs);
        assert!(found["cheap"] > ROUNDS / 20, "{algorithm}: {found:?}");
        let untried = firsts(&catalogue, &Statistics::default(), &inputs);
        assert_eq!(untried.len(), 3, "{algorithm}: {untried:?}");
    }
}

#[test]
fn a_model_without_quota_comes_after_all_others_until_its_renewal() {
    for strategy in ["balanced", "cheapest", "fastest", "ordered", "sticky", "least_loaded"] {
        let catalogue = fixture::with_route(&format!("strategy = {strategy:?}"));
        let mut inputs = fixture::inputs(&catalogue, "r");
        inputs.facts.session = "s".into();
        let first = first_of(&catalogue, &Statistics::default(), &inputs);
        let quota = Quota { requests: Some(5), tokens: Some(3), until: UnixMillis(inputs.at.0 + 1) };
        inputs.health.insert(first.clone(), ModelHealth { quota: Some(quota), ..ModelHealth::default() });
        let decision = decide(&catalogue, &Statistics::default(), &inputs);
        assert_eq!(order(&decision).last(), Some(&first.as_str()), "{strategy}");
        let last = decision.eligible().last().unwrap();
        assert!(last.reason.ends_with("its provider's rate limit leaves no room"), "{}", last.reason);
        inputs.at = quota.until;
        assert_eq!(first_of(&catalogue, &Statistics::default(), &inputs), first, "{strategy}");
    }
}

#[test]
fn quality_is_measured_before_declared_and_of_the_route_before_the_capability() {
    let catalogue = fixture::with_route("strategy = \"ordered\"\nquality_min = 0.5");
    let inputs = fixture::inputs(&catalogue, "r");
    let of = |entries: &[(&str, &str, u32)]| {
        let mut models = BTreeMap::<String, ModelStatistics>::new();
        for (model, of, milli) in entries {
            models.entry((*model).into()).or_default().quality_milli.insert((*of).into(), *milli);
        }
        order(&decide(&catalogue, &measured(models), &inputs)).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(of(&[]), ["mid", "quick"]);
    assert_eq!(of(&[("cheap", "chat", 700), ("mid", "chat", 100)]), ["cheap", "quick"]);
    assert_eq!(of(&[("cheap", "chat", 700), ("cheap", "r", 300)]), ["mid", "quick"]);
    let weak = decide(&catalogue, &Statistics::default(), &inputs);
    let weak = weak.candidates.iter().find(|it| it.model == "cheap").unwrap();
    assert_eq!(
        (weak.dropped, weak.reason.as_str()),
        (Some(Dropped::TooWeak), "its quality is 0.4, the route asks for 0.5")
    );
}

#[test]
fn fallbacks_follow_in_their_order_and_each_model_once() {
    let text = fixture::route_text("strategy = \"cheapest\"\nfallbacks = [\"spare\", \"new\"]")
        + "[[route]]\nname = \"spare\"\nmodels = [\"extra\", \"cheap\"]\nfallbacks = [\"last\"]\n\
           [[route]]\nname = \"last\"\nmodels = [\"late\"]\n"
        + &model("extra")
        + &model("late");
    let catalogue = fixture::catalogue(&text);
    let mut inputs = fixture::inputs(&catalogue, "r");
    let decision = decide(&catalogue, &Statistics::default(), &inputs);
    assert_eq!(order(&decision), ["cheap", "mid", "quick", "extra", "late", "new"]);
    let reasons: Vec<&str> = decision.eligible().map(|it| it.reason.as_str()).collect();
    assert_eq!(reasons[0], "best score");
    assert_eq!(reasons[3], "fallback 3 of route \"spare\"");
    inputs.health = ["cheap", "mid", "quick"].map(|name| (name.to_owned(), down())).into();
    assert_eq!(order(&decide(&catalogue, &Statistics::default(), &inputs)), ["extra", "late", "new"]);
}

fn model(name: &str) -> String {
    format!("[[model]]\nname = {name:?}\nprovider = \"local\"\ncapabilities = [\"chat\"]\ndata_classes = []\n")
}

#[test]
fn every_candidate_tells_what_its_score_was_made_from() {
    let strategies = [
        "strategy = \"balanced\"",
        "strategy = \"cheapest\"",
        "strategy = \"fastest\"",
        "strategy = \"ordered\"",
        "strategy = \"sticky\"",
        "strategy = \"least_loaded\"",
        "strategy.cheapest_within_slo = { p95_ms = 1 }",
        "strategy.fastest_within_budget = { nanos = 100000 }",
        "strategy.weighted = { cheap = 1, mid = 1, quick = 1 }",
        "strategy.cascade = {}",
        "strategy.ensemble = {}",
        "strategy.bandit = {}",
    ];
    for settings in strategies {
        let catalogue = fixture::with_route(settings);
        let decision = decide(&catalogue, &Statistics::default(), &fixture::inputs(&catalogue, "r"));
        assert_eq!(decision.eligible().count(), 3, "{settings}");
        assert!(decision.eligible().all(|it| !it.parts.is_empty() && !it.reason.is_empty()), "{settings}");
        let lines: BTreeSet<String> = decision.explain().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 3, "{settings}: {lines:?}");
    }
}
