//! Which model answers, and why each other one does not. A function of its inputs alone, so that a recorded decision
//! can be replayed to the same result.

use std::collections::BTreeMap;

use orrery_types::{Nanos, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Capability, Catalogue, Model, Strategy};
use crate::catalogue_file::AUTO;
use crate::price;
use crate::request::RequestFacts;

/// In `balanced`, one millisecond weighs as much as this many nano-units: a second is worth 0.0001 of the currency.
const NANOS_PER_MILLISECOND: f64 = 100.0;

/// What policies say about one model for this call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyAnswer {
    /// Whether the data may go there.
    pub allowed: bool,
    /// Ids of the determining policies.
    pub policies: Vec<String>,
    /// In one line.
    pub reason: String,
}

/// How one model does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelHealth {
    /// Why it takes no calls now; none when it does.
    pub unavailable: Option<String>,
    /// Smoothed latency, once measured.
    pub latency_ms: Option<u64>,
}

/// Everything that goes into a decision but the catalogue, which is named by its digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Random; names the decision.
    pub id: String,
    /// The call.
    pub facts: RequestFacts,
    /// By model; a missing one is healthy and unmeasured.
    pub health: BTreeMap<String, ModelHealth>,
    /// By model; a missing one is denied.
    pub policies: BTreeMap<String, PolicyAnswer>,
    /// Of the policy set that answered.
    pub policy_digest: Sha256Digest,
    /// Of the catalogue.
    pub catalogue_digest: Sha256Digest,
}

/// Why a model was dropped. The order is that of the checks: what it cannot do, what it may not do, what it costs, and
/// how it is just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// The caller asked for others.
    NotAsked,
    /// It cannot do it.
    Incapable,
    /// It does not take that media type.
    MediaType,
    /// The input does not fit.
    TooLong,
    /// A policy forbids it or none permits it.
    Policy,
    /// It can cost more than the caller allows.
    TooDear,
    /// It rests or is not loaded.
    Unavailable,
}

/// One model and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Name in the catalogue.
    pub model: String,
    /// Its provider.
    pub provider: String,
    /// Why it was dropped; none when it may answer.
    pub dropped: Option<Dropped>,
    /// Why it was taken or dropped, in words.
    pub reason: String,
    /// Ids of the determining policies.
    pub policies: Vec<String>,
    /// What it will probably cost.
    pub price_likely: Nanos,
    /// What it can cost at most; reserved before the call.
    pub price_ceiling: Nanos,
    /// How long it will probably take.
    pub latency_ms: u64,
    /// Lower is better; 0 for dropped ones.
    pub score: f64,
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Its name.
    pub id: String,
    /// Of the policy set that answered.
    pub policy_digest: Sha256Digest,
    /// Of the catalogue.
    pub catalogue_digest: Sha256Digest,
    /// Those that may answer first, best first, then the dropped ones by name.
    pub candidates: Vec<Candidate>,
}

impl Decision {
    /// Those that may answer, best first: the fallback order.
    pub fn eligible(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| candidate.dropped.is_none())
    }

    /// Whether policies alone stand in the way: some model could do it and none may.
    pub fn denied_by_policy(&self) -> bool {
        self.eligible().next().is_none()
            && self.candidates.iter().any(|c| c.dropped == Some(Dropped::Policy))
            && !self.candidates.iter().any(|c| matches!(c.dropped, Some(Dropped::Unavailable | Dropped::TooDear)))
    }

    /// Whether models read, but none of them this media type.
    pub fn reads_no_such_media(&self) -> bool {
        let drops = || self.candidates.iter().map(|candidate| candidate.dropped);
        let could_not = |dropped| matches!(dropped, Some(Dropped::NotAsked | Dropped::Incapable | Dropped::MediaType));
        drops().all(could_not) && drops().any(|dropped| dropped == Some(Dropped::MediaType))
    }

    /// Whether some model could and may do it, but none is up.
    pub fn all_unavailable(&self) -> bool {
        self.eligible().next().is_none() && self.candidates.iter().any(|c| c.dropped == Some(Dropped::Unavailable))
    }
}

/// Decides.
pub fn decide(catalogue: &Catalogue, inputs: &Inputs) -> Decision {
    let (asked, strategy) = asked_for(catalogue, &inputs.facts.model);
    let mut candidates: Vec<Candidate> =
        catalogue.models.values().map(|model| candidate(model, asked.as_deref(), strategy, inputs)).collect();
    candidates.sort_by(|a, b| {
        let rank = |candidate: &Candidate| (candidate.dropped.is_some(), candidate.score);
        let ((dropped_a, score_a), (dropped_b, score_b)) = (rank(a), rank(b));
        dropped_a.cmp(&dropped_b).then(score_a.total_cmp(&score_b)).then_with(|| a.model.cmp(&b.model))
    });
    for (place, candidate) in candidates.iter_mut().filter(|candidate| candidate.dropped.is_none()).enumerate() {
        candidate.reason = if place == 0 { "best score".to_owned() } else { format!("fallback {place}") };
    }
    let Inputs { id, policy_digest, catalogue_digest, .. } = inputs;
    Decision { id: id.clone(), policy_digest: *policy_digest, catalogue_digest: *catalogue_digest, candidates }
}

/// The models that a name stands for; none is every model.
fn asked_for(catalogue: &Catalogue, name: &str) -> (Option<Vec<String>>, Strategy) {
    match catalogue.routes.get(name) {
        Some(route) => (Some(route.models.clone()), route.strategy),
        None if name.is_empty() || name == AUTO => (None, Strategy::default()),
        None => (Some(vec![name.to_owned()]), Strategy::default()),
    }
}

fn candidate(model: &Model, asked: Option<&[String]>, strategy: Strategy, inputs: &Inputs) -> Candidate {
    let facts = &inputs.facts;
    let health = inputs.health.get(&model.name).cloned().unwrap_or_default();
    let policy = inputs.policies.get(&model.name);
    let price_likely = price::likely(facts, model).cost(model);
    let price_ceiling = price::ceiling(facts, model).cost(model);
    let latency_ms = health.latency_ms.unwrap_or(model.latency_ms);
    let place = asked.map_or(Some(0), |names| names.iter().position(|name| *name == model.name));
    let verdict = match place {
        None => Err((Dropped::NotAsked, format!("{:?} was asked for", facts.model))),
        Some(place) => check(model, facts, policy, &health, price_ceiling).map(|()| place),
    };
    let (dropped, reason, score) = match verdict {
        Ok(place) => (None, String::new(), score(strategy, place, price_likely, latency_ms)),
        Err((dropped, reason)) => (Some(dropped), reason, 0.0),
    };
    // Policies are named where they decided; a model that cannot do it was not held back by any.
    let decided = matches!(dropped, None | Some(Dropped::Policy));
    Candidate {
        model: model.name.clone(),
        provider: model.provider.clone(),
        dropped,
        reason,
        policies: policy.filter(|_| decided).map(|answer| answer.policies.clone()).unwrap_or_default(),
        price_likely,
        price_ceiling,
        latency_ms,
        score,
    }
}

fn check(
    model: &Model,
    facts: &RequestFacts,
    policy: Option<&PolicyAnswer>,
    health: &ModelHealth,
    price_ceiling: Nanos,
) -> Result<(), (Dropped, String)> {
    if !model.capabilities.contains(&facts.capability) {
        return Err((Dropped::Incapable, format!("cannot {}", facts.capability)));
    }
    if let Some(media_type) = facts.media_type.as_deref().filter(|media_type| !model.takes(media_type)) {
        return Err((Dropped::MediaType, format!("does not read {media_type}")));
    }
    let input_tokens = price::likely(facts, model).input_tokens;
    let room = model.limits.context_tokens.saturating_sub(price::output_tokens_max(facts, model).min(1));
    if facts.capability == Capability::Chat && input_tokens > room {
        return Err((Dropped::TooLong, format!("about {input_tokens} tokens do not fit into {room}")));
    }
    match policy {
        Some(PolicyAnswer { allowed: true, .. }) => {}
        Some(answer) => return Err((Dropped::Policy, answer.reason.clone())),
        None => return Err((Dropped::Policy, "policies were not asked".to_owned())),
    }
    if facts.cost_nanos_max > 0 && price_ceiling.get() > facts.cost_nanos_max {
        let limit = facts.cost_nanos_max;
        return Err((Dropped::TooDear, format!("can cost {} nanos, the call allows {limit}", price_ceiling.get())));
    }
    match &health.unavailable {
        Some(reason) => Err((Dropped::Unavailable, reason.clone())),
        None => Ok(()),
    }
}

#[allow(clippy::cast_precision_loss)] // a score orders; 2^53 nanos are nine million units of currency
fn score(strategy: Strategy, place: usize, price: Nanos, latency_ms: u64) -> f64 {
    let (price, latency) = (price.get() as f64, latency_ms as f64);
    match strategy {
        Strategy::Balanced => price + latency * NANOS_PER_MILLISECOND,
        Strategy::Cheapest => price,
        Strategy::Fastest => latency,
        Strategy::Ordered => place as f64,
    }
}
