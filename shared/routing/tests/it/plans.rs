//! What is done with the candidates: canaries, copies, ensembles, cascades, second attempts.

use orrery_routing::canary::{CanaryStanding, Tally};
use orrery_routing::catalogue::Catalogue;
use orrery_routing::decide::{Course, Decision, Dropped, Inputs, ModelHealth, PolicyAnswer, decide};
use orrery_routing::statistics::{ModelStatistics, RouteStatistics, Statistics};
use orrery_types::Nanos;

use crate::fixture::{self, down};

fn order(decision: &Decision) -> Vec<&str> {
    decision.eligible().map(|candidate| candidate.model.as_str()).collect()
}

fn decided(catalogue: &Catalogue, change: impl FnOnce(&mut Inputs)) -> Decision {
    let mut inputs = fixture::inputs(catalogue, "r");
    change(&mut inputs);
    decide(catalogue, &Statistics::default(), &inputs)
}

fn deny(inputs: &mut Inputs, model: &str) {
    let answer = PolicyAnswer { allowed: false, policies: vec!["home".into()], reason: "forbidden by home".into() };
    inputs.policies.insert(model.into(), answer);
}

fn route_statistics(route: RouteStatistics) -> Statistics {
    Statistics { routes: [("r".to_owned(), route)].into(), ..Statistics::default() }
}

const CANARY: &str = "strategy = \"ordered\"\ncanary = { model = \"new\", percent = 20 }";

#[test]
fn a_canary_takes_its_share_of_keys_and_always_the_same() {
    let catalogue = fixture::with_route(CANARY);
    let goes = |principal: u32, seed: u64| {
        let decision = decided(&catalogue, |inputs| {
            inputs.facts.principal = format!("p{principal}");
            inputs.seed = seed;
        });
        let taken = order(&decision)[0] == "new";
        let rest = ["cheap", "mid", "quick"];
        assert_eq!(order(&decision)[usize::from(taken)..], rest, "the others keep their order");
        taken
    };
    let taken = (0..1000).filter(|principal| goes(*principal, 1)).count();
    assert!((160..240).contains(&taken), "{taken}");
    assert!((0..200).all(|principal| goes(principal, 1) == goes(principal, 99)));
}

#[test]
fn a_canary_is_subject_to_policies_and_to_its_own_halt() {
    let catalogue = fixture::with_route("strategy = \"ordered\"\ncanary = { model = \"new\", percent = 100 }");
    assert_eq!(order(&decided(&catalogue, |_| {}))[0], "new");
    let denied = decided(&catalogue, |inputs| deny(inputs, "new"));
    assert_eq!(order(&denied), ["cheap", "mid", "quick"]);
    let standing = CanaryStanding {
        canary: Tally { calls: 100, errors: 50, latency_ms: 100 },
        baseline: Tally { calls: 100, errors: 1, latency_ms: 100 },
        halted: None,
    };
    let statistics = route_statistics(RouteStatistics { canary: standing, ..RouteStatistics::default() });
    let halted = decide(&catalogue, &statistics, &fixture::inputs(&catalogue, "r"));
    assert_eq!(order(&halted), ["cheap", "mid", "quick"]);
    let new = halted.candidates.iter().find(|it| it.model == "new").unwrap();
    assert_eq!(new.dropped, Some(Dropped::NotAsked));
    assert!(new.reason.contains("50.0 % of its 100 calls failed"), "{}", new.reason);
    assert_eq!(halted.plan.notes, std::slice::from_ref(&new.reason));
}

#[test]
fn a_shadow_gets_its_share_never_answers_and_sees_no_more_than_it_may() {
    let catalogue = fixture::with_route("strategy = \"ordered\"\nshadow = { model = \"new\", share = 0.3 }");
    let copied = (0..1000).filter(|seed| decided(&catalogue, |it| it.seed = *seed).plan.shadow.is_some()).count();
    assert!((250..350).contains(&copied), "{copied}");

    let always = fixture::with_route(
        "strategy = \"ordered\"\nshadow = { model = \"new\", share = 1, tenant_nanos_max = 50, nanos_per_day = 1000 }",
    );
    let decision = decided(&always, |_| {});
    assert_eq!(order(&decision), ["cheap", "mid", "quick"]);
    let shadow = decision.plan.shadow.unwrap();
    assert_eq!((shadow.model.as_str(), shadow.price_ceiling.get(), shadow.tenant_nanos_max.get()), ("new", 200, 50));
    let denied = decided(&always, |inputs| deny(inputs, "new"));
    assert_eq!((denied.plan.shadow, denied.plan.notes), (None, vec!["no copy to new: forbidden by home".to_owned()]));

    let spent = |nanos| {
        let shadow_spent = Nanos::new(nanos).unwrap();
        let statistics = route_statistics(RouteStatistics { shadow_spent, ..RouteStatistics::default() });
        decide(&always, &statistics, &fixture::inputs(&always, "r")).plan.shadow
    };
    assert!(spent(800).is_some());
    assert_eq!(spent(801), None, "the day's allowance is a limit");
}

#[test]
fn the_default_shadow_costs_the_tenant_nothing() {
    let catalogue = fixture::with_route("shadow = { model = \"new\", share = 1 }");
    assert_eq!(decided(&catalogue, |_| {}).plan.shadow.unwrap().tenant_nanos_max, Nanos::ZERO);
}

fn ensemble(decision: &Decision) -> Option<&orrery_routing::decide::EnsemblePlan> {
    match &decision.plan.course {
        Course::Ensemble(plan) => Some(plan),
        _ => None,
    }
}

#[test]
fn an_ensemble_is_held_with_whoever_can_while_the_quorum_can_be_reached() {
    let catalogue = fixture::with_route("strategy.ensemble = { quorum = 2, required = [\"mid\"] }");
    let whole = decided(&catalogue, |_| {});
    let plan = ensemble(&whole).unwrap();
    assert_eq!((plan.members.clone(), plan.quorum), (["cheap", "mid", "quick"].map(String::from).to_vec(), 2));
    assert_eq!(plan.price_ceiling.get(), 100 + 1_000 + 10_000);

    let two = decided(&catalogue, |inputs| drop(inputs.health.insert("cheap".into(), down())));
    assert_eq!(ensemble(&two).unwrap().members, ["mid", "quick"]);

    type Change = fn(&mut Inputs);
    let table: [(Change, &str); 3] = [
        (
            |it| it.health = ["cheap", "quick"].map(|name| (name.into(), down())).into(),
            "1 answers can be had, 2 are needed",
        ),
        (|it| deny(it, "mid"), "mid cannot answer and is required"),
        (|it| it.facts.cost_nanos_max = 11_000, "it can cost 11100 nanos, the call allows 11000"),
    ];
    for (change, why) in table {
        let decision = decided(&catalogue, change);
        assert_eq!(decision.plan.course, Course::First, "{why}");
        assert_eq!(decision.plan.notes, [format!("no ensemble, the first answer counts: {why}")]);
        assert!(decision.eligible().next().is_some(), "{why}");
    }
}

#[test]
fn whoever_combines_passes_every_check_and_is_paid_for_all_it_is_shown() {
    let settings = "strategy.ensemble = { samples = 2, answer_bytes_max = 100, combine.best_of_n = { judge = \"new\", output_tokens = 5 } }";
    let catalogue = fixture::with_route(settings);
    let decision = decided(&catalogue, |_| {});
    let plan = ensemble(&decision).unwrap();
    let (judge, cost) = plan.combiner.clone().unwrap();
    assert_eq!((judge.as_str(), cost.get(), plan.quorum), ("new", 5 * 20, 4));
    assert_eq!(plan.price_ceiling.get(), 2 * 11_100 + 100);
    assert_eq!(order(&decision), ["cheap", "mid", "quick"], "a judge does not answer");

    let read = fixture::route_text(settings).replace("price = { output_token = 20 }", "price = { input_token = 1 }");
    let read = fixture::catalogue(&read);
    let (_, cost) = ensemble(&decided(&read, |_| {})).unwrap().combiner.clone().unwrap();
    let prompt = "You are shown a conversation and numbered answers to it. Reply with the number of the best answer and \
                  nothing else.";
    let shown = 40 + 6 * 100 + prompt.len() as u64;
    assert_eq!(cost.get(), shown + (1 + 6 + 1) * 8);

    let denied = decided(&catalogue, |inputs| deny(inputs, "new"));
    assert_eq!(denied.plan.notes, ["no ensemble, the first answer counts: new cannot combine: forbidden by home"]);
    assert!(!denied.denied_by_policy());
}

#[test]
fn a_cascade_has_as_many_stages_as_the_call_can_pay_for() {
    let catalogue = fixture::with_route("strategy.cascade = {}\nfallbacks = [\"new\"]");
    let stages = |decision: &Decision| match &decision.plan.course {
        Course::Cascade(plan) => (plan.stages.clone(), plan.price_ceiling.get()),
        other => panic!("{other:?}"),
    };
    let all = decided(&catalogue, |_| {});
    assert_eq!(stages(&all), (["cheap", "mid", "quick"].map(String::from).to_vec(), 11_100));
    assert_eq!(order(&all), ["cheap", "mid", "quick", "new"]);
    let some = decided(&catalogue, |inputs| inputs.facts.cost_nanos_max = 10_500);
    assert_eq!(stages(&some), (["cheap", "mid"].map(String::from).to_vec(), 1_100));
    assert_eq!(order(&some), ["cheap", "mid", "new"]);
    let quick = some.candidates.last().unwrap();
    assert_eq!((quick.model.as_str(), quick.dropped), ("quick", Some(Dropped::TooDear)));
    assert_eq!(quick.reason, "with the stages before it can cost 11100 nanos, the call allows 10500");
}

#[test]
fn a_second_attempt_comes_after_the_measured_time_when_it_can_be_paid() {
    let catalogue = fixture::with_route("strategy = \"ordered\"\nhedge = { after = \"p95\", share_max = 0.1 }");
    let unknown = decided(&catalogue, |_| {});
    assert_eq!(unknown.plan.hedge, None);
    assert_eq!(unknown.plan.notes, ["not hedged: too little is known of how long cheap takes"]);
    let mut statistics = Statistics::default();
    let mut cheap = ModelStatistics::default();
    cheap.latency.p95_ms = Some(1234);
    statistics.models.insert("cheap".into(), cheap);
    let mut inputs = fixture::inputs(&catalogue, "r");
    let hedge = decide(&catalogue, &statistics, &inputs).plan.hedge.unwrap();
    assert_eq!((hedge.after_ms, hedge.model.as_str(), hedge.share_max), (1234, "mid", 0.1));
    inputs.facts.cost_nanos_max = 1_099;
    let poor = decide(&catalogue, &statistics, &inputs).plan;
    assert_eq!(poor.hedge, None);
    assert_eq!(poor.notes, ["not hedged: two attempts can cost 1100 nanos, the call allows 1099"]);
    inputs.facts.cost_nanos_max = 0;
    inputs.health = ["mid", "quick"].map(|name| (name.to_owned(), down())).into();
    assert_eq!(decide(&catalogue, &statistics, &inputs).plan.hedge, None, "nobody is left for it");
    let fixed = fixture::with_route("strategy = \"ordered\"\nhedge = { after = 70 }");
    assert_eq!(decided(&fixed, |_| {}).plan.hedge.unwrap().after_ms, 70);
}

#[test]
fn what_comes_last_and_how_often_is_tried_is_told() {
    let settings = "retry = { attempts = 2 }\nlast_resort = { cached_answer = true, human_task = \"by-hand\" }";
    let catalogue = fixture::with_route(settings);
    let plan = decided(&catalogue, |inputs| {
        inputs.health = ["cheap", "mid", "quick"].map(|name| (name.into(), down())).into();
    })
    .plan;
    assert_eq!((plan.retry.attempts, plan.last_resort.cached_answer), (2, true));
    assert_eq!(plan.last_resort.human_task.as_deref(), Some("by-hand"));
    let usual = decide(&catalogue, &Statistics::default(), &fixture::inputs(&catalogue, "mid")).plan;
    assert_eq!((usual.retry.attempts, usual.last_resort.cached_answer), (4, false));
}

#[test]
fn measured_health_beats_statistics_and_those_the_catalogue() {
    let catalogue = fixture::with_route("strategy = \"fastest\"");
    let mut statistics = Statistics::default();
    let mut quick = ModelStatistics::default();
    quick.latency.p50_ms = Some(5_000);
    statistics.models.insert("quick".into(), quick);
    let mut inputs = fixture::inputs(&catalogue, "r");
    assert_eq!(order(&decide(&catalogue, &statistics, &inputs)), ["mid", "cheap", "quick"]);
    inputs.health.insert("quick".into(), ModelHealth { latency_ms: Some(10), ..ModelHealth::default() });
    assert_eq!(order(&decide(&catalogue, &statistics, &inputs)), ["quick", "mid", "cheap"]);
}
