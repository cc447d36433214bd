//! Whether routes make sense: names that resolve, numbers within their bounds, fallbacks that end.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::route::{Bandit, Combine, Ensemble, HedgeAfter, Slo};
use crate::catalogue::{CacheRules, Capability, Model, Route, Strategy};

/// Answers of each member of an ensemble.
const SAMPLES_MAX: u32 = 16;
/// Members of an ensemble.
const MEMBERS_MAX: usize = 16;
/// Attempts of one call.
const ATTEMPTS_MAX: u32 = 10;

/// Adds every fault of every route.
pub(super) fn check(routes: &BTreeMap<String, Route>, models: &BTreeMap<String, Model>, faults: &mut Vec<String>) {
    for route in routes.values() {
        let mut found = Faults { route: &route.name, models, faults };
        found.names(route, routes);
        found.strategy(route);
        found.companions(route);
        found.limits(route);
        route.cache.iter().flat_map(CacheRules::faults).for_each(|fault| found.add(fault));
    }
}

struct Faults<'a> {
    route: &'a str,
    models: &'a BTreeMap<String, Model>,
    faults: &'a mut Vec<String>,
}

impl Faults<'_> {
    fn add(&mut self, fault: impl std::fmt::Display) {
        self.faults.push(format!("route {:?}: {fault}", self.route));
    }

    fn unless(&mut self, good: bool, fault: impl std::fmt::Display) {
        if !good {
            self.add(fault);
        }
    }

    fn model(&mut self, field: &str, name: &str) {
        if !self.models.contains_key(name) {
            self.add(format!("{field}there is no model {name:?}"));
        }
    }

    fn names(&mut self, route: &Route, routes: &BTreeMap<String, Route>) {
        if self.models.contains_key(&route.name) {
            self.faults.push(format!("route {:?} has the name of a model", route.name));
        }
        if route.models.is_empty() {
            self.faults.push(format!("route {:?} lists no models", route.name));
        }
        for (place, model) in route.models.iter().enumerate() {
            self.model("", model);
            let before = route.models.iter().take(place).any(|other| other == model);
            self.unless(!before, format!("model {model:?} stands twice"));
        }
        for fallback in &route.fallbacks {
            let known = self.models.contains_key(fallback) || routes.contains_key(fallback);
            self.unless(known, format!("fallbacks: there is no model or route {fallback:?}"));
        }
        if leads_back(route, routes) {
            self.add("its fallbacks lead back to it; take one of them out of the circle");
        }
    }

    fn strategy(&mut self, route: &Route) {
        match &route.strategy {
            Strategy::Balanced
            | Strategy::Cheapest
            | Strategy::Fastest
            | Strategy::Ordered
            | Strategy::Sticky
            | Strategy::LeastLoaded => {}
            Strategy::CheapestWithinSlo(slo) => {
                self.unless(*slo != Slo::default(), "cheapest_within_slo needs p95_ms, ttft_ms or both");
            }
            Strategy::FastestWithinBudget(budget) => {
                self.unless(budget.nanos > 0, "fastest_within_budget needs nanos above 0");
            }
            Strategy::Weighted(weights) => {
                self.listed("weighted", route, weights.keys());
                self.unless(weights.values().any(|weight| *weight > 0), "weighted: give at least one weight above 0");
                for model in route.models.iter().filter(|model| !weights.contains_key(*model)) {
                    self.add(format!("weighted: {model:?} has no weight; give it 0 to use it last only"));
                }
            }
            Strategy::Cascade(cascade) => {
                self.listed("cascade.thresholds", route, cascade.thresholds.keys());
                let mut all = cascade.thresholds.values().chain([&cascade.threshold]);
                self.unless(all.all(|it| (0.0..=1.0).contains(it)), "cascade: thresholds lie between 0 and 1");
                self.unless(!cascade.signals.is_empty(), "cascade: name at least one of the signals");
            }
            Strategy::Ensemble(ensemble) => self.ensemble(route, ensemble),
            Strategy::Bandit(Bandit { reward, .. }) => {
                let weights = [reward.quality, reward.cost, reward.latency];
                let good =
                    weights.iter().all(|weight| (0.0..=1e6).contains(weight)) && weights.iter().sum::<f64>() > 0.0;
                self.unless(good, "bandit.reward: weights lie between 0 and 1e6, at least one above 0");
                let halves = reward.cost_half_nanos > 0 && reward.latency_half_ms > 0;
                self.unless(halves, "bandit.reward: cost_half_nanos and latency_half_ms are above 0");
            }
        }
    }

    fn listed<'n>(&mut self, field: &str, route: &Route, names: impl Iterator<Item = &'n String>) {
        for name in names.filter(|name| !route.models.contains(name)) {
            self.add(format!("{field}: {name:?} is not among its models"));
        }
    }

    fn ensemble(&mut self, route: &Route, ensemble: &Ensemble) {
        self.listed("ensemble.members", route, ensemble.members.iter());
        let members = if ensemble.members.is_empty() { &route.models } else { &ensemble.members };
        let distinct: BTreeSet<&String> = members.iter().collect();
        self.unless(distinct.len() == members.len(), "ensemble.members: a member stands twice; raise samples instead");
        self.unless(members.len() <= MEMBERS_MAX, format!("ensemble: at most {MEMBERS_MAX} members"));
        let samples = (1..=SAMPLES_MAX).contains(&ensemble.samples);
        self.unless(samples, format!("ensemble.samples lies between 1 and {SAMPLES_MAX}"));
        let answers = members.len().saturating_mul(ensemble.samples as usize);
        self.unless(answers > 1, "ensemble: one answer is no ensemble; name two members or raise samples");
        self.unless(ensemble.quorum as usize <= answers, format!("ensemble.quorum is above the {answers} answers"));
        for name in ensemble.required.iter().filter(|name| !members.contains(name)) {
            self.add(format!("ensemble.required: {name:?} is not a member"));
        }
        let combiner = match &ensemble.combine {
            Combine::Vote => return,
            Combine::BestOfN(judge) => {
                self.unless(judge.output_tokens > 0, "ensemble.combine: the judge needs output_tokens above 0");
                &judge.judge
            }
            Combine::Mixture(aggregator) => &aggregator.aggregator,
        };
        self.model("ensemble.combine: ", combiner);
        let chats = self.models.get(combiner).is_none_or(|model| model.capabilities.contains(&Capability::Chat));
        self.unless(chats, format!("ensemble.combine: {combiner:?} cannot chat"));
    }

    fn companions(&mut self, route: &Route) {
        if let Some(canary) = &route.canary {
            self.model("canary: ", &canary.model);
            self.unless(!route.models.contains(&canary.model), "canary: its model is already among the models");
            self.unless((0.0..=100.0).contains(&canary.percent), "canary: percent lies between 0 and 100");
            let halt = &canary.halt;
            let factors = halt.error_factor >= 1.0 && halt.latency_factor >= 1.0;
            self.unless(factors && halt.calls_min > 0, "canary.halt: factors are at least 1, calls_min is above 0");
            let single = !matches!(route.strategy, Strategy::Ensemble(_) | Strategy::Cascade(_));
            self.unless(single, "canary: an ensemble or a cascade has no single answer to replace; use a shadow");
        }
        if let Some(shadow) = &route.shadow {
            self.model("shadow: ", &shadow.model);
            self.unless((0.0..=1.0).contains(&shadow.share), "shadow: share lies between 0 and 1");
        }
    }

    fn limits(&mut self, route: &Route) {
        self.unless(
            route.quality_min.is_none_or(|quality| (0.0..=1.0).contains(&quality)),
            "quality_min lies between 0 and 1",
        );
        if let Some(hedge) = &route.hedge {
            self.unless((0.0..=1.0).contains(&hedge.share_max), "hedge: share_max lies between 0 and 1");
            self.unless(hedge.after != HedgeAfter::Ms(0), "hedge: after is at least 1 ms");
        }
        let attempts = (1..=ATTEMPTS_MAX).contains(&route.retry.attempts);
        self.unless(attempts, format!("retry: attempts lies between 1 and {ATTEMPTS_MAX}"));
        self.unless(route.retry.budget_percent <= 100, "retry: budget_percent lies between 0 and 100");
        let task = route.last_resort.human_task.as_deref();
        self.unless(task.is_none_or(|name| !name.trim().is_empty()), "last_resort: human_task names a workflow");
    }
}

fn leads_back(start: &Route, routes: &BTreeMap<String, Route>) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = start.fallbacks.iter().collect();
    while let Some(name) = open.pop() {
        if *name == start.name {
            return true;
        }
        if seen.insert(name) {
            open.extend(routes.get(name).into_iter().flat_map(|route| &route.fallbacks));
        }
    }
    false
}
