//! What is done with the candidates: an ensemble or a cascade where the route asks for one and it can be held, a copy to
//! a shadow, a second attempt beside a slow one, and what comes last.

use orrery_types::Nanos;

use super::{
    Candidate, CascadePlan, Course, Dropped, EnsemblePlan, HedgePlan, Plan, Role, SHADOW_DRAWS, Seat, ShadowPlan,
    Survey, filter,
};
use crate::catalogue::route::{Cascade, Combine, Ensemble, HedgeAfter, Strategy};
use crate::catalogue::{Route, amount};
use crate::draw::Draws;
use crate::request::RequestFacts;

impl Survey<'_> {
    /// The candidates are in their order. A cascade drops those that the call cannot pay for any more.
    pub(super) fn plan(&self, candidates: &mut [Candidate], mut notes: Vec<String>) -> Plan {
        let Some(route) = self.asked.route else { return Plan { notes, ..Plan::default() } };
        let course = match &route.strategy {
            Strategy::Cascade(cascade) => self.cascade(cascade, candidates),
            Strategy::Ensemble(ensemble) => match self.ensemble(route, ensemble, candidates) {
                Ok(plan) => Course::Ensemble(plan),
                Err(why) => {
                    notes.push(format!("no ensemble, the first answer counts: {why}"));
                    Course::First
                }
            },
            _ => Course::First,
        };
        let shadow = self.shadow(route, candidates, &mut notes);
        let hedge = if course == Course::First { self.hedge(route, candidates, &mut notes) } else { None };
        Plan { course, shadow, hedge, retry: route.retry, last_resort: route.last_resort.clone(), notes }
    }

    /// As many stages as the call can pay for if each of them answers and is not sure enough.
    fn cascade(&self, cascade: &Cascade, candidates: &mut [Candidate]) -> Course {
        let limit = self.inputs.facts.cost_nanos_max;
        let (mut stages, mut price_ceiling) = (Vec::new(), Nanos::ZERO);
        for candidate in candidates.iter_mut().filter(|it| answers(it) && it.tier == 0) {
            let sum = plus(price_ceiling, candidate.price_ceiling);
            if limit > 0 && sum.get() > limit {
                candidate.dropped = Some(Dropped::TooDear);
                candidate.reason =
                    format!("with the stages before it can cost {} nanos, the call allows {limit}", sum.get());
                (candidate.group, candidate.score, candidate.parts) = (0, 0.0, Vec::new());
            } else {
                price_ceiling = sum;
                stages.push(candidate.model.clone());
            }
        }
        // Dropped ones stand last.
        candidates.sort_by_key(|candidate| candidate.dropped.is_some());
        Course::Cascade(CascadePlan { stages, price_ceiling, cascade: cascade.clone() })
    }

    fn ensemble(&self, route: &Route, ensemble: &Ensemble, candidates: &[Candidate]) -> Result<EnsemblePlan, String> {
        let wanted = members(route, ensemble);
        let able: Vec<&Candidate> =
            candidates.iter().filter(|it| answers(it) && it.tier == 0 && wanted.contains(&it.model)).collect();
        if let Some(name) = ensemble.required.iter().find(|name| !able.iter().any(|it| it.model == **name)) {
            return Err(format!("{name} cannot answer and is required"));
        }
        let quorum = quorum(route, ensemble);
        let answers = able.len().saturating_mul(ensemble.samples as usize);
        if answers < quorum as usize {
            return Err(format!("{answers} answers can be had, {quorum} are needed"));
        }
        let combiner = self.combiner(route, ensemble)?;
        let each = |it: &&Candidate| amount(it.price_ceiling.get(), u64::from(ensemble.samples));
        let members_cost = able.iter().map(each).fold(Nanos::ZERO, plus);
        let price_ceiling = combiner.as_ref().map_or(members_cost, |(_, cost)| plus(members_cost, *cost));
        let limit = self.inputs.facts.cost_nanos_max;
        if limit > 0 && price_ceiling.get() > limit {
            return Err(format!("it can cost {} nanos, the call allows {limit}", price_ceiling.get()));
        }
        let members = able.iter().map(|it| it.model.clone()).collect();
        Ok(EnsemblePlan { members, quorum, combiner, price_ceiling, ensemble: ensemble.clone() })
    }

    /// Who combines and what that can cost at most. It sees the data too, so it passes every check itself.
    fn combiner(&self, route: &Route, ensemble: &Ensemble) -> Result<Option<(String, Nanos)>, String> {
        let name = match &ensemble.combine {
            Combine::Vote => return Ok(None),
            Combine::BestOfN(judge) => &judge.judge,
            Combine::Mixture(aggregator) => &aggregator.aggregator,
        };
        let model = self.catalogue.models.get(name).ok_or_else(|| format!("there is no model {name}"))?;
        let facts = combining(&self.inputs.facts, route, ensemble);
        let applicant = self.applicant(model, Seat { tier: 0, place: 0, role: Role::Combines }, &facts);
        filter::check(&applicant, &facts).map_err(|(_, why)| format!("{name} cannot combine: {why}"))?;
        Ok(Some((name.clone(), applicant.price_ceiling)))
    }

    fn shadow(&self, route: &Route, candidates: &[Candidate], notes: &mut Vec<String>) -> Option<ShadowPlan> {
        let shadow = route.shadow.as_ref()?;
        if Draws::new(self.inputs.seed ^ SHADOW_DRAWS).unit() >= shadow.share {
            return None;
        }
        let first = candidates.iter().find(|it| answers(it))?;
        let model = self.catalogue.models.get(&shadow.model)?;
        let facts = &self.inputs.facts;
        let applicant = self.applicant(model, Seat { tier: 0, place: 0, role: Role::Shadows }, facts);
        let spent = self.statistics.routes.get(&route.name).map_or(Nanos::ZERO, |it| it.shadow_spent);
        let refused = match filter::check(&applicant, facts) {
            _ if first.model == shadow.model => Some("it answers itself".to_owned()),
            Err((_, why)) => Some(why),
            Ok(()) if plus(spent, applicant.price_ceiling).get() > shadow.nanos_per_day => {
                Some(format!("copies may cost {} nanos a day", shadow.nanos_per_day))
            }
            Ok(()) => None,
        };
        if let Some(why) = refused {
            notes.push(format!("no copy to {}: {why}", shadow.model));
            return None;
        }
        let price_ceiling = applicant.price_ceiling;
        let tenant_nanos_max = amount(shadow.tenant_nanos_max, 1).min(price_ceiling);
        Some(ShadowPlan { model: shadow.model.clone(), price_ceiling, tenant_nanos_max })
    }

    fn hedge(&self, route: &Route, candidates: &[Candidate], notes: &mut Vec<String>) -> Option<HedgePlan> {
        let hedge = route.hedge.as_ref()?;
        let mut able = candidates.iter().filter(|it| answers(it));
        let (first, second) = (able.next()?, able.next()?);
        let measured = self.statistics.models.get(&first.model);
        let after_ms = match hedge.after {
            HedgeAfter::Ms(ms) => Some(ms),
            HedgeAfter::Quantile(quantile) => measured.and_then(|it| it.latency.get(quantile)),
        };
        let Some(after_ms) = after_ms else {
            notes.push(format!("not hedged: too little is known of how long {} takes", first.model));
            return None;
        };
        let both = plus(first.price_ceiling, second.price_ceiling).get();
        let limit = self.inputs.facts.cost_nanos_max;
        if limit > 0 && both > limit {
            notes.push(format!("not hedged: two attempts can cost {both} nanos, the call allows {limit}"));
            return None;
        }
        Some(HedgePlan { after_ms, model: second.model.clone(), share_max: hedge.share_max })
    }
}

fn answers(candidate: &Candidate) -> bool {
    candidate.dropped.is_none() && candidate.role == Role::Answers
}

fn plus(a: Nanos, b: Nanos) -> Nanos {
    a.checked_add(b).unwrap_or(amount(u64::MAX, 1))
}

fn members<'a>(route: &'a Route, ensemble: &'a Ensemble) -> &'a [String] {
    if ensemble.members.is_empty() { &route.models } else { &ensemble.members }
}

/// Answers that are needed: those named, or more than half of all.
fn quorum(route: &Route, ensemble: &Ensemble) -> u32 {
    let all = u32::try_from(members(route, ensemble).len()).unwrap_or(u32::MAX).saturating_mul(ensemble.samples);
    if ensemble.quorum > 0 { ensemble.quorum } else { all / 2 + 1 }
}

/// The call to whoever combines: the conversation, what it is told, and the answers as far as they are shown to it.
pub(super) fn combining(facts: &RequestFacts, route: &Route, ensemble: &Ensemble) -> RequestFacts {
    combining_of(facts, members(route, ensemble).len(), ensemble)
}

impl EnsemblePlan {
    /// The facts of the call to whoever combines the answers of all members. What it can cost is reckoned from them.
    pub fn combining(&self, facts: &RequestFacts) -> RequestFacts {
        combining_of(facts, self.members.len(), &self.ensemble)
    }
}

fn combining_of(facts: &RequestFacts, members: usize, ensemble: &Ensemble) -> RequestFacts {
    let answers = (members as u64).saturating_mul(u64::from(ensemble.samples));
    let (prompt, output_tokens) = match &ensemble.combine {
        Combine::Vote => ("", facts.size.output_tokens),
        Combine::BestOfN(judge) => (judge.prompt.as_str(), judge.output_tokens),
        Combine::Mixture(aggregator) => (aggregator.prompt.as_str(), facts.size.output_tokens),
    };
    let mut facts = facts.clone();
    let shown = answers.saturating_mul(ensemble.answer_bytes_max);
    facts.size.text_bytes = facts.size.text_bytes.saturating_add(shown).saturating_add(prompt.len() as u64);
    facts.size.items = facts.size.items.saturating_add(answers).saturating_add(1);
    facts.size.output_tokens = output_tokens;
    facts.size.choices = 1;
    facts
}
