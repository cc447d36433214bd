//! Tables for each rule, and properties over arbitrary traffic.

use std::collections::HashMap;
use std::time::Duration;

use orrery_types::UnixMillis;
use proptest::prelude::*;

use super::{Lane, Limits, Next, Policy, Rate, Scheduler, Share};

const AGEING: Duration = Duration::from_secs(10);

fn policy(slots: u32) -> Policy {
    Policy {
        slots,
        share: Share { weight: 1, limits: Limits::default() },
        shares: HashMap::new(),
        definitions: HashMap::new(),
        queues: HashMap::new(),
        ageing: AGEING,
    }
}

fn weighted(slots: u32, weights: &[u32]) -> Policy {
    let share = |weight: &u32| Share { weight: *weight, limits: Limits::default() };
    let shares = weights.iter().enumerate().map(|(index, weight)| (format!("t{index}"), share(weight)));
    Policy { shares: shares.collect(), ..policy(slots) }
}

fn at_once(most: u32) -> Limits {
    Limits { concurrency_max: Some(most), rate: None }
}

fn lane(tenant: &str, definition: &str) -> Lane {
    Lane { tenant: tenant.into(), definition: definition.into(), queue: String::new() }
}

fn ready<T>(next: Next<T>) -> Option<T> {
    match next {
        Next::Ready(item, _) => Some(item),
        _ => None,
    }
}

const NOW: UnixMillis = UnixMillis(1_000_000);

#[test]
fn a_newcomer_goes_before_the_backlog_of_another_tenant() {
    let mut scheduler = Scheduler::new(policy(1));
    assert!(scheduler.try_take(&lane("big", "a"), NOW));
    for item in 0..100_000 {
        scheduler.push(item, &lane("big", "a"), 0, NOW);
    }
    scheduler.push(500_000, &lane("small", "a"), 0, NOW);
    scheduler.release(&lane("big", "a"));
    let mut first_two = Vec::new();
    for _ in 0..2 {
        first_two.extend(ready(scheduler.next(NOW)));
        scheduler.release(&lane("any", "a"));
    }
    assert!(first_two.contains(&500_000), "{first_two:?}");
}

#[test]
fn a_tenant_at_its_limit_keeps_nobody_else_waiting() {
    let mut rules = policy(10);
    rules.shares.insert("capped".into(), Share { weight: 1, limits: at_once(2) });
    let mut scheduler = Scheduler::new(rules);
    assert!(scheduler.try_take(&lane("capped", "a"), NOW) && scheduler.try_take(&lane("capped", "b"), NOW));
    assert!(!scheduler.try_take(&lane("capped", "a"), NOW));
    scheduler.push(1, &lane("capped", "a"), 0, NOW);
    assert_eq!(scheduler.next(NOW), Next::Nobody);
    assert!(scheduler.try_take(&lane("free", "a"), NOW));
    scheduler.release(&lane("capped", "b"));
    assert_eq!(ready(scheduler.next(NOW)), Some(1));
}

#[test]
fn a_full_definition_does_not_hold_up_the_tenants_others_and_counts_for_each_tenant_alone() {
    let mut rules = policy(10);
    rules.definitions.insert("slow".into(), at_once(1));
    let mut scheduler = Scheduler::new(rules);
    assert!(scheduler.try_take(&lane("a", "slow"), NOW));
    assert!(scheduler.try_take(&lane("b", "slow"), NOW), "another tenant's own definition");
    scheduler.push(1, &lane("a", "slow"), 9, NOW);
    scheduler.push(2, &lane("a", "quick"), 0, NOW);
    assert_eq!(ready(scheduler.next(NOW)), Some(2));
    assert_eq!(scheduler.next(NOW), Next::Nobody);
    scheduler.release(&lane("a", "slow"));
    assert_eq!(ready(scheduler.next(NOW)), Some(1));
}

#[test]
fn a_queue_has_limits_of_its_own() {
    let mut rules = policy(10);
    rules.queues.insert("ocr".into(), at_once(1));
    let mut scheduler = Scheduler::<u32>::new(rules);
    let ocr = Lane { queue: "ocr".into(), ..lane("a", "x") };
    assert!(scheduler.try_take(&ocr, NOW));
    assert!(!scheduler.try_take(&Lane { definition: "y".into(), ..ocr.clone() }, NOW));
    assert!(scheduler.try_take(&lane("a", "x"), NOW));
}

#[test]
fn a_rate_lets_a_burst_through_and_then_says_when() {
    let rate = Some(Rate { per_second: 2.0, burst: 3.0 });
    let mut rules = policy(100);
    rules.share.limits = Limits { concurrency_max: None, rate };
    let mut scheduler = Scheduler::new(rules);
    let it = lane("a", "x");
    assert_eq!((0..5).filter(|_| scheduler.try_take(&it, NOW)).count(), 3);
    scheduler.push(1, &it, 0, NOW);
    assert_eq!(scheduler.next(NOW), Next::At(UnixMillis(NOW.0 + 500)));
    assert_eq!(scheduler.next(UnixMillis(NOW.0 + 499)), Next::At(UnixMillis(NOW.0 + 500)));
    // A clock that jumps back neither gives tokens nor stops the bucket for good.
    assert!(matches!(scheduler.next(UnixMillis(5)), Next::At(_)));
    assert_eq!(ready(scheduler.next(UnixMillis(NOW.0 + 500))), Some(1));
}

#[test]
fn priority_goes_first_but_waiting_wins_in_the_end() {
    let mut scheduler = Scheduler::new(policy(1));
    let it = lane("a", "x");
    scheduler.push("patient", &it, 0, UnixMillis(100_000));
    scheduler.push("urgent", &it, 1, UnixMillis(105_000));
    scheduler.push("late and urgent", &it, 1, UnixMillis(111_000));
    let mut order = Vec::new();
    while let Next::Ready(item, _) = scheduler.next(NOW) {
        order.push(item);
        scheduler.release(&it);
    }
    assert_eq!(order, ["urgent", "patient", "late and urgent"]);
}

#[test]
fn what_is_removed_never_comes_and_what_resumes_is_counted() {
    let mut scheduler = Scheduler::new(policy(2));
    let it = lane("a", "x");
    scheduler.push(1, &it, 0, NOW);
    scheduler.push(1, &it, 0, NOW);
    assert_eq!(scheduler.waiting(), 1);
    assert!(scheduler.remove(&1) && !scheduler.remove(&1));
    assert_eq!(scheduler.next(NOW), Next::Nobody);
    scheduler.resume(&it);
    scheduler.resume(&it);
    assert!(!scheduler.try_take(&it, NOW));
    scheduler.release(&it);
    assert!(scheduler.try_take(&it, NOW));
}

/// Serves `rounds` requests of tenants that always have one waiting; how often each was served.
fn served(weights: &[u32], rounds: usize) -> Vec<usize> {
    let mut scheduler = Scheduler::new(weighted(1, weights));
    let mut counts = vec![0; weights.len()];
    let mut id = 0;
    for tenant in 0..weights.len() {
        scheduler.push((tenant, id), &lane(&format!("t{tenant}"), "x"), 0, NOW);
    }
    for _ in 0..rounds {
        let Next::Ready((tenant, _), _) = scheduler.next(NOW) else { panic!("nobody is served") };
        counts[tenant] += 1;
        id += 1;
        scheduler.push((tenant, id), &lane(&format!("t{tenant}"), "x"), 0, NOW);
        scheduler.release(&lane(&format!("t{tenant}"), "x"));
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// F-2, and with it that no tenant starves.
    #[test]
    fn shares_converge_to_weights(weights in prop::collection::vec(1u32..16, 2..8)) {
        let rounds = 2_000;
        let counts = served(&weights, rounds);
        let total: u32 = weights.iter().sum();
        for (weight, count) in weights.iter().zip(&counts) {
            let fair = rounds as f64 * f64::from(*weight) / f64::from(total);
            // Start-time fair queueing is never further off than one request of each tenant.
            prop_assert!((*count as f64 - fair).abs() <= weights.len() as f64 + 1.0, "{weights:?} {counts:?}");
        }
    }

    /// F-1: whatever comes, takes and leaves, no limit is exceeded, and nobody waits without a reason.
    #[test]
    fn limits_hold_and_nobody_waits_for_nothing(
        steps in prop::collection::vec((0usize..4, 0usize..3, 0u32..3, any::<bool>()), 1..400),
        slots in 1u32..6, tenant_max in 1u32..4, definition_max in 1u32..3,
    ) {
        let mut rules = policy(slots);
        rules.share.limits = at_once(tenant_max);
        rules.definitions.insert("d0".into(), at_once(definition_max));
        let mut scheduler = Scheduler::new(rules);
        let mut running: Vec<Lane> = Vec::new();
        let mut waiting: HashMap<usize, Lane> = HashMap::new();
        for (id, (tenant, definition, priority, leaves)) in steps.into_iter().enumerate() {
            if leaves && !running.is_empty() {
                scheduler.release(&running.swap_remove(id % running.len()));
            } else {
                let it = lane(&format!("t{tenant}"), &format!("d{definition}"));
                if scheduler.try_take(&it, NOW) {
                    running.push(it);
                } else {
                    scheduler.push(id, &it, priority, NOW);
                    waiting.insert(id, it);
                }
            }
            while let Next::Ready(id, _) = scheduler.next(NOW) {
                running.push(waiting.remove(&id).expect("it waited"));
            }
            let used = |what: &dyn Fn(&Lane) -> bool| running.iter().filter(|it| what(it)).count() as u32;
            prop_assert!(used(&|_| true) <= slots && scheduler.in_use() == used(&|_| true));
            let is_full = |it: &Lane| {
                used(&|other| other.tenant == it.tenant) >= tenant_max
                    || (it.definition == "d0" && used(&|other| other == it) >= definition_max)
            };
            for tenant in 0..4 {
                let tenant = format!("t{tenant}");
                prop_assert!(used(&|it| it.tenant == tenant) <= tenant_max);
                prop_assert!(used(&|it| *it == lane(&tenant, "d0")) <= definition_max);
            }
            prop_assert_eq!(scheduler.waiting(), waiting.len());
            prop_assert!(used(&|_| true) == slots || waiting.values().all(is_full), "someone waits for nothing");
        }
    }

    /// F-3: who came `(p - q)` steps of ageing before another is served before it.
    #[test]
    fn ageing_bounds_waiting(arrivals in prop::collection::vec((0u64..60_000, 0u32..4), 1..60)) {
        let mut scheduler = Scheduler::new(policy(1));
        let it = lane("a", "x");
        for (id, (since, priority)) in arrivals.iter().enumerate() {
            scheduler.push(id, &it, *priority, UnixMillis(100_000 + since));
        }
        let mut order = Vec::new();
        while let Next::Ready(id, _) = scheduler.next(NOW) {
            order.push(id);
            scheduler.release(&it);
        }
        prop_assert_eq!(order.len(), arrivals.len());
        for (position, later) in order.iter().enumerate() {
            for earlier in &order[..position] {
                let (first, then) = (arrivals[*earlier], arrivals[*later]);
                let head_start = u64::from(first.1.saturating_sub(then.1)) * 10_000;
                prop_assert!(first.0 <= then.0 + head_start, "{first:?} was served before {then:?}");
            }
        }
    }
}
