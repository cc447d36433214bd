//! R-5: a record, the catalogue and the statistics that it names give the same decision again, whatever they are.

use std::collections::BTreeMap;

use orrery_routing::bandit::Arm;
use orrery_routing::canary::{CanaryStanding, Tally};
use orrery_routing::catalogue::Catalogue;
use orrery_routing::decide::{Inputs, ModelHealth, PolicyAnswer, Quota, ReplayError, decide, record, replay};
use orrery_routing::statistics::{ModelStatistics, Quantiles, RouteStatistics, Statistics};
use orrery_types::{Nanos, Sha256Digest, UnixMillis};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::fixture;

const STRATEGIES: [&str; 17] = [
    "strategy = \"balanced\"",
    "strategy = \"cheapest\"",
    "strategy = \"fastest\"",
    "strategy = \"ordered\"",
    "strategy = \"sticky\"",
    "strategy = \"least_loaded\"",
    "strategy.cheapest_within_slo = { p95_ms = 900, ttft_ms = 300 }",
    "strategy.fastest_within_budget = { nanos = 5000 }",
    "strategy.weighted = { cheap = 5, mid = 2, quick = 1 }",
    "strategy.bandit = {}",
    "strategy.bandit = { algorithm = \"ucb1\" }",
    "strategy.cascade = { threshold = 0.6 }",
    "strategy.ensemble = { quorum = 1 }",
    "strategy.ensemble.combine.best_of_n = { judge = \"new\" }",
    "strategy.ensemble = { members = [\"mid\", \"quick\"], samples = 2, combine.mixture = { aggregator = \"cheap\" } }",
    "strategy = \"least_loaded\"\ncanary = { model = \"new\", percent = 50, key = \"session\" }",
    "strategy = \"fastest\"\ncanary = { model = \"new\", percent = 100 }",
];
const COMPANIONS: [&str; 5] = [
    "",
    "shadow = { model = \"new\", share = 0.5 }",
    "hedge = { after = \"p95\" }\nfallbacks = [\"new\"]",
    "hedge = { after = 100 }\nquality_min = 0.5",
    "last_resort = { cached_answer = true }\nretry = { attempts = 2 }\nshadow = { model = \"mid\", share = 1 }",
];

fn catalogues() -> impl Strategy<Value = Catalogue> {
    let numbers = prop::array::uniform4((0u64..2_000, 1u64..3_000));
    (select(&STRATEGIES[..]), select(&COMPANIONS[..]), numbers).prop_map(|(strategy, companion, numbers)| {
        let mut text = fixture::route_text(&format!("{strategy}\n{companion}"));
        // A `[route.…]` header would swallow what follows, so strategies are dotted keys throughout.
        for ((price, latency), (old_price, old_latency)) in
            numbers.iter().zip([(10, 2000), (100, 800), (1000, 100), (20, 500)])
        {
            text = text.replace(
                &format!("price = {{ output_token = {old_price} }}"),
                &format!("price = {{ input_token = 3, output_token = {price} }}"),
            );
            text = text.replace(&format!("latency_ms = {old_latency}\n"), &format!("latency_ms = {latency}\n"));
        }
        fixture::catalogue(&text)
    })
}

fn healths() -> impl Strategy<Value = ModelHealth> {
    let quota = (prop::option::of(0u64..3), prop::option::of(0u64..100), 999_000u64..1_001_000)
        .prop_map(|(requests, tokens, until)| Quota { requests, tokens, until: UnixMillis(until) });
    let some = (
        prop::option::weighted(0.2, "it rests [a-z]{3}"),
        prop::option::of(0u64..5_000),
        prop::option::of(0u64..1 << 40),
        0u32..50,
        prop::option::weighted(0.3, quota),
    );
    some.prop_map(|(unavailable, latency_ms, peak_ewma_ns, in_flight, quota)| ModelHealth {
        unavailable,
        latency_ms,
        peak_ewma_ns,
        in_flight,
        quota,
    })
}

fn statistics() -> impl Strategy<Value = Statistics> {
    let quantiles = || prop::array::uniform3(prop::option::of(0u64..4_000));
    let quantiles = || quantiles().prop_map(|[p50_ms, p95_ms, p99_ms]| Quantiles { p50_ms, p95_ms, p99_ms });
    let model = (quantiles(), quantiles(), 0u32..1_000_001, prop::option::of(0u32..1_001)).prop_map(
        |(latency, ttft, error_ppm, quality)| ModelStatistics {
            latency,
            ttft,
            error_ppm,
            quality_milli: quality.map(|milli| ("chat".to_owned(), milli)).into_iter().collect(),
        },
    );
    let arm = (0u64..1_000, 0u64..1_000_001).prop_map(|(pulls, mean)| Arm { pulls, reward_micros: pulls * mean });
    let tally = || (0u64..200, 0u64..200, 0u64..100_000);
    let tally =
        || tally().prop_map(|(calls, errors, latency_ms)| Tally { calls, errors: errors.min(calls), latency_ms });
    let names = ["cheap", "mid", "quick", "new"].map(String::from).to_vec();
    let arms = prop::collection::btree_map(select(names.clone()), arm, 0..4);
    let route =
        (arms, tally(), tally(), 0u64..2_000_000_000).prop_map(|(arms, canary, baseline, spent)| RouteStatistics {
            arms,
            canary: CanaryStanding { canary, baseline, halted: None },
            shadow_spent: Nanos::new(spent).unwrap(),
        });
    (any::<u64>(), prop::collection::btree_map(select(names), model, 0..4), prop::option::of(route)).prop_map(
        |(revision, models, route)| Statistics {
            revision,
            models,
            routes: route.map(|route| ("r".to_owned(), route)).into_iter().collect(),
        },
    )
}

#[derive(Debug, Clone)]
struct Chance {
    seed: u64,
    session: String,
    cost_nanos_max: u64,
    model: Index,
    /// By the place of the model in the catalogue.
    health: BTreeMap<usize, ModelHealth>,
    denied: u8,
}

fn chances() -> impl Strategy<Value = Chance> {
    let health = prop::collection::btree_map(0usize..4, healths(), 0..5);
    let limit = prop_oneof![Just(0u64), 0u64..30_000];
    (any::<u64>(), "(s[0-9]{0,2})?", limit, any::<Index>(), health, any::<u8>()).prop_map(
        |(seed, session, cost_nanos_max, model, health, denied)| Chance {
            seed,
            session,
            cost_nanos_max,
            model,
            health,
            denied,
        },
    )
}

fn inputs(catalogue: &Catalogue, statistics: &Statistics, chance: Chance) -> Inputs {
    let names: Vec<&String> = catalogue.models.keys().collect();
    let asked = ["r", "r", "r", "r", "auto", "mid", "unheard-of"];
    let mut inputs = fixture::inputs(catalogue, chance.model.get::<&str>(&asked));
    inputs.seed = chance.seed;
    inputs.facts.session = chance.session;
    inputs.facts.cost_nanos_max = chance.cost_nanos_max;
    inputs.statistics_revision = statistics.revision;
    inputs.health = chance.health.into_iter().map(|(index, health)| (names[index].clone(), health)).collect();
    for (index, name) in names.iter().enumerate() {
        // Two bits a model: three of four may.
        if (chance.denied >> (2 * index)) & 3 == 0 {
            let reason = "forbidden by home".to_owned();
            inputs
                .policies
                .insert((*name).clone(), PolicyAnswer { allowed: false, policies: vec!["home".into()], reason });
        }
    }
    inputs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn any_recorded_decision_is_made_again(catalogue in catalogues(), statistics in statistics(), chance in chances()) {
        let inputs = inputs(&catalogue, &statistics, chance);
        let made = decide(&catalogue, &statistics, &inputs);
        let kept = record(inputs.clone(), &catalogue).unwrap();
        let published: Statistics = serde_json::from_str(&serde_json::to_string(&statistics).unwrap()).unwrap();
        let again = replay(&kept, &catalogue, &published).unwrap();
        // Policies and health of models that were not asked for are in no record; they are told by name alone.
        prop_assert_eq!(&again, &made);

        // Whatever was decided, nobody answers, combines or gets a copy who may not.
        for candidate in made.candidates.iter().filter(|it| it.dropped.is_none()) {
            prop_assert!(inputs.policies[&candidate.model].allowed);
        }
        if let Some(shadow) = &made.plan.shadow {
            prop_assert!(inputs.policies[&shadow.model].allowed);
        }
        let first = made.candidates.iter().take_while(|it| it.dropped.is_none()).count();
        prop_assert!(made.candidates[first..].iter().all(|it| it.dropped.is_some()), "dropped ones stand last");
        prop_assert!(made.candidates.iter().all(|it| it.score.is_finite()));
    }
}

#[test]
fn a_record_is_small() {
    let catalogue = fixture::with_route("strategy = \"least_loaded\"");
    let mut inputs = fixture::inputs(&catalogue, "r");
    inputs.seed = u64::MAX;
    inputs
        .health
        .insert("mid".into(), ModelHealth { in_flight: 3, peak_ewma_ns: Some(1_000_000), ..Default::default() });
    inputs.health.insert("quick".into(), ModelHealth::default());
    let kept = record(inputs.clone(), &catalogue).unwrap();
    assert!(kept.len() < 480, "{} bytes: {kept}", kept.len());
    assert!(!kept.contains("new") && !kept.contains("\"quick\":"), "{kept}");
}

#[test]
fn a_record_names_what_it_was_made_from() {
    let (catalogue, other) = (fixture::with_route(""), fixture::with_route("strategy = \"cheapest\""));
    let kept = record(fixture::inputs(&catalogue, "r"), &catalogue).unwrap();
    let none = Statistics::default();
    assert!(replay(&kept, &catalogue, &none).is_ok());
    let error = replay(&kept, &other, &none).unwrap_err();
    assert!(matches!(error, ReplayError::OtherCatalogue { given, .. } if given == other.digest), "{error}");
    let error = replay(&kept, &catalogue, &Statistics { revision: 3, ..none.clone() }).unwrap_err();
    assert!(matches!(error, ReplayError::OtherStatistics { wanted: 0, given: 3 }), "{error}");
    assert!(matches!(replay("{}", &catalogue, &none), Err(ReplayError::Unreadable(_))));
    assert_ne!(catalogue.digest, Sha256Digest::of(b""));
}
