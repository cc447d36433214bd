//! Which model answers, and why each other one does not. A function of its inputs, the catalogue and the published
//! statistics alone, so that a recorded decision can be replayed to the same result.

mod asked;
mod decision;
mod filter;
mod inputs;
mod plan;
mod replay;
mod score;
mod strategy;

pub use decision::{
    Candidate, CascadePlan, Course, Decision, Dropped, EnsemblePlan, HedgePlan, Part, Plan, Role, ShadowPlan,
};
pub use inputs::{Inputs, ModelHealth, PolicyAnswer, Quota};
pub use replay::{ReplayError, record, replay};

use asked::{Asked, Seat};
use filter::Applicant;
use score::{Entry, part};

use crate::canary;
use crate::catalogue::route::CanaryKey;
use crate::catalogue::{Catalogue, Model};
use crate::draw::{Draws, place_of};
use crate::price;
use crate::request::RequestFacts;
use crate::statistics::Statistics;

/// Rows of draws that belong to different questions, so that one more question does not change the others' answers.
const STRATEGY_DRAWS: u64 = 0x0073_7472_6174_6567;
const SHADOW_DRAWS: u64 = 0x0073_6861_646f_7773;

/// Decides.
pub fn decide(catalogue: &Catalogue, statistics: &Statistics, inputs: &Inputs) -> Decision {
    let survey = Survey { catalogue, statistics, inputs, asked: Asked::of(catalogue, &inputs.facts.model) };
    let asked = catalogue.models.values().filter_map(|model| Some((model, survey.asked.seat_of(&model.name)?)));
    let mut candidates: Vec<Candidate> = asked.map(|(model, seat)| survey.candidate(model, seat)).collect();
    let mut notes = Vec::new();
    let mut draws = Draws::new(inputs.seed ^ STRATEGY_DRAWS);
    for (tier, _) in survey.asked.tiers() {
        survey.rank(tier, &mut candidates, &mut draws);
    }
    survey.place_canary(&mut candidates, &mut notes);
    candidates.sort_by(|a, b| {
        let rank = |candidate: &Candidate| {
            (candidate.dropped.is_some(), candidate.role != Role::Answers, candidate.tier, candidate.group)
        };
        rank(a).cmp(&rank(b)).then(a.score.total_cmp(&b.score)).then_with(|| a.model.cmp(&b.model))
    });
    let plan = survey.plan(&mut candidates, notes);
    survey.give_reasons(&mut candidates);
    Decision {
        id: inputs.id.clone(),
        policy_digest: inputs.policy_digest,
        catalogue_digest: inputs.catalogue_digest,
        statistics_revision: inputs.statistics_revision,
        candidates,
        plan,
    }
}

/// What is looked at while deciding.
struct Survey<'a> {
    catalogue: &'a Catalogue,
    statistics: &'a Statistics,
    inputs: &'a Inputs,
    asked: Asked<'a>,
}

static USUAL: ModelHealth =
    ModelHealth { unavailable: None, latency_ms: None, peak_ewma_ns: None, in_flight: 0, quota: None };

impl<'a> Survey<'a> {
    fn health(&self, model: &str) -> &'a ModelHealth {
        self.inputs.health.get(model).unwrap_or(&USUAL)
    }

    /// How good a model is here: measured before declared, the route before the capability.
    fn quality(&self, model: &Model, route: Option<&str>) -> Option<f64> {
        let measured = self.statistics.models.get(&model.name).map(|it| &it.quality_milli);
        let capability = self.inputs.facts.capability.as_str();
        [route, Some(capability)].into_iter().flatten().find_map(|of| {
            let found = measured.and_then(|it| it.get(of)).map(|milli| f64::from(*milli) / 1000.0);
            found.or_else(|| model.quality.get(of).copied())
        })
    }

    fn applicant(&self, model: &'a Model, seat: Seat, facts: &RequestFacts) -> Applicant<'a> {
        let route = self.asked.route_of(seat.tier).filter(|_| seat.role == Role::Answers);
        Applicant {
            model,
            role: seat.role,
            route,
            policy: self.inputs.policies.get(&model.name),
            health: self.health(&model.name),
            price_ceiling: price::ceiling_cost(facts, model, self.inputs.at),
            quality: self.quality(model, route.map(|route| route.name.as_str())),
        }
    }

    fn candidate(&self, model: &'a Model, seat: Seat) -> Candidate {
        let inputs = self.inputs;
        let combining = self.asked.ensemble().filter(|_| seat.role == Role::Combines);
        let combining = combining.map(|(route, ensemble)| plan::combining(&inputs.facts, route, ensemble));
        let facts = combining.as_ref().unwrap_or(&inputs.facts);
        let applicant = self.applicant(model, seat, facts);
        let (dropped, reason) = match filter::check(&applicant, facts) {
            Ok(()) => (None, String::new()),
            Err((dropped, reason)) => (Some(dropped), reason),
        };
        // Policies are named where they decided; a model that cannot do it was not held back by any.
        let decided = matches!(dropped, None | Some(Dropped::Policy));
        Candidate {
            model: model.name.clone(),
            provider: model.provider.clone(),
            role: applicant.role,
            dropped,
            reason,
            policies: applicant.policy.filter(|_| decided).map(|answer| answer.policies.clone()).unwrap_or_default(),
            price_likely: price::likely_cost(facts, model, inputs.at),
            price_ceiling: applicant.price_ceiling,
            latency_ms: self.latency_ms(model),
            tier: seat.tier,
            group: 0,
            score: 0.0,
            parts: Vec::new(),
        }
    }

    /// What this process saw last counts more than what all saw over minutes, and that more than what is expected.
    fn latency_ms(&self, model: &Model) -> u64 {
        let measured = self.statistics.models.get(&model.name).and_then(|it| it.latency.p50_ms);
        self.health(&model.name).latency_ms.or(measured).unwrap_or(model.latency_ms)
    }

    /// Lets the strategy of a tier's route say what it thinks of the tier's models.
    fn rank(&self, tier: u32, candidates: &mut [Candidate], draws: &mut Draws) {
        let route = self.asked.route_of(tier);
        let canary = route.and_then(|route| route.canary.as_ref()).map(|canary| canary.model.as_str());
        let mut ranked: Vec<&mut Candidate> = candidates
            .iter_mut()
            .filter(|it| it.dropped.is_none() && it.role == Role::Answers && it.tier == tier)
            .filter(|it| canary != Some(it.model.as_str()))
            .collect();
        let entries: Vec<Entry<'_>> = ranked.iter().filter_map(|candidate| self.entry(candidate)).collect();
        let statistics = route.and_then(|route| self.statistics.routes.get(&route.name));
        let view = strategy::View { route, facts: &self.inputs.facts, statistics };
        let said = strategy::rank(&view, &entries, draws);
        for (candidate, said) in ranked.iter_mut().zip(said) {
            candidate.reason = if said.has_no_quota() {
                "its provider's rate limit leaves no room".to_owned()
            } else {
                said.why.into_owned()
            };
            (candidate.group, candidate.score, candidate.parts) = (said.group, said.score, said.parts);
        }
    }

    fn entry(&self, candidate: &Candidate) -> Option<Entry<'a>> {
        let model = self.catalogue.models.get(&candidate.model)?;
        let (inputs, health) = (self.inputs, self.health(&model.name));
        let tokens = price::likely(&inputs.facts, model);
        let tokens = tokens.input_tokens.saturating_add(tokens.output_tokens);
        Some(Entry {
            model,
            place: self.asked.seat_of(&model.name).map_or(0, |seat| seat.place),
            health,
            statistics: self.statistics.models.get(&model.name),
            price_likely: candidate.price_likely,
            latency_ms: candidate.latency_ms,
            no_quota: health.quota.is_some_and(|quota| quota.used_up(tokens, inputs.at)),
        })
    }

    /// Puts the canary before all others for its share of keys, and takes it out for the rest.
    fn place_canary(&self, candidates: &mut [Candidate], notes: &mut Vec<String>) {
        let Some((route, canary)) = self.asked.route.and_then(|route| Some((route, route.canary.as_ref()?))) else {
            return;
        };
        let facts = &self.inputs.facts;
        let key = match canary.key {
            CanaryKey::Tenant => facts.tenant.clone(),
            CanaryKey::Principal => format!("{}/{}", facts.tenant, facts.principal),
            CanaryKey::Session if facts.session.is_empty() => self.inputs.id.clone(),
            CanaryKey::Session => format!("{}/{}", facts.tenant, facts.session),
        };
        let percentile = place_of(&["canary", &route.name, &canary.model, &key]) * 100.0;
        let usual = canary::CanaryStanding::default();
        let standing = self.statistics.routes.get(&route.name).map_or(&usual, |it| &it.canary);
        let halted = standing.halted.clone().or_else(|| standing.verdict(&canary.halt));
        let out = match halted {
            Some(why) => Some(format!("the canary is stopped: {why}")),
            None if percentile >= canary.percent => {
                Some(format!("the canary takes {} % of keys, not this one", canary.percent))
            }
            None => None,
        };
        let is_canary = |candidate: &Candidate| {
            candidate.model == canary.model && candidate.tier == 0 && candidate.role == Role::Answers
        };
        if !candidates.iter().any(|candidate| is_canary(candidate) && candidate.dropped.is_none()) {
            return;
        }
        for candidate in candidates.iter_mut().filter(|candidate| candidate.dropped.is_none()) {
            match (&out, is_canary(candidate)) {
                (Some(why), true) => {
                    (candidate.dropped, candidate.reason) = (Some(Dropped::NotAsked), why.clone());
                    notes.push(why.clone());
                }
                (None, true) => {
                    candidate.reason = format!("the canary takes {} % of keys", canary.percent);
                    candidate.parts = vec![part("percentile", percentile)];
                }
                (None, false) => candidate.group = candidate.group.saturating_add(1),
                (Some(_), false) => {}
            }
        }
    }

    fn give_reasons(&self, candidates: &mut [Candidate]) {
        let mut place = 0;
        for candidate in candidates.iter_mut().filter(|candidate| candidate.dropped.is_none()) {
            let mut words = match candidate.role {
                Role::Answers if place == 0 => "best score".to_owned(),
                Role::Answers => format!("fallback {place}"),
                Role::Combines => "combines the answers".to_owned(),
                Role::Shadows => "may get a copy".to_owned(),
            };
            place += u32::from(candidate.role == Role::Answers);
            if let Some(route) = self.asked.route_of(candidate.tier).filter(|_| candidate.tier > 0) {
                words.push_str(&format!(" of route {:?}", route.name));
            }
            if !candidate.reason.is_empty() {
                words.push_str(", ");
                words.push_str(&candidate.reason);
            }
            candidate.reason = words;
        }
    }
}
