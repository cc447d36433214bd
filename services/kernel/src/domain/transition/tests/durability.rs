//! Properties: in whatever order results, duplicates and wake-ups come, the replay equals the live state (checked by the
//! harness after each command), duplicates change nothing, and every effect has its own key.

use std::collections::HashSet;

use proptest::prelude::*;
use serde_json::json;

use super::harness::{Bench, nothing, person};
use crate::domain::command::{Command, Reject, Reply};
use crate::domain::effect::Effect;
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::Activity;
use crate::domain::transition::unfinished;

const WORKFLOW: &str = "do:
  - gather:
      fork:
        branches:
          - texts:
              for: {each: t, in: '[1, 2, 3]'}
              do:
                - one: {call: orrery.embed, with: {texts: ['${ $t | tostring }']}}
          - guarded:
              try:
                - risky: {call: orrery.classify, with: {text: x, labels: [a, b]}}
              catch:
                retry: {delay: PT1S, limit: {attempt: {count: 2}}}
                do:
                  - ask: {call: orrery.human, with: {title: help, roles: [adjuster]}}
          - sleeper: {wait: PT10S}
  - last: {call: orrery.register, with: {key: k, value: v}}
";

/// Does one thing that may happen next, chosen by a number.
fn happen(bench: &mut Bench, choice: u8) {
    let calls = bench.calls();
    match choice % 8 {
        0..=3 if !calls.is_empty() => {
            let key = calls[usize::from(choice) % calls.len()].key.clone();
            bench
                .send(Command::FinishCall {
                    key,
                    outcome: Ok(Reply { output: json!({"n": choice}), decisions: vec![] }),
                })
                .unwrap();
        }
        4 if !calls.is_empty() => {
            let key = calls[usize::from(choice) % calls.len()].key.clone();
            // Failing a call outside the `try` may end the run, which is one of the outcomes to check.
            if key.contains("risky") {
                bench.send(Command::FinishCall { key, outcome: Err(Fault::new(Standard::Runtime, "no")) }).unwrap();
            }
        }
        5 => {
            let review = bench.state.frames.values().find_map(|frame| match &frame.activity {
                Activity::Human { review } => Some(review.id.clone()),
                _ => None,
            });
            if let Some(review) = review {
                let by = person("bob", "adjuster");
                let (decision, reason) = ("approve".to_owned(), "fine".to_owned());
                bench.send(Command::Decide { review, by, decision, reason, edits: json!(null) }).unwrap();
            }
        }
        _ => {
            if bench.state.wake_at().is_some() {
                bench.wait();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_of_happenings_keeps_the_invariants(choices in prop::collection::vec(any::<u8>(), 1..60)) {
        let mut bench = Bench::run(WORKFLOW, nothing());
        for choice in choices {
            if bench.state.is_over() {
                break;
            }
            let sent: Vec<String> = bench.calls().into_iter().map(|call| call.key).collect();
            happen(&mut bench, choice);
            // A second result for anything that is over is refused and leaves no trace.
            let live: HashSet<String> = bench.calls().into_iter().map(|call| call.key).collect();
            for key in sent.into_iter().filter(|key| !live.contains(key)) {
                let before = bench.state.clone();
                let again = Command::FinishCall { key, outcome: Err(Fault::new(Standard::Runtime, "late")) };
                let refused = bench.send(again).unwrap_err();
                prop_assert!(matches!(refused, Reject::Stale | Reject::Over));
                prop_assert!(bench.state == before);
            }
            // What a restart would send again is exactly what is under way.
            let resent: HashSet<String> = unfinished(&bench.state).into_iter().filter_map(|effect| match effect {
                Effect::Call(call) => Some(call.key),
                _ => None,
            }).collect();
            prop_assert_eq!(resent, bench.calls().into_iter().map(|call| call.key).collect::<HashSet<_>>());
        }
        let keys: Vec<&String> = bench.effects.iter().filter_map(|effect| match effect {
            Effect::Call(call) => Some(&call.key),
            _ => None,
        }).collect();
        prop_assert_eq!(keys.len(), keys.iter().collect::<HashSet<_>>().len(), "two calls share a key");
    }
}

#[test]
fn cancelling_at_every_point_ends_the_run_and_gives_up_what_is_under_way() {
    for steps in 0..14 {
        let mut bench = Bench::run(WORKFLOW, nothing());
        for choice in 0..steps {
            if !bench.state.is_over() {
                happen(&mut bench, choice);
            }
        }
        if bench.state.is_over() {
            continue;
        }
        let under_way: Vec<String> = bench.calls().into_iter().map(|call| call.key).collect();
        bench.effects.clear();
        bench.send(Command::Cancel { by: "alice".into(), reason: "stop".into() }).unwrap();
        for key in under_way {
            assert!(bench.effects.contains(&Effect::CancelCall { key }));
        }
        assert_eq!(bench.send(Command::Wake), Err(Reject::Over));
        assert!(bench.state.wake_at().is_none() && bench.state.frames.is_empty());
    }
}

#[test]
fn the_last_record_counts_all_records() {
    let mut bench = Bench::run("do:\n  - e: {call: orrery.embed, with: {texts: [a]}}\n", nothing());
    bench.answer(json!({"vectors": []})).unwrap();
    let audited = bench.events.iter().filter(|event| event.fact.is_audited()).count() as u64;
    assert_eq!((bench.state.audited, audited), (3, 3));
}
