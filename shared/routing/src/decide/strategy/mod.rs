//! One file for each way to order models. Each is a function from the models that may answer to what it says of each, in
//! the same order; which of them may answer at all was decided before.

mod balanced;
mod bandit;
mod cheapest;
mod fastest;
mod least_loaded;
mod ordered;
mod sticky;
mod weighted;
mod within_slo;

use super::score::{Entry, Ranked};
use crate::catalogue::Route;
use crate::catalogue::route::Strategy;
use crate::draw::Draws;
use crate::request::RequestFacts;
use crate::statistics::RouteStatistics;

/// What a strategy may look at besides the models.
pub(super) struct View<'a> {
    pub route: Option<&'a Route>,
    pub facts: &'a RequestFacts,
    pub statistics: Option<&'a RouteStatistics>,
}

/// What the route's strategy says of each model; without a route they are balanced.
pub(super) fn rank(view: &View<'_>, entries: &[Entry<'_>], draws: &mut Draws) -> Vec<Ranked> {
    match view.route.map_or(&Strategy::Balanced, |route| &route.strategy) {
        Strategy::Balanced => balanced::rank(entries),
        Strategy::Cheapest => cheapest::rank(entries),
        Strategy::Fastest | Strategy::FastestWithinBudget(_) => fastest::rank(entries),
        Strategy::Ordered | Strategy::Cascade(_) => ordered::rank(entries),
        // Members come in the route's order, also as fallbacks when no ensemble can be held.
        Strategy::Ensemble(_) => ordered::rank(entries),
        Strategy::CheapestWithinSlo(slo) => within_slo::rank(slo, entries),
        Strategy::Weighted(weights) => weighted::rank(weights, entries, draws),
        Strategy::Sticky => sticky::rank(&view.facts.tenant, &view.facts.session, entries, draws),
        Strategy::LeastLoaded => least_loaded::rank(entries, draws),
        Strategy::Bandit(bandit) => bandit::rank(bandit, view.statistics, entries, draws),
    }
}
