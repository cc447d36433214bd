//! Limits of tenants, workflows and queues hold over all kernel processes: each goes by its part of them. Of a limit below the
//! number of processes each has one, since the runs of its partitions can begin nowhere else.

use parking_lot::RwLock;

use crate::config::FairnessConfig;
use crate::domain::fairness::Policy;

/// Which part of the limits a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Processes that live; 1 at least.
    pub of: u32,
    /// Its place among them, from 0: the first get what does not divide evenly.
    pub rank: u32,
}

impl Part {
    /// All of it.
    pub const WHOLE: Self = Self { of: 1, rank: 0 };

    /// Of `me` among those that live.
    pub fn among(live: &[String], me: &str) -> Self {
        let mut members: Vec<&str> = live.iter().map(String::as_str).filter(|member| *member != me).collect();
        members.sort_unstable();
        let rank = members.iter().filter(|member| **member < me).count();
        let small = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self { of: small(members.len()).saturating_add(1), rank: small(rank) }
    }

    /// Of a number of things.
    pub fn count(self, whole: u32) -> u32 {
        let of = self.of.max(1);
        (whole / of + u32::from(self.rank < whole % of)).max(1)
    }

    /// Of so many per second.
    pub fn rate(self, whole: f64) -> f64 {
        whole / f64::from(self.of.max(1))
    }
}

/// This process's part.
#[derive(Debug)]
pub struct Shares {
    config: FairnessConfig,
    part: RwLock<Part>,
}

impl Shares {
    /// All of it, until others are known.
    pub fn new(config: FairnessConfig) -> Self {
        Self { config, part: RwLock::new(Part::WHOLE) }
    }

    /// The part by which it goes.
    pub fn part(&self) -> Part {
        *self.part.read()
    }

    /// Goes by this part from here on, and gives the one before.
    pub fn change(&self, part: Part) -> Part {
        std::mem::replace(&mut *self.part.write(), part)
    }

    fn own(&self) -> FairnessConfig {
        self.config.part(self.part())
    }

    /// Which runs may begin here.
    pub fn runs(&self) -> Policy {
        self.own().runs()
    }

    /// Which calls may be made here.
    pub fn calls(&self) -> Policy {
        self.own().calls()
    }

    /// What workers may take here.
    pub fn leases(&self) -> Policy {
        self.own().leases()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::{DefinitionLimits, QueueLimits, TenantLimits};

    #[test]
    fn the_parts_of_all_make_the_whole() {
        for of in 1..=7 {
            let parts: Vec<Part> = (0..of).map(|rank| Part { of, rank }).collect();
            for whole in 1..=20 {
                let sum: u32 = parts.iter().map(|part| part.count(whole)).sum();
                assert_eq!(sum, whole.max(of), "{whole} among {of}");
            }
            let rate: f64 = parts.iter().map(|part| part.rate(2.5)).sum();
            assert!((rate - 2.5).abs() < 1e-9);
        }
        let live = ["c", "a", "b"].map(str::to_owned);
        let ranks = ["a", "b", "c"].map(|me| Part::among(&live, me).rank);
        assert_eq!((ranks, Part::among(&live, "a").of), ([0, 1, 2], 3));
        assert_eq!(Part::among(&[], "a"), Part::WHOLE, "who is not listed yet is there all the same");
    }

    #[test]
    fn what_a_process_can_hold_is_its_own_and_what_is_limited_is_divided() {
        let tenant = TenantLimits { runs_max: Some(5), starts_per_second: Some(4.0), ..TenantLimits::default() };
        let definition = DefinitionLimits { runs_max: Some(1), ..DefinitionLimits::default() };
        let queue = QueueLimits { leases_max: Some(8), leases_per_second: Some(6.0), leases_burst: Some(3.0) };
        let config = FairnessConfig {
            tenants: [("acme".to_owned(), tenant)].into(),
            definitions: [("claims".to_owned(), definition)].into(),
            queues: [("ocr".to_owned(), queue)].into(),
            ..FairnessConfig::default()
        };
        let shares = Shares::new(config);
        assert_eq!(shares.change(Part { of: 2, rank: 1 }), Part::WHOLE);
        let runs = shares.runs();
        let acme = runs.share_of("acme").limits;
        assert_eq!(
            (acme.concurrency_max, acme.rate.unwrap().per_second, acme.rate.unwrap().burst),
            (Some(2), 2.0, 2.0)
        );
        assert_eq!(runs.definitions["claims"].concurrency_max, Some(1));
        assert_eq!((runs.slots, runs.share_of("other").limits.concurrency_max), (512, Some(384)));
        let ocr = shares.leases().queues["ocr"].rate.unwrap();
        assert_eq!((ocr.per_second, ocr.burst), (3.0, 1.5));
    }
}
