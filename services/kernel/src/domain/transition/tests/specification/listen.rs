//! `listen`, event filters, correlation and the subscription iterator.

use serde_json::json;

use super::event;
use crate::domain::transition::tests::harness::{Bench, nothing};

const HOSPITAL: &str = "
          - with: {type: temperature, data: '${ .temperature > 38 }'}
          - with: {type: bpm, data: '${ .bpm < 60 or .bpm > 100 }'}
";

/// "A `listen` task produces a sequentially ordered array of all the events it has consumed".
#[test]
fn one_event_is_an_array_of_one() {
    let mut bench = Bench::run("do:\n  - l: {listen: {to: {one: {with: {type: started}}}}}\n", nothing());
    assert_eq!((bench.state.active(), bench.state.wake_at()), (vec!["/do/0/l".to_owned()], None));
    bench.hear(&event("1", "stopped", &json!({})));
    assert!(!bench.state.is_over());
    bench.hear(&event("2", "started", &json!({"car": 4})));
    assert_eq!(bench.output(), json!([{"car": 4}]));
}

/// CloudEvents allow any JSON as data.
#[test]
fn an_event_may_carry_null() {
    let mut bench = Bench::run("do:\n  - l: {listen: {to: {one: {with: {type: started}}}}}\n", nothing());
    bench.hear(&event("1", "started", &json!(null)));
    assert_eq!(bench.output(), json!([null]));
}

/// "Configures the workflow to wait for all defined events before resuming execution."
#[test]
fn all_waits_for_each_of_its_events() {
    let mut bench =
        Bench::run(&format!("do:\n  - l:\n      listen:\n        to:\n          all:{HOSPITAL}"), nothing());
    for (id, kind, data) in [
        ("1", "temperature", json!({"temperature": 37})),
        ("2", "bpm", json!({"bpm": 40})),
        ("3", "bpm", json!({"bpm": 41})),
    ] {
        bench.hear(&event(id, kind, &data));
        assert!(!bench.state.is_over());
    }
    bench.hear(&event("4", "temperature", &json!({"temperature": 39})));
    assert_eq!(bench.output(), json!([{"bpm": 40}, {"temperature": 39}]));
}

/// "If not present, once any event is received, it proceeds to the next task."
#[test]
fn any_takes_the_first_of_its_events() {
    let mut bench =
        Bench::run(&format!("do:\n  - l:\n      listen:\n        to:\n          any:{HOSPITAL}"), nothing());
    bench.hear(&event("1", "bpm", &json!({"bpm": 70})));
    bench.hear(&event("2", "bpm", &json!({"bpm": 101})));
    assert_eq!(bench.output(), json!([{"bpm": 101}]));
}

/// "If empty, listens to all incoming events"; `until: ( . | length ) > 3`.
#[test]
fn until_a_condition_holds_of_what_was_consumed() {
    let mut bench = Bench::run("do:\n  - l: {listen: {to: {any: [], until: '( . | length ) > 3'}}}\n", nothing());
    for index in 0..4 {
        assert!(!bench.state.is_over());
        bench.hear(&event(&index.to_string(), "whatever", &json!(index)));
    }
    assert_eq!(bench.output(), json!([0, 1, 2, 3]));
}

/// "Events consumed by an `until` clause should not be included in the task's output."
#[test]
fn until_events_have_come_which_are_no_part_of_the_output() {
    let body = format!(
        "do:\n  - l:\n      listen:\n        to:\n          any:{HOSPITAL}          until: {{one: {{with: {{type: checked-out}}}}}}\n"
    );
    let mut bench = Bench::run(&body, nothing());
    bench.hear(&event("1", "bpm", &json!({"bpm": 120})));
    bench.hear(&event("2", "temperature", &json!({"temperature": 40})));
    bench.hear(&event("3", "checked-out", &json!({})));
    assert_eq!(bench.output(), json!([{"bpm": 120}, {"temperature": 40}]));
}

/// "`envelope`: Reads the event's envelope, including its context attributes"; "`raw`: Reads the event's raw data."
#[test]
fn read_chooses_what_is_kept() {
    let mut heard = event("1", "t", &json!(null));
    heard.as_object_mut().unwrap().remove("data");
    heard["data_base64"] = json!("eyJhIjoxfQ==");
    for (read, expected) in [("data", json!({"a": 1})), ("raw", json!("eyJhIjoxfQ==")), ("envelope", heard.clone())] {
        let body = format!("do:\n  - l: {{listen: {{to: {{one: {{with: {{type: t}}}}}}, read: {read}}}}}\n");
        let mut bench = Bench::run(&body, nothing());
        bench.hear(&heard);
        assert_eq!(bench.output(), json!([expected]), "{read}");
    }
}

/// "If not set, the first extracted value will be used as the correlation's expectation."
#[test]
fn the_first_event_settles_what_the_others_must_share() {
    let body = "do:\n  - l:\n      listen:\n        to:\n          all:\n            - {with: {type: temperature}, correlate: {room: {from: .roomid}}}\n            - {with: {type: humidity}, correlate: {room: {from: .roomid}}}\n        read: envelope\n      output: {as: 'map(.id)'}\n";
    let mut bench = Bench::run(body, nothing());
    for (id, kind, room) in [("1", "temperature", "a"), ("2", "humidity", "b"), ("3", "humidity", "a")] {
        let mut heard = event(id, kind, &json!({}));
        heard["roomid"] = json!(room);
        bench.hear(&heard);
    }
    assert_eq!(bench.output(), json!(["1", "3"]));
}

/// "A constant or a runtime expression, if any, used to determine whether or not the extracted correlation value matches
/// expectations."
#[test]
fn an_expectation_ties_the_event_to_the_run() {
    let listen = |expect: &str| {
        format!(
            "do:\n  - l: {{listen: {{to: {{one: {{with: {{type: paid}}, correlate: {{order: {{from: .data.order, expect: {expect}}}}}}}}}}}}}\n"
        )
    };
    for expect in ["'${ .order }'", "'7'", "'${ $workflow.input.order }'"] {
        let mut bench = Bench::run(&listen(expect), json!({"order": 7}));
        bench.hear(&event("1", "paid", &json!({"order": 8})));
        assert!(!bench.state.is_over());
        bench.hear(&event("2", "paid", &json!({"order": 7})));
        assert_eq!(bench.output(), json!([{"order": 7}]), "{expect}");
    }
}

/// "A name/value mapping of the attributes filtered events must define. Supports both regular expressions and runtime
/// expressions."
#[test]
fn attributes_are_matched_by_text_pattern_and_expression() {
    for (with, other, wanted) in [
        ("{type: 'com\\.shop\\.(paid|sent)'}", "com.shop.lost", "com.shop.sent"),
        ("{type: com.shop.paid}", "comXshopXpaid", "com.shop.paid"),
        ("{type: '${ startswith(\"com.\") }'}", "org.x", "com.x"),
        ("{type: '${ $input.wanted }'}", "org.x", "com.x"),
    ] {
        let body = format!("do:\n  - l: {{listen: {{to: {{one: {{with: {with}}}}}, read: envelope}}}}\n");
        let mut bench = Bench::run(&body, json!({"wanted": "com.x"}));
        bench.hear(&event("1", other, &json!({})));
        assert!(!bench.state.is_over(), "{with} takes {other}");
        bench.hear(&event("2", wanted, &json!({})));
        assert_eq!(bench.output()[0]["type"], json!(wanted), "{with}");
    }
}

/// "When `foreach` is set, the configured operations for a events must complete before moving on to the next one. As a
/// result, consumed events should be stored in a First-In-First-Out (FIFO) queue while awaiting iteration."
#[test]
fn foreach_deals_with_one_event_after_the_other() {
    let body = "do:\n  - l:\n      listen:\n        to: {any: [{with: {type: t}}], until: '( $context.seen | length ) == 3'}\n      foreach:\n        item: heard\n        at: i\n        do:\n          - w: {wait: PT1S}\n          - s: {set: {n: '${ $heard.n * 10 }', i: '${ $i }'}}\n        output: {as: '. + {shaped: true}'}\n        export: {as: '{seen: (($context.seen // []) + [$heard.n])}'}\n";
    let mut bench = Bench::run(body, nothing());
    for n in 1..=4 {
        bench.hear(&event(&n.to_string(), "t", &json!({"n": n})));
    }
    assert_eq!(bench.state.active(), ["/do/0/l", "/do/0/l/foreach/do/0/w"]);
    for _ in 0..3 {
        bench.wait();
    }
    let item = |n: u32| json!({"n": n * 10, "i": n - 1, "shaped": true});
    assert_eq!(bench.output(), json!([item(1), item(2), item(3)]));
}

/// "`source` + `id` is unique for each distinct event."
#[test]
fn an_event_that_comes_twice_is_taken_once_even_by_the_next_listener() {
    let body =
        "do:\n  - a: {listen: {to: {one: {with: {type: t}}}}}\n  - b: {listen: {to: {one: {with: {type: t}}}}}\n";
    let mut bench = Bench::run(body, nothing());
    let (one, two) = (event("1", "t", &json!(1)), event("2", "t", &json!(2)));
    bench.hear(&one);
    let events = bench.events.len();
    bench.hear(&one);
    assert_eq!(bench.events.len(), events, "the second delivery leaves no trace");
    bench.hear(&two);
    assert_eq!(bench.output(), json!([2]));
}

#[test]
fn every_listener_of_a_run_is_offered_an_event_and_those_given_up_stop() {
    let fork = |compete: bool| {
        format!(
            "do:\n  - f:\n      fork:\n        compete: {compete}\n        branches:\n          - a: {{listen: {{to: {{one: {{with: {{type: t}}}}}}}}}}\n          - b: {{listen: {{to: {{one: {{with: {{type: t}}}}}}}}}}\n"
        )
    };
    let mut bench = Bench::run(&fork(false), nothing());
    bench.hear(&event("1", "t", &json!(1)));
    assert_eq!(bench.output(), json!([[1], [1]]));

    let body = "do:\n  - f:\n      fork:\n        compete: true\n        branches:\n          - a: {listen: {to: {one: {with: {type: t}}}}}\n          - b: {listen: {to: {one: {with: {type: u}}}}}\n";
    let mut bench = Bench::run(body, nothing());
    bench.hear(&event("1", "t", &json!(1)));
    assert_eq!(bench.output(), json!([1]));
    let ended = bench.kinds().into_iter().filter(|kind| *kind == "listening.ended").count();
    assert_eq!(ended, 2, "the loser no longer listens");
}

/// "A timeout error **must** have its `type` set to `https://serverlessworkflow.io/spec/1.0.0/errors/timeout`".
#[test]
fn a_listener_times_out() {
    let body = "do:\n  - l: {listen: {to: {one: {with: {type: t}}}}, timeout: {after: PT5S}}\n";
    let mut bench = Bench::run(body, nothing());
    assert_eq!(bench.wait(), 5_000);
    assert_eq!(bench.fault().kind, "https://serverlessworkflow.io/spec/1.0.0/errors/timeout");
}

#[test]
fn whoever_listens_to_anything_does_not_hear_the_platform_talk_of_it() {
    let mut platform = event("1", "orrery.step.scheduled", &json!({}));
    platform["source"] = json!("/orrery/kernel");
    let mut bench = Bench::run("do:\n  - l: {listen: {to: {any: []}}}\n", nothing());
    bench.hear(&platform);
    assert!(!bench.state.is_over());
    let mut bench = Bench::run("do:\n  - l: {listen: {to: {one: {with: {type: orrery.step.scheduled}}}}}\n", nothing());
    bench.hear(&platform);
    assert_eq!(bench.output(), json!([{}]));
}
