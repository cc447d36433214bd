//! Who may answer: each check in its order, and the words for why one does not.

use orrery_types::Nanos;

use super::{Dropped, ModelHealth, PolicyAnswer, Role};
use crate::catalogue::route::Strategy;
use crate::catalogue::{Capability, Model, Route};
use crate::price;
use crate::request::RequestFacts;

/// One model as the checks see it.
pub(super) struct Applicant<'a> {
    pub model: &'a Model,
    pub role: Role,
    /// The route whose seat it has.
    pub route: Option<&'a Route>,
    pub policy: Option<&'a PolicyAnswer>,
    pub health: &'a ModelHealth,
    pub price_ceiling: Nanos,
    /// Once known, from evaluations or the catalogue.
    pub quality: Option<f64>,
}

/// Nothing when it may answer, otherwise the first reason why not.
pub(super) fn check(applicant: &Applicant<'_>, facts: &RequestFacts) -> Result<(), (Dropped, String)> {
    let model = applicant.model;
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
    if let (Some(least), Some(quality)) = (applicant.route.and_then(|route| route.quality_min), applicant.quality)
        && quality < least
    {
        return Err((Dropped::TooWeak, format!("its quality is {quality}, the route asks for {least}")));
    }
    match applicant.policy {
        Some(PolicyAnswer { allowed: true, .. }) => {}
        Some(answer) => return Err((Dropped::Policy, answer.reason.clone())),
        None => return Err((Dropped::Policy, "policies were not asked".to_owned())),
    }
    let ceiling = applicant.price_ceiling.get();
    // What an ensemble costs is held against the limit as a whole, a copy is not the caller's to pay.
    if applicant.role == Role::Answers && facts.cost_nanos_max > 0 && ceiling > facts.cost_nanos_max {
        let limit = facts.cost_nanos_max;
        return Err((Dropped::TooDear, format!("can cost {ceiling} nanos, the call allows {limit}")));
    }
    if let Some(Strategy::FastestWithinBudget(budget)) = applicant.route.map(|route| &route.strategy)
        && ceiling > budget.nanos
    {
        return Err((Dropped::TooDear, format!("can cost {ceiling} nanos, the route allows {}", budget.nanos)));
    }
    match &applicant.health.unavailable {
        Some(reason) => Err((Dropped::Unavailable, reason.clone())),
        None => Ok(()),
    }
}
