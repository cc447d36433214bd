//! Cancelling, terminating and undoing; signals and updates; pausing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::harness::{Bench, nothing};
use crate::domain::command::{Command, Reject, Reply, Scope, Signal};
use crate::domain::definition;
use crate::domain::effect::Effect;
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{State, Status};
use crate::domain::transition::{STEPS_MAX, transition};

const TRIP: &str = "do:
  - flight:
      call: orrery.register
      with: {key: flight, value: '${ .city }'}
      metadata:
        orrery.compensate:
          do: [{release: {call: orrery.register, with: {key: flight-undone, value: '${ $step.output.seat }'}}}]
  - rooms:
      for: {each: night, in: '[1, 2]'}
      do:
        - room:
            call: orrery.register
            with: {key: room, value: '${ $night }'}
            metadata:
              orrery.compensate:
                do: [{leave: {call: orrery.register, with: {key: room-undone, value: '${ $night }'}}}]
  - plate:
      call: orrery.register
      with: {key: plate, value: x}
      metadata: {orrery.compensate: {after: cancel, do: [{drop: {call: orrery.register, with: {key: plate-undone, value: x}}}]}}
  - last: {call: orrery.register, with: {key: last, value: x}}
";

/// Up to the last step, which is under way.
fn trip() -> Bench {
    let mut bench = Bench::run(TRIP, json!({"city": "Oslo"}));
    for seat in ["4A", "r1", "r2", "p"] {
        bench.answer(json!({"seat": seat})).unwrap();
    }
    assert_eq!(bench.state.active(), ["/do/3/last"]);
    bench
}

fn cancel() -> Command {
    Command::Cancel { by: "alice".into(), reason: "stop".into() }
}

/// The key and value of each undoing, in order; each is answered.
fn undoing(bench: &mut Bench) -> Vec<(String, Value)> {
    let mut seen = Vec::new();
    while let Some(call) = bench.calls().first().cloned() {
        seen.push((call.arguments["key"].as_str().unwrap().to_owned(), call.arguments["value"].clone()));
        bench.answer(nothing()).unwrap();
    }
    seen
}

#[test]
fn cancelling_undoes_the_steps_in_reverse_order_of_their_completion() {
    let mut bench = trip();
    let last = bench.calls()[0].key.clone();
    bench.send(cancel()).unwrap();
    assert!(bench.effects.contains(&Effect::CancelCall { key: last.clone() }));
    assert_eq!(bench.state.status, Status::Running, "it is still undoing");
    assert_eq!(bench.state.wake_at(), None);
    bench.send(cancel()).unwrap();
    let undone = undoing(&mut bench);
    let expected = [
        ("plate-undone", json!("x")),
        ("room-undone", json!(2)),
        ("room-undone", json!(1)),
        ("flight-undone", json!("4A")),
    ];
    assert_eq!(undone, expected.map(|(key, value)| (key.to_owned(), value)));
    assert_eq!(bench.state.status, Status::Cancelled);
    let kinds = bench.kinds();
    assert_eq!(kinds.iter().filter(|kind| **kind == "compensation.completed").count(), 4);
    assert_eq!(bench.send(Command::Wake), Err(Reject::Over));
}

#[test]
fn an_uncaught_error_undoes_the_steps_that_say_so_and_stays_the_end_of_the_run() {
    let mut bench = trip();
    bench.refuse(Fault::new(Standard::Runtime, "full")).unwrap();
    let keys: Vec<String> = undoing(&mut bench).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["room-undone", "room-undone", "flight-undone"], "`after: cancel` is left out");
    assert_eq!(bench.fault().detail.as_deref(), Some("full"));
}

#[test]
fn an_undoing_that_fails_is_retried_and_keeps_no_other_from_it() {
    let mut bench = trip();
    bench.send(cancel()).unwrap();
    let mut keys = std::collections::HashSet::new();
    for _ in 0..9 {
        keys.insert(bench.calls()[0].key.clone());
        bench.refuse(Fault::new(Standard::Communication, "down")).unwrap();
        if bench.calls().is_empty() {
            bench.wait();
        }
    }
    assert_eq!(keys.len(), 9, "each attempt has its own key");
    assert!(bench.kinds().contains(&"compensation.failed"));
    assert_eq!(undoing(&mut bench).len(), 3);
    assert_eq!(bench.state.status, Status::Cancelled);
}

#[test]
fn terminating_undoes_nothing_even_while_undoing() {
    let terminate = || Command::Terminate { by: "alice".into(), reason: "now".into(), replaced_by: None };
    let mut bench = trip();
    bench.send(terminate()).unwrap();
    assert_eq!(bench.state.status, Status::Terminated);
    let mut bench = trip();
    bench.send(cancel()).unwrap();
    let key = bench.calls()[0].key.clone();
    bench.send(terminate()).unwrap();
    assert_eq!(bench.state.status, Status::Terminated);
    assert!(bench.effects.contains(&Effect::CancelCall { key }));
}

#[test]
fn a_run_that_is_closed_closes_its_children_by_their_policy() {
    for (policy, expected) in [("cancel", Some(false)), ("terminate", Some(true)), ("abandon", None)] {
        let body = format!(
            "do:\n  - sub:\n      run: {{workflow: {{namespace: t, name: c, version: 1.0.0}}}}\n      metadata: {{orrery.parent_close: {policy}}}\n"
        );
        let mut bench = Bench::run(&body, nothing());
        bench.effects.clear();
        bench.send(cancel()).unwrap();
        let closed = bench.effects.iter().find_map(|effect| match effect {
            Effect::CancelChild { terminate, .. } => Some(*terminate),
            _ => None,
        });
        assert_eq!(closed, expected, "{policy}");
    }
}

#[test]
fn what_a_compensation_may_say_is_checked_when_it_is_deployed() {
    let cases = [
        ("{do: []}", "needs `do`"),
        ("{do: [{a: {sett: {x: 1}}}]}", "/metadata/orrery.compensate/do/0"),
        ("{do: [{a: {set: {x: '${ $nope }'}}}]}", "nope"),
        ("{do: [{a: {set: {x: 1}}}], after: never}", "`after` names"),
        ("{do: [{a: {set: {x: 1}}}], when: now}", "unknown field"),
    ];
    for (compensation, expected) in cases {
        let text = format!(
            "document: {{dsl: 1.0.0, namespace: t, name: n, version: 1.0.0}}\ndo:\n  - s: {{set: {{x: 1}}, metadata: {{orrery.compensate: {compensation}}}}}\n"
        );
        let problems = definition::parse(&text).err().map(|problems| problems.to_string()).unwrap_or_default();
        assert!(problems.contains(expected), "{compensation}: {problems}");
    }
}

fn signal(name: &str, key: &str, payload: Value) -> Signal {
    Signal { key: key.into(), name: name.into(), payload: Arc::new(payload), by: "bob".into() }
}

fn send_signal(name: &str, key: &str, payload: Value) -> Command {
    Command::Signal(Box::new(signal(name, key, payload)))
}

const TWO_SIGNALS: &str = "do:
  - first: {call: orrery.signal, with: {name: [go, skip]}}
  - second: {call: orrery.signal, with: {name: go, timeout: PT1H}}
";

#[test]
fn signals_wait_for_the_step_that_asks_and_come_in_order() {
    let mut bench = Bench::run(TWO_SIGNALS, nothing());
    bench.send(send_signal("other", "", json!(0))).unwrap();
    bench.send(send_signal("skip", "", json!(1))).unwrap();
    assert_eq!(bench.state.active(), ["/do/1/second"]);
    bench.send(send_signal("go", "", json!(2))).unwrap();
    assert_eq!(bench.output(), json!({"name": "go", "payload": 2, "sent_by": "bob"}));

    let body = format!("do:\n  - hold: {{wait: PT1S}}\n{}", TWO_SIGNALS.trim_start_matches("do:\n"));
    let mut bench = Bench::run(&body, nothing());
    for payload in 1..=2 {
        bench.send(send_signal("go", "", json!(payload))).unwrap();
    }
    assert_eq!(bench.state.signals.len(), 2);
    bench.wait();
    assert_eq!(bench.output()["payload"], json!(2));
}

#[test]
fn a_listen_hears_signals_that_it_names_once_and_late_ones_too() {
    let listen = |to: &str| format!("do:\n  - l: {{listen: {{to: {to}, read: envelope}}}}\n");
    let named = listen("{one: {with: {type: orrery.signal.go, data: '${ . > 1 }'}}}");
    let mut bench = Bench::run(&named, nothing());
    for (name, payload) in [("stop", 5), ("go", 1), ("go", 2), ("go", 3)] {
        if !bench.state.is_over() {
            bench.send(send_signal(name, "", json!(payload))).unwrap();
        }
    }
    let heard = &bench.output()[0];
    assert_eq!(
        (&heard["type"], &heard["source"], &heard["data"]),
        (&json!("orrery.signal.go"), &json!("bob"), &json!(2))
    );
    assert_eq!(bench.kinds().iter().filter(|kind| **kind == "signal.taken").count(), 1);

    // Those that came before are kept until then, each is taken once, and the others stay.
    let all = listen("{all: [{with: {type: orrery.signal.go}}, {with: {type: orrery.signal.stop}}]}");
    let mut bench = Bench::run(&all.replace("do:\n", "do:\n  - w: {wait: PT1S}\n"), nothing());
    for (name, payload) in [("go", 1), ("go", 2), ("other", 3)] {
        bench.send(send_signal(name, "", json!(payload))).unwrap();
    }
    bench.wait();
    let waiting: Vec<_> = bench.state.signals.iter().map(|it| (it.name.clone(), (*it.payload).clone())).collect();
    assert_eq!(waiting, [("go".to_owned(), json!(2)), ("other".to_owned(), json!(3))]);
    bench.send(send_signal("stop", "", json!(4))).unwrap();
    assert_eq!(
        bench.output().as_array().unwrap().iter().map(|it| it["data"].clone()).collect::<Vec<_>>(),
        [json!(1), json!(4)]
    );
}

#[test]
fn a_signal_is_heard_only_by_name_and_comes_from_nowhere_else() {
    for to in
        ["{any: []}", "{any: [{with: {source: 'https://bob.example'}}]}", "{one: {with: {type: 'orrery.signal.*'}}}"]
    {
        let mut bench = Bench::run(&format!("do:\n  - l: {{listen: {{to: {to}}}}}\n"), nothing());
        bench.send(send_signal("go", "", json!(1))).unwrap();
        assert_eq!(bench.state.signals.len(), 1, "{to}");
    }
    let mut bench = Bench::run("do:\n  - l: {listen: {to: {one: {with: {type: orrery.signal.go}}}}}\n", nothing());
    let forged = json!({"specversion": "1.0", "id": "1", "source": "https://x.org", "type": "orrery.signal.go"});
    bench.send(Command::Event { event: Arc::new(forged) }).unwrap();
    assert_eq!(bench.state.active(), ["/do/0/l"]);
}

#[test]
fn a_signal_that_does_not_come_is_a_timeout() {
    let mut bench = Bench::run(TWO_SIGNALS, nothing());
    bench.send(send_signal("go", "", json!(null))).unwrap();
    assert_eq!(bench.wait(), 3_600_000);
    assert_eq!(bench.fault().status, 408);
}

#[test]
fn a_key_makes_a_signal_count_once() {
    let mut bench = Bench::run(TWO_SIGNALS, nothing());
    bench.send(send_signal("go", "k", json!(1))).unwrap();
    let before = bench.state.clone();
    bench.send(send_signal("go", "k", json!(1))).unwrap();
    assert!(bench.state == before, "sent again, it changes nothing");
    assert!(matches!(bench.send(send_signal("go", "k", json!(2))), Err(Reject::Conflict(_))));
    bench.send(send_signal("go", "k2", json!(1))).unwrap();
    assert_eq!(bench.send(send_signal("go", "k3", json!(1))), Err(Reject::Over));
}

#[test]
fn signals_are_bounded() {
    let mut bench = Bench::run("do:\n  - w: {wait: PT1H}\n", nothing());
    assert!(matches!(bench.send(send_signal("", "", json!(1))), Err(Reject::Invalid(_))));
    let long = json!("x".repeat(300_000));
    assert!(matches!(bench.send(send_signal("go", "", long)), Err(Reject::TooLarge(_))));
    let payload = json!("x".repeat(250_000));
    let full = (0..100).find_map(|_| {
        let taken = transition(&bench.state, &bench.definition, send_signal("go", "", payload.clone()), bench.now);
        taken.map(|moved| bench.state = moved.state).err()
    });
    assert!(matches!(full, Some(Reject::Full(_))), "{full:?}");
}

#[test]
fn updates_are_checked_before_they_are_taken() {
    let text = "document:
  dsl: 1.0.0
  namespace: t
  name: n
  version: 1.0.0
  metadata:
    orrery.updates:
      amount:
        schema: {type: object, required: [to], properties: {to: {type: integer}}}
        accept: if $payload.to > $input.most then \"at most \\($input.most)\" else true end
        result: .amount
do:
  - ask: {call: orrery.signal, with: {name: amount}, export: {as: '{amount: .payload.to}'}}
  - hold: {wait: PT1H}
";
    let mut bench = Bench::run("do: []\n", json!({"most": 10}));
    bench.definition = definition::parse(text).unwrap();
    bench.state = State::new((*bench.state.run).clone());
    bench.events.clear();
    bench.send(Command::Start).unwrap();
    let update = |name: &str, payload: Value| Command::Update(Box::new(signal(name, "", payload)));
    let Err(Reject::Invalid(reason)) = bench.send(update("size", json!({}))) else { panic!("unknown") };
    assert!(reason.contains("amount"), "{reason}");
    assert!(matches!(bench.send(update("amount", json!({"to": "x"}))), Err(Reject::Refused(_))));
    let refused = bench.send(update("amount", json!({"to": 11})));
    assert_eq!(refused, Err(Reject::Refused(vec!["at most 10".into()])));
    let seq = bench.state.seq;
    bench.send(update("amount", json!({"to": 7}))).unwrap();
    assert!(bench.state.seq > seq);
    assert_eq!(*bench.state.context, json!({"amount": 7}));
}

#[test]
fn nothing_new_is_scheduled_while_paused_and_results_are_kept() {
    let body = "do:
  - work:
      fork:
        branches:
          - one:
              do:
                - a: {call: orrery.register, with: {key: a, value: 1}}
                - b: {call: orrery.register, with: {key: b, value: 1}}
          - two: {wait: PT1M}
  - last: {call: orrery.register, with: {key: c, value: 1}}
";
    let pause = |scope| Command::Pause { scope, by: "alice".into(), reason: "look".into() };
    let resume = |scope| Command::Resume { scope, by: "alice".into() };
    let mut bench = Bench::run(body, nothing());
    bench.send(pause(Scope::Run)).unwrap();
    bench.send(pause(Scope::Run)).unwrap();
    bench.send(pause(Scope::Tenant)).unwrap();
    bench.answer(nothing()).unwrap();
    assert!(bench.calls().is_empty(), "b is not scheduled");
    assert_eq!(bench.state.wake_at(), None);
    bench.now.0 += 3_600_000;
    bench.send(Command::Wake).unwrap();
    bench.send(Command::Continue).unwrap();
    bench.send(resume(Scope::Run)).unwrap();
    assert!(bench.calls().is_empty(), "the tenant is still paused");
    assert_eq!(bench.state.active(), ["/do/0/work/fork/branches/1/two"]);
    bench.send(resume(Scope::Tenant)).unwrap();
    assert_eq!(bench.state.active(), ["/do/0/work/fork/branches/0/one/do/1/b"], "the wait that was due is over");
    bench.answer(nothing()).unwrap();
    bench.answer(nothing()).unwrap();
    bench.output();
}

#[test]
fn a_paused_run_can_be_cancelled() {
    let mut bench = trip();
    bench.send(Command::Pause { scope: Scope::Run, by: "a".into(), reason: String::new() }).unwrap();
    bench.send(cancel()).unwrap();
    assert_eq!(undoing(&mut bench).len(), 4);
    assert_eq!(bench.state.status, Status::Cancelled);
}

const MAP: &str = "do:
  - each:
      call: orrery.map
      with:
        items: '${ .items }'
        workflow: {namespace: t, name: item, version: 1.0.0}
        concurrency: 3
        tolerated_failures: 1
";

/// Runs of items that were asked for, in order, with their inputs.
fn items(bench: &Bench) -> Vec<(String, Value)> {
    let started = bench.effects.iter().filter_map(|effect| match effect {
        Effect::StartChild(child) => Some((child.key.clone(), child.input.clone())),
        _ => None,
    });
    started.collect()
}

fn item_finished(bench: &mut Bench, at: usize, outcome: Result<Value, Fault>) -> Result<(), Reject> {
    let key = items(bench)[at].0.clone();
    bench.send(Command::ChildFinished { key, outcome })
}

#[test]
fn a_map_runs_a_bounded_number_at_a_time_and_keeps_the_order() {
    let mut bench = Bench::run(MAP, json!({"items": [10, 20, 30, 40, 50]}));
    assert_eq!(items(&bench).len(), 3);
    item_finished(&mut bench, 2, Ok(json!("c"))).unwrap();
    assert_eq!(items(&bench)[3].1, json!(40));
    assert_eq!(item_finished(&mut bench, 2, Ok(json!("again"))), Err(Reject::Stale));
    bench.send(Command::Pause { scope: Scope::Run, by: "a".into(), reason: String::new() }).unwrap();
    item_finished(&mut bench, 0, Ok(json!("a"))).unwrap();
    assert_eq!(items(&bench).len(), 4, "paused");
    bench.send(Command::Resume { scope: Scope::Run, by: "a".into() }).unwrap();
    assert_eq!(items(&bench).len(), 5);
    for (at, output) in [(4, "e"), (3, "d")] {
        item_finished(&mut bench, at, Ok(json!(output))).unwrap();
    }
    item_finished(&mut bench, 1, Err(Fault::new(Standard::Runtime, "no"))).unwrap();
    let output = bench.output();
    assert_eq!((&output[0], &output[2], &output[4]), (&json!("a"), &json!("c"), &json!("e")));
    assert_eq!(output[1]["error"]["detail"], json!("no"));
}

#[test]
fn a_map_fails_when_more_items_fail_than_it_tolerates() {
    let mut bench = Bench::run(MAP, json!({"items": [1, 2, 3, 4]}));
    for at in 0..2 {
        item_finished(&mut bench, at, Err(Fault::new(Standard::Runtime, "no"))).unwrap();
    }
    assert!(bench.fault().detail.as_deref().unwrap().contains("2 items failed, 1 are tolerated"));
    assert_eq!(bench.effects.iter().filter(|it| matches!(it, Effect::CancelChild { .. })).count(), 2);
    let empty = Bench::run(MAP, json!({"items": []}));
    assert_eq!(empty.output(), json!([]));
    let wrong = Bench::run(MAP, json!({"items": 7}));
    assert_eq!(wrong.fault().status, 400);
}

/// Commands one by one without the harness's replay, which would be quadratic here.
fn drive(bench: &mut Bench, command: Command) -> Vec<Effect> {
    let (mut command, mut effects) = (command, Vec::new());
    loop {
        let moved = transition(&bench.state, &bench.definition, command, bench.now).unwrap();
        bench.state = moved.state;
        let again = moved.effects.contains(&Effect::Continue);
        effects.extend(moved.effects);
        if !again || bench.state.is_over() {
            return effects;
        }
        command = Command::Continue;
    }
}

#[test]
fn a_map_of_ten_thousand_items_takes_small_steps() {
    // A build without optimisation takes a minute for all of them.
    let total: u64 = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
    let mut bench = Bench::new(MAP, json!({"items": (0..total).collect::<Vec<_>>()}));
    let mut open: Vec<String> = Vec::new();
    let keys = |effects: Vec<Effect>| {
        effects.into_iter().filter_map(|effect| match effect {
            Effect::StartChild(child) => Some(child.key.clone()),
            _ => None,
        })
    };
    open.extend(keys(drive(&mut bench, Command::Start)));
    let mut done = 0_u64;
    while let Some(key) = open.pop() {
        let index: u64 = key.rsplit('/').next().unwrap().parse().unwrap();
        let started = drive(&mut bench, Command::ChildFinished { key, outcome: Ok(json!(index * 2)) });
        assert!(started.len() <= 1, "one item that ends starts one");
        open.extend(keys(started));
        done += 1;
    }
    assert_eq!(done, total);
    let output = bench.output();
    assert!(output.as_array().unwrap().iter().enumerate().all(|(index, value)| *value == json!(index * 2)));
}

#[test]
fn a_run_that_waits_between_its_rounds_may_take_any_number_of_steps() {
    let body = "do:
  - round: {for: {in: '[range(0; 30000)]'}, do: [{s: {set: {x: 1}}}]}
  - rest: {call: orrery.register, with: {key: k, value: v}, output: {as: '{}'}, then: round}
";
    let mut bench = Bench::new(body, nothing());
    let mut effects = drive(&mut bench, Command::Start);
    while bench.state.steps <= STEPS_MAX {
        let Some(Effect::Call(call)) = effects.iter().find(|effect| matches!(effect, Effect::Call(_))) else {
            panic!("it ended: {:?}", bench.state.status)
        };
        let outcome = Ok(Reply { output: nothing(), decisions: vec![] });
        effects = drive(&mut bench, Command::FinishCall { key: call.key.clone(), outcome });
    }
    assert!(!bench.state.is_over());
}
