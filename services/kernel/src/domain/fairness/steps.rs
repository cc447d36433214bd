//! In which order steps that are ready are decided and committed: start-time fair queueing again, but for things that take
//! fractions of a millisecond, so that a step gets its place once, when it becomes ready, and nothing is looked up later.
//!
//! A step's place is the time of the clock, or where its tenant's last step ends if that is later. The clock stands at the
//! place of what is being committed. So a tenant that has hundreds of steps ready lies hundreds of places ahead, and the next
//! step of a tenant that had none goes before all but what is under way.

use std::collections::HashMap;

/// How far a step takes a tenant of weight 1.
const COST: u64 = 1 << 20;
/// Tenants that are remembered before those are looked for that need not be.
const REMEMBERED: usize = 1_024;

/// So far ahead lies a tenant that has much ready.
const MUCH: u64 = 16 * COST;
/// Places that are given before it is forgotten that tenants met: under load, about half a second.
const RECENT: u64 = 4_096;

/// Lower goes first; no two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    time: u64,
    /// Where the time is the same.
    arrival: u64,
}

/// Gives places.
#[derive(Debug)]
pub struct StepClock {
    weights: HashMap<String, u32>,
    other_weight: u32,
    present: u64,
    /// Where the last step of each tenant ends that is ahead of the present, and of some that no longer are.
    ends: HashMap<String, u64>,
    prune_at: usize,
    /// The latest of all ends.
    last_end: u64,
    /// Places so far.
    given: u64,
    /// How many those were when a tenant that had nothing ready last came upon another that had much.
    met: Option<u64>,
}

impl StepClock {
    /// With the weights of some tenants and that of all others; at the beginning of time.
    pub fn new(weights: HashMap<String, u32>, other_weight: u32) -> Self {
        Self {
            weights,
            other_weight,
            present: 0,
            ends: HashMap::new(),
            prune_at: REMEMBERED,
            last_end: 0,
            given: 0,
            met: None,
        }
    }

    /// The place of a step that is ready now.
    pub fn place(&mut self, tenant: &str) -> Place {
        let weight = self.weights.get(tenant).copied().unwrap_or(self.other_weight);
        let cost = (COST / u64::from(weight.max(1))).max(1);
        let time = self.ends.get(tenant).map_or(self.present, |end| self.present.max(*end));
        self.given += 1;
        if time == self.present && self.last_end.saturating_sub(time) >= MUCH {
            self.met = Some(self.given);
        }
        let end = time.saturating_add(cost);
        self.last_end = self.last_end.max(end);
        match self.ends.get_mut(tenant) {
            Some(known) => *known = end,
            None => self.remember(tenant, end),
        }
        Place { time, arrival: self.given }
    }

    fn remember(&mut self, tenant: &str, end: u64) {
        if self.ends.len() >= self.prune_at {
            self.ends.retain(|_, end| *end > self.present);
            self.prune_at = REMEMBERED.max(self.ends.len() * 2);
        }
        self.ends.insert(tenant.to_owned(), end);
    }

    /// Whether tenants that have little ready come while another has much: then what is under way when one comes must be
    /// short. What is done together is cheaper, so otherwise it need not be.
    pub fn is_contended(&self) -> bool {
        self.met.is_some_and(|met| self.given - met < RECENT)
    }

    /// The step at this place has its turn.
    pub fn advance(&mut self, place: Place) {
        self.present = self.present.max(place.time);
    }

    /// Whether a step would go before all that have had no turn yet, or beside the last one that had.
    pub fn has_come_to(&self, place: Place) -> bool {
        place.time <= self.present
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clock(weights: &[(&str, u32)]) -> StepClock {
        StepClock::new(weights.iter().map(|(tenant, weight)| ((*tenant).to_owned(), *weight)).collect(), 1)
    }

    /// Serves the steps that wait, lowest place first, and gives whose they were.
    fn serve(clock: &mut StepClock, waiting: &mut Vec<(Place, usize, String)>, count: usize) -> Vec<String> {
        let mut served = Vec::new();
        for _ in 0..count {
            waiting.sort();
            let (place, _, tenant) = waiting.remove(0);
            clock.advance(place);
            served.push(tenant);
        }
        served
    }

    #[test]
    fn a_newcomer_goes_before_what_another_has_ready_but_not_twice() {
        let mut clock = clock(&[]);
        let mut waiting: Vec<_> = (0..300).map(|index| (clock.place("busy"), index, "busy".to_owned())).collect();
        assert_eq!(serve(&mut clock, &mut waiting, 100), vec!["busy"; 100]);
        waiting.extend((300..303).map(|index| (clock.place("quiet"), index, "quiet".to_owned())));
        assert_eq!(serve(&mut clock, &mut waiting, 5), ["quiet", "busy", "quiet", "busy", "quiet"]);
    }

    #[test]
    fn who_was_away_has_saved_nothing_up() {
        let mut clock = clock(&[]);
        clock.place("quiet");
        let mut waiting: Vec<_> = (0..50).map(|index| (clock.place("busy"), index, "busy".to_owned())).collect();
        serve(&mut clock, &mut waiting, 50);
        waiting.extend((50..60).map(|index| (clock.place("quiet"), index, "quiet".to_owned())));
        waiting.extend((60..70).map(|index| (clock.place("busy"), index, "busy".to_owned())));
        let busy = serve(&mut clock, &mut waiting, 10).iter().filter(|tenant| *tenant == "busy").count();
        assert!((4..=6).contains(&busy), "{busy} of 10");
    }

    #[test]
    fn a_few_of_one_beside_many_of_another_are_noticed_and_forgotten() {
        let mut clock = clock(&[]);
        for _ in 0..4 * RECENT {
            clock.place("busy");
        }
        assert!(!clock.is_contended(), "one alone");
        clock.place("quiet");
        assert!(clock.is_contended());
        for _ in 0..RECENT {
            clock.place("busy");
        }
        assert!(!clock.is_contended());
    }

    #[test]
    fn many_that_have_little_each_do_not_contend() {
        let mut clock = clock(&[]);
        for index in 0..1_000 {
            let place = clock.place(&format!("t{}", index % 64));
            clock.advance(place);
        }
        assert!(!clock.is_contended());
    }

    #[test]
    fn only_tenants_that_are_ahead_are_remembered() {
        let mut clock = clock(&[]);
        for index in 0..100_000 {
            let place = clock.place(&format!("t{index}"));
            clock.advance(place);
            let next = clock.place("t");
            clock.advance(next);
        }
        assert!(clock.ends.len() <= 2 * REMEMBERED, "{}", clock.ends.len());
    }

    proptest! {
        /// Tenants that always have something ready are served in proportion to their weights.
        #[test]
        fn service_follows_weight(heavy in 1u32..9, ready in 1usize..200) {
            let mut clock = clock(&[("heavy", heavy)]);
            let mut waiting = Vec::new();
            let mut arrivals = 0;
            let mut come = |clock: &mut StepClock, tenant: &str, waiting: &mut Vec<_>| {
                arrivals += 1;
                waiting.push((clock.place(tenant), arrivals, tenant.to_owned()));
            };
            for _ in 0..ready {
                come(&mut clock, "heavy", &mut waiting);
                come(&mut clock, "light", &mut waiting);
            }
            let mut served = 0;
            for _ in 0..1_000 {
                let tenant = serve(&mut clock, &mut waiting, 1).remove(0);
                served += u32::from(tenant == "heavy");
                come(&mut clock, &tenant, &mut waiting);
            }
            let expected = 1_000 * heavy / (heavy + 1);
            prop_assert!(served.abs_diff(expected) <= 20, "{served}, not {expected}");
        }
    }
}
