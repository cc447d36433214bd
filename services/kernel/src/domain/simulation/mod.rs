//! Seeded simulation: workflows made up from a seed run in a model of the shell whose processes crash, stop and go on as
//! zombies, whose messages come late, twice and in any order, and whose clocks differ. Every history is held against the
//! invariants of a durable run and against the same workflow in a world without faults.
//!
//! A failure prints its seed. `ORRERY_SIMULATION_SEED=<seed> cargo test -p orrery-kernel --lib simulation` runs that one
//! again, and `ORRERY_SIMULATION_SCHEDULES=<n>` as many as one has time for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod chance;
mod checks;
mod database;
mod outside;
mod shell;
mod workflows;
mod world;

use std::sync::Arc;

use chance::Chance;
use orrery_config::env;
use world::{Faults, Flaw, World};

/// Schedules in each run of the tests: a few seconds.
const SCHEDULES: u64 = if cfg!(debug_assertions) { 100 } else { 2_000 };
/// Schedules of one workflow.
const EACH: u64 = 5;

fn faults(chance: &mut Chance) -> Faults {
    Faults {
        crashes: chance.below(30),
        zombies: chance.below(15),
        duplicates: chance.below(30),
        delays: chance.below(40),
        idle_wakes: chance.below(10),
        lost_commits: chance.below(10),
        until_turn: 50 + chance.below(600),
        skew: chance.percent(50),
    }
}

/// What is wrong with the schedules of one workflow; empty: nothing.
fn simulate(seed: u64, flaw: Option<Flaw>) -> Vec<String> {
    let mut chance = Chance::new(seed);
    let definitions: Vec<_> = workflows::workflows(&mut chance).into_iter().map(Arc::new).collect();
    let calm = World::new(&definitions, 1, Faults::default(), None).live();
    let found = checks::violations(&calm);
    assert!(found.is_empty(), "without any fault, seed {seed}: {found:#?}");
    let wanted = checks::summary(&calm);
    for _ in 0..EACH {
        let faults = faults(&mut chance);
        let world = World::new(&definitions, chance.next(), faults, flaw).live();
        let found = checks::violations(&world);
        if !found.is_empty() {
            return found;
        }
        let came = checks::summary(&world);
        if came != wanted {
            return vec![format!(
                "another outcome than without faults ({faults:?}):\n{came:#?}\ninstead of\n{wanted:#?}"
            )];
        }
    }
    Vec::new()
}

#[test]
fn every_schedule_keeps_the_invariants() {
    let number = |name| env::read(name).and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number(env::SIMULATION_SEED) {
        let found = simulate(seed, None);
        assert!(found.is_empty(), "seed {seed}: {found:#?}");
        return;
    }
    let first = u64::from(std::process::id()) << 32;
    for seed in (first..).take(usize::try_from(number(env::SIMULATION_SCHEDULES).unwrap_or(SCHEDULES) / EACH).unwrap())
    {
        let found = simulate(seed, None);
        assert!(found.is_empty(), "run again with {}={seed}: {found:#?}", env::SIMULATION_SEED);
    }
}

#[test]
fn every_flaw_is_caught() {
    for flaw in [
        Flaw::ActsBeforeCommit,
        Flaw::TakesStaleEpochs,
        Flaw::ForgetsKeysOfStarts,
        Flaw::LosesEvents,
        Flaw::ForgetsUnfinished,
        Flaw::KeepsTimersInMemory,
        Flaw::KeepsErrandsInMemory,
        Flaw::LeavesOrphans,
        Flaw::ForgetsUnknownCommits,
        Flaw::TakesAnyAnswer,
        Flaw::ProviderForgetsKeys,
        Flaw::ClockFarAhead,
    ] {
        let caught = (0..400).find_map(|seed| simulate(seed, Some(flaw)).into_iter().next().map(|it| (seed, it)));
        let (seed, violation) = caught.unwrap_or_else(|| panic!("{flaw:?} was not caught"));
        println!("{flaw:?}: seed {seed}: {}", violation.lines().next().unwrap_or_default());
    }
}
