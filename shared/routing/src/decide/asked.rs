//! Which models a name stands for, and what each is wanted for.

use std::collections::{BTreeMap, BTreeSet};

use super::Role;
use crate::catalogue::route::{Combine, Ensemble, Strategy};
use crate::catalogue::{Catalogue, Route};
use crate::catalogue_file::AUTO;

/// Where a model stands among those asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    /// Which fallback it belongs to; 0 is what was asked for.
    pub tier: u32,
    /// Its place in the list of its route.
    pub place: usize,
    /// What it is wanted for.
    pub role: Role,
}

/// What was asked for.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// The route, if the name is one's.
    pub route: Option<&'a Route>,
    /// The route of each tier; none for a single model or `auto`.
    tiers: Vec<Option<&'a Route>>,
    /// By model; none is every model.
    seats: Option<BTreeMap<&'a str, Seat>>,
}

impl<'a> Asked<'a> {
    /// Looks the name up.
    pub fn of(catalogue: &'a Catalogue, name: &'a str) -> Self {
        let Some(route) = catalogue.routes.get(name) else {
            let everything = name.is_empty() || name == AUTO;
            let seat = Seat { tier: 0, place: 0, role: Role::Answers };
            let seats = (!everything).then(|| BTreeMap::from([(name, seat)]));
            return Self { route: None, tiers: vec![None], seats };
        };
        let mut asked = Self { route: Some(route), tiers: vec![Some(route)], seats: Some(BTreeMap::new()) };
        asked.sit(&route.models, 0);
        if let Some(canary) = &route.canary {
            asked.seat(&canary.model, 0, route.models.len(), Role::Answers);
        }
        asked.follow(catalogue, &mut BTreeSet::from([route.name.as_str()]), &route.fallbacks);
        if let Strategy::Ensemble(ensemble) = &route.strategy {
            match &ensemble.combine {
                Combine::Vote => {}
                Combine::BestOfN(judge) => asked.seat(&judge.judge, 0, 0, Role::Combines),
                Combine::Mixture(aggregator) => asked.seat(&aggregator.aggregator, 0, 0, Role::Combines),
            }
        }
        if let Some(shadow) = &route.shadow {
            asked.seat(&shadow.model, 0, 0, Role::Shadows);
        }
        asked
    }

    /// Fallbacks in their order, each followed by its own.
    fn follow(&mut self, catalogue: &'a Catalogue, seen: &mut BTreeSet<&'a str>, names: &'a [String]) {
        for name in names {
            if !seen.insert(name) {
                continue;
            }
            let tier = u32::try_from(self.tiers.len()).unwrap_or(u32::MAX);
            match catalogue.routes.get(name) {
                Some(route) => {
                    self.tiers.push(Some(route));
                    self.sit(&route.models, tier);
                    self.follow(catalogue, seen, &route.fallbacks);
                }
                None => {
                    self.tiers.push(None);
                    self.seat(name, tier, 0, Role::Answers);
                }
            }
        }
    }

    fn sit(&mut self, models: &'a [String], tier: u32) {
        for (place, model) in models.iter().enumerate() {
            self.seat(model, tier, place, Role::Answers);
        }
    }

    /// The first seat of a model counts.
    fn seat(&mut self, model: &'a str, tier: u32, place: usize, role: Role) {
        if let Some(seats) = &mut self.seats {
            seats.entry(model).or_insert(Seat { tier, place, role });
        }
    }

    /// Where a model stands; none when it was not asked for.
    pub fn seat_of(&self, model: &str) -> Option<Seat> {
        match &self.seats {
            None => Some(Seat { tier: 0, place: 0, role: Role::Answers }),
            Some(seats) => seats.get(model).copied(),
        }
    }

    /// The tiers, first one first, each with its route.
    pub fn tiers(&self) -> impl Iterator<Item = (u32, Option<&'a Route>)> {
        (0..).zip(self.tiers.iter().copied())
    }

    /// The ensemble that the route asks for.
    pub fn ensemble(&self) -> Option<(&'a Route, &'a Ensemble)> {
        match self.route.map(|route| (route, &route.strategy)) {
            Some((route, Strategy::Ensemble(ensemble))) => Some((route, ensemble)),
            _ => None,
        }
    }

    /// The route of one tier.
    pub fn route_of(&self, tier: u32) -> Option<&'a Route> {
        self.tiers.get(tier as usize).copied().flatten()
    }
}
