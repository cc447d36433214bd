//! Routes in the catalogue: all settings read, and every fault is named with its remedy.

use orrery_routing::catalogue::Strategy;
use orrery_routing::catalogue::route::{BanditAlgorithm, Combine, HedgeAfter, Quantile, Signal};
use orrery_routing::catalogue_file::{CatalogueError, parse};

use crate::fixture;

fn faults(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => panic!("it was accepted: {text}"),
        Err(CatalogueError::Faults(faults)) => faults,
        Err(CatalogueError::Syntax(fault)) => vec![fault],
    }
}

#[test]
fn every_setting_of_a_route_reads() {
    let strategy = |text: &str| fixture::with_route(text).routes["r"].strategy.clone();
    for name in ["balanced", "cheapest", "fastest", "ordered", "sticky", "least_loaded"] {
        assert_eq!(strategy(&format!("strategy = {name:?}")).as_str(), name);
    }
    assert!(matches!(
        strategy("strategy.cheapest_within_slo = { p95_ms = 800 }"),
        Strategy::CheapestWithinSlo(slo) if slo.p95_ms == Some(800) && slo.ttft_ms.is_none()
    ));
    assert!(matches!(
        strategy("strategy.fastest_within_budget = { nanos = 5 }"),
        Strategy::FastestWithinBudget(budget) if budget.nanos == 5
    ));
    let weights = strategy("strategy.weighted = { cheap = 3, mid = 1, quick = 0 }");
    assert!(matches!(weights, Strategy::Weighted(weights) if weights["cheap"] == 3));
    let Strategy::Cascade(cascade) =
        strategy("strategy.cascade = { thresholds = { mid = 0.9 }, signals = [\"schema\"] }")
    else {
        panic!("another strategy");
    };
    assert_eq!((cascade.threshold_of("cheap"), cascade.threshold_of("mid")), (0.7, 0.9));
    assert_eq!(cascade.signals, [Signal::Schema]);
    let Strategy::Ensemble(ensemble) = strategy(
        "[route.strategy.ensemble]\nmembers = [\"cheap\", \"mid\"]\nquorum = 1\ncombine.best_of_n = { judge = \"quick\" }",
    ) else {
        panic!("another strategy");
    };
    assert!(matches!(ensemble.combine, Combine::BestOfN(judge) if judge.judge == "quick" && !judge.prompt.is_empty()));
    assert!(matches!(
        strategy("strategy.bandit = { algorithm = \"ucb1\" }"),
        Strategy::Bandit(bandit) if bandit.algorithm == BanditAlgorithm::Ucb1
    ));
    let text = "fallbacks = [\"new\"]\nquality_min = 0.5\ncanary = { model = \"new\", percent = 5 }\n\
                shadow = { model = \"new\", share = 0.1 }\nhedge = { after = \"p95\" }\nretry = { attempts = 2 }\n\
                last_resort = { cached_answer = true, human_task = \"answer-by-hand\" }";
    let route = fixture::with_route(text).routes["r"].clone();
    assert_eq!(route.hedge.unwrap().after, HedgeAfter::Quantile(Quantile::P95));
    assert_eq!((route.retry.attempts, route.retry.budget_percent), (2, 20));
    assert_eq!(route.last_resort.human_task.as_deref(), Some("answer-by-hand"));
    let hedge = fixture::with_route("hedge = { after = 250 }").routes["r"].hedge.unwrap();
    assert_eq!((hedge.after, hedge.share_max), (HedgeAfter::Ms(250), 0.05));
}

#[test]
fn every_fault_of_a_route_is_named() {
    let table = [
        ("fallbacks = [\"ghost\"]", "no model or route \"ghost\""),
        ("fallbacks = [\"r\"]", "lead back to it"),
        ("strategy.cheapest_within_slo = {}", "needs p95_ms, ttft_ms or both"),
        ("strategy.fastest_within_budget = { nanos = 0 }", "nanos above 0"),
        ("strategy.weighted = { cheap = 0, mid = 0, quick = 0 }", "at least one weight"),
        ("strategy.weighted = { cheap = 1, mid = 1 }", "\"quick\" has no weight"),
        ("strategy.weighted = { cheap = 1, mid = 1, quick = 1, new = 1 }", "\"new\" is not among its models"),
        ("strategy.cascade = { threshold = 1.5 }", "thresholds lie between"),
        ("strategy.cascade = { signals = [] }", "at least one of the signals"),
        ("strategy.ensemble = { members = [\"cheap\"] }", "one answer is no ensemble"),
        ("strategy.ensemble = { members = [\"cheap\", \"cheap\"] }", "raise samples instead"),
        ("strategy.ensemble = { quorum = 4 }", "above the 3 answers"),
        ("strategy.ensemble = { required = [\"new\"] }", "\"new\" is not a member"),
        ("strategy.ensemble = { samples = 99 }", "between 1 and 16"),
        ("strategy.ensemble.combine.best_of_n = { judge = \"ghost\" }", "there is no model \"ghost\""),
        ("strategy.bandit = { reward = { quality = -1.0 } }", "weights lie between"),
        ("canary = { model = \"cheap\", percent = 5 }", "already among the models"),
        ("canary = { model = \"new\", percent = 101 }", "percent lies between"),
        ("strategy = { cascade = {} }\ncanary = { model = \"new\", percent = 1 }", "use a shadow"),
        ("shadow = { model = \"new\", share = 2 }", "share lies between"),
        ("quality_min = 2", "quality_min lies between"),
        ("hedge = { after = 0 }", "at least 1 ms"),
        ("hedge = { after = \"p42\" }", "\"p50\", \"p95\", \"p99\" or a number"),
        ("retry = { attempts = 0 }", "attempts lies between"),
        ("last_resort = { human_task = \" \" }", "names a workflow"),
        ("strategy = \"cheapst\"", "cheapst"),
    ];
    for (settings, part) in table {
        let found = faults(&fixture::route_text(settings));
        assert!(found.iter().any(|fault| fault.contains(part)), "{settings}: {part:?} is not in {found:#?}");
    }
}

#[test]
fn faults_of_models_are_named() {
    let table = [
        ("quality = { chat = 0.4 }", "quality = { chat = 4 }", "quality of \"chat\" must lie between 0 and 1"),
        ("price = { output_token = 10 }", "price = []", "empty list"),
        (
            "price = { output_token = 10 }",
            "price = [{}, { valid_from = 2026-01-01T00:00:00Z, reasoning_token = 99999999 }]",
            "nano-units per token",
        ),
    ];
    for (before, after, part) in table {
        let found = faults(&fixture::THREE.replace(before, after));
        assert!(found.iter().any(|fault| fault.contains(part)), "{after}: {found:#?}");
    }
}

#[test]
fn the_digest_changes_with_a_route_and_with_a_later_price() {
    let digest = |text: &str| parse(text).unwrap().digest;
    let (a, b) = (fixture::route_text("hedge = { after = 250 }"), fixture::route_text("hedge = { after = 251 }"));
    assert_ne!(digest(&a), digest(&b));
    let later = |time: &str| {
        let list = format!("price = [{{}}, {{ valid_from = {time}, output_token = 1 }}]");
        digest(&fixture::THREE.replace("price = { output_token = 10 }", &list))
    };
    assert_ne!(later("2026-01-01T00:00:00Z"), later("2026-01-01T00:00:01Z"));
    assert_eq!(later("2026-01-01T00:00:00Z"), later("2026-01-01T01:00:00+01:00"));
}
