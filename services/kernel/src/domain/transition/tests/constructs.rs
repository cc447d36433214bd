//! One table row per construct: definition, input, output. Then the constructs that wait.

use serde_json::{Value, json};

use super::harness::{Bench, nothing};
use crate::domain::command::Command;
use crate::domain::effect::Effect;
use crate::domain::fault::{Fault, Standard};
use crate::domain::fault::{SIZE_LIMIT, STEP_LIMIT};

#[test]
#[allow(clippy::too_many_lines)] // one table
fn constructs_mean_what_the_specification_says() {
    let cases: Vec<(&str, &str, Value, Value)> = vec![
        (
            "set",
            "do:\n  - a: {set: {shape: circle, size: '${ .n + 1 }'}}\n",
            json!({"n": 1}),
            json!({"shape": "circle", "size": 2}),
        ),
        ("set by an expression", "do:\n  - a: {set: '${ .a }'}\n", json!({"a": [1]}), json!([1])),
        (
            "the output of one is the input of the next",
            "do:\n  - a: {set: {x: 1}}\n  - b: {set: {y: '${ .x + 1 }'}}\n",
            nothing(),
            json!({"y": 2}),
        ),
        ("an empty list", "do: []\n", json!({"x": 1}), json!({"x": 1})),
        (
            "do",
            "do:\n  - a:\n      do:\n        - b: {set: {x: 1}}\n        - c: {set: {x: '${ .x + 1 }'}}\n",
            nothing(),
            json!({"x": 2}),
        ),
        ("if", "do:\n  - a: {if: '${ .go }', set: {ran: true}}\n", json!({"go": false}), json!({"go": false})),
        (
            "input.from, output.as, export.as",
            "do:\n  - a:\n      input: {from: .inner}\n      set: {v: '${ .n * 10 }'}\n      output: {as: '{w: .v, was: $input.n}'}\n      export: {as: '{saved: .w}'}\n  - b: {set: {c: '${ $context.saved }', o: '${ .was }'}}\n",
            json!({"inner": {"n": 4}}),
            json!({"c": 40, "o": 4}),
        ),
        (
            "workflow input and output",
            "input: {from: .a}\noutput: {as: '{result: .}'}\ndo:\n  - s: {set: '${ . + 1 }'}\n",
            json!({"a": 1}),
            json!({"result": 2}),
        ),
        (
            "switch",
            "do:\n  - pick:\n      switch:\n        - big: {when: .n > 10, then: large}\n        - other: {then: small}\n  - large: {set: {size: large}, then: end}\n  - small: {set: {size: small}}\n",
            json!({"n": 11}),
            json!({"size": "large"}),
        ),
        (
            "switch default",
            "do:\n  - pick:\n      switch:\n        - big: {when: .n > 10, then: large}\n        - other: {then: small}\n  - large: {set: {size: large}, then: end}\n  - small: {set: {size: small}}\n",
            json!({"n": 1}),
            json!({"size": "small"}),
        ),
        (
            "switch without a match continues",
            "do:\n  - pick: {switch: [{big: {when: .n > 10, then: end}}]}\n  - next: {set: {next: true}}\n",
            json!({"n": 1}),
            json!({"next": true}),
        ),
        (
            "then: exit leaves the list",
            "do:\n  - a:\n      do:\n        - b: {set: {x: 1}, then: exit}\n        - c: {set: {x: 2}}\n  - d: {set: {y: '${ .x }'}}\n",
            nothing(),
            json!({"y": 1}),
        ),
        (
            "then: end ends the workflow",
            "do:\n  - a:\n      do:\n        - b: {set: {x: 1}, then: end}\n  - d: {set: {y: 2}}\n",
            nothing(),
            json!({"x": 1}),
        ),
        (
            "then a name, and back",
            "do:\n  - count: {set: {n: '${ (.n // 0) + 1 }'}}\n  - more: {switch: [{again: {when: .n < 5, then: count}}]}\n",
            nothing(),
            json!({"n": 5}),
        ),
        (
            "for",
            "do:\n  - mark:\n      for: {each: color, in: .colors}\n      do:\n        - one:\n            set: {colors: '${ .colors }', processed: '${ (.processed // []) + [{name: $color, at: $index}] }'}\n      output: {as: .processed}\n",
            json!({"colors": ["red", "green"]}),
            json!([{"name": "red", "at": 0}, {"name": "green", "at": 1}]),
        ),
        (
            "for with while",
            "do:\n  - sum:\n      for: {each: n, in: '.ns'}\n      while: (.total // 0) < 5\n      do:\n        - add: {set: {ns: '${ .ns }', total: '${ (.total // 0) + $n }'}}\n      output: {as: .total}\n",
            json!({"ns": [3, 4, 5]}),
            json!(7),
        ),
        (
            "for over nothing",
            "do:\n  - none: {for: {in: '[]'}, do: [{x: {set: {x: 1}}}]}\n",
            json!({"same": 1}),
            json!({"same": 1}),
        ),
        (
            "nested for sees both variables",
            "do:\n  - outer:\n      for: {each: a, in: '[1,2]'}\n      do:\n        - inner:\n            for: {each: b, at: j, in: '[10,20]'}\n            do:\n              - s: {set: {got: '${ (.got // []) + [$a + $b + $j] }'}}\n",
            nothing(),
            json!({"got": [11, 22, 12, 23]}),
        ),
        (
            "fork joins in order",
            "do:\n  - f:\n      fork:\n        branches:\n          - x: {set: {x: 1}}\n          - y: {do: [{z: {set: {y: 2}}}]}\n",
            nothing(),
            json!([{"x": 1}, {"y": 2}]),
        ),
        (
            "fork compete",
            "do:\n  - f:\n      fork:\n        compete: true\n        branches:\n          - slow: {wait: PT1H}\n          - fast: {set: {winner: fast}}\n",
            nothing(),
            json!({"winner": "fast"}),
        ),
        (
            "try and catch by type",
            "do:\n  - t:\n      try:\n        - r: {raise: {error: {type: 'https://example.com/e', status: 418, title: Teapot, detail: '${ \"d\" + \"!\" }'}}}\n      catch:\n        errors: {with: {type: 'https://example.com/e'}}\n        as: problem\n        do:\n          - h: {set: {caught: '${ $problem }'}}\n",
            nothing(),
            json!({"caught": {"type": "https://example.com/e", "status": 418, "title": "Teapot", "detail": "d!", "instance": "/do/0/t/try/0/r"}}),
        ),
        (
            "catch without a handler goes on with the input",
            "do:\n  - t:\n      try: [{r: {raise: {error: {type: 'https://e.com/e', status: 400}}}}]\n      catch: {}\n",
            json!({"x": 1}),
            json!({"x": 1}),
        ),
        (
            "catch when",
            "do:\n  - t:\n      try: [{r: {raise: {error: {type: 'https://e.com/e', status: 400}}}}]\n      catch: {when: $error.status == 400, do: [{h: {set: {ok: true}}}]}\n",
            nothing(),
            json!({"ok": true}),
        ),
        (
            "an expression's failure is caught",
            "do:\n  - t:\n      try: [{s: {set: '${ error(\"bad\") }'}}]\n      catch: {do: [{h: {set: '${ $error.type | split(\"/\") | last }'}}]}\n",
            nothing(),
            json!("expression"),
        ),
        (
            "a reused error",
            "use: {errors: {gone: {type: 'https://e.com/gone', status: 410}}}\ndo:\n  - t:\n      try: [{r: {raise: {error: gone}}}]\n      catch: {errors: {with: {status: 410}}, do: [{h: {set: {ok: 1}}}]}\n",
            nothing(),
            json!({"ok": 1}),
        ),
        (
            "task and workflow descriptors",
            "do:\n  - a: {set: {n: '${ $task.name }', r: '${ $task.reference }', w: '${ $workflow.id }', v: '${ $workflow.definition.document.name }', k: '${ $runtime.name }'}}\n",
            nothing(),
            json!({"n": "a", "r": "/do/0/a", "w": "task_1", "v": "sample", "k": "orrery"}),
        ),
    ];
    for (name, body, input, expected) in cases {
        assert_eq!(Bench::run(body, input).output(), expected, "{name}");
    }
}

#[test]
fn failures_end_the_run_with_the_error_that_the_specification_shapes() {
    let cases = [
        (
            "do:\n  - r: {raise: {error: {type: 'https://e.com/e', status: 400, title: Bad}}}\n",
            "https://e.com/e",
            400,
            "/do/0/r",
        ),
        (
            "do:\n  - s: {set: '${ .a.b.c | error }'}\n",
            "https://serverlessworkflow.io/spec/1.0.0/errors/expression",
            400,
            "/do/0/s",
        ),
        (
            "do:\n  - s: {input: {schema: {document: {type: object, required: [x]}}}, set: {y: 1}}\n",
            "https://serverlessworkflow.io/spec/1.0.0/errors/validation",
            400,
            "/do/0/s",
        ),
        (
            "do:\n  - s: {for: {in: .nolist}, do: []}\n",
            "https://serverlessworkflow.io/spec/1.0.0/errors/expression",
            400,
            "/do/0/s",
        ),
        (
            "do:\n  - t:\n      try: [{r: {raise: {error: {type: 'https://e.com/a', status: 1}}}}]\n      catch: {errors: {with: {type: 'https://e.com/b'}}}\n",
            "https://e.com/a",
            1,
            "/do/0/t/try/0/r",
        ),
        (
            "do:\n  - t:\n      try: [{r: {raise: {error: {type: 'https://e.com/a', status: 1}}}}]\n      catch: {do: [{again: {raise: {error: {type: 'https://e.com/b', status: 2}}}}]}\n",
            "https://e.com/b",
            2,
            "/do/0/t/catch/do/0/again",
        ),
    ];
    for (body, kind, status, instance) in cases {
        let bench = Bench::run(body, nothing());
        let fault = bench.fault();
        assert_eq!(
            (fault.kind.as_str(), fault.status, fault.instance.as_deref()),
            (kind, status, Some(instance)),
            "{body}"
        );
    }
}

#[test]
fn an_endless_loop_ends_in_a_typed_error() {
    let body = "do:\n  - a: {set: {x: 1}}\n  - b: {switch: [{again: {when: .x == 1, then: a}}]}\n";
    let (title, transitions) = endless(body);
    assert_eq!(title.as_deref(), Some(STEP_LIMIT));
    assert!(transitions > 100, "other runs get their turn in between: {transitions}");
}

#[test]
fn an_endless_loop_over_large_values_ends_before_the_disk_does() {
    let body =
        "do:\n  - a: {set: {x: '${ \"x\" * 4000000 }'}}\n  - b: {switch: [{again: {when: .x != null, then: a}}]}\n";
    let (title, transitions) = endless(body);
    assert_eq!(title.as_deref(), Some(SIZE_LIMIT));
    assert!(transitions > 20, "commits stay small: {transitions}");
}

/// The title of the error in which a workflow without an end ends, and the number of transitions that it took.
fn endless(body: &str) -> (Option<String>, u32) {
    let bench = Bench::new(body, nothing());
    let mut state = bench.state.clone();
    let mut command = Command::Start;
    let mut transitions = 0;
    loop {
        let moved = super::super::transition(&state, &bench.definition, command, bench.now).unwrap();
        state = moved.state;
        transitions += 1;
        if !moved.effects.contains(&Effect::Continue) {
            break;
        }
        command = Command::Continue;
    }
    match state.status {
        crate::domain::state::Status::Faulted(fault) => (fault.title, transitions),
        other => panic!("{other:?}"),
    }
}

#[test]
fn wait_ends_when_its_time_has_come_and_not_before() {
    let mut bench = Bench::run("do:\n  - w: {wait: {minutes: 5}}\n  - s: {set: {done: true}}\n", nothing());
    bench.now.0 += 299_999;
    bench.send(Command::Wake).unwrap();
    assert!(!bench.state.is_over());
    assert_eq!(bench.wait(), 1);
    assert_eq!(bench.output(), json!({"done": true}));
}

#[test]
fn timeouts_of_tasks_workflows_and_runs() {
    let caught = "do:\n  - t:\n      try:\n        - slow: {timeout: {after: PT1S}, do: [{w: {wait: PT1H}}]}\n      catch: {errors: {with: {status: 408}}, do: [{h: {set: {late: true}}}]}\n";
    let mut bench = Bench::run(caught, nothing());
    assert_eq!(bench.wait(), 1_000);
    assert_eq!(bench.output(), json!({"late": true}));

    let mut bench = Bench::run("timeout: {after: PT2S}\ndo:\n  - w: {wait: PT1H}\n", nothing());
    assert_eq!(bench.wait(), 2_000);
    assert_eq!(bench.fault().status, 408);
}

#[test]
fn retries_back_off_and_give_up() {
    let body = |backoff: &str| {
        format!(
            "do:\n  - t:\n      try:\n        - c: {{call: orrery.embed, with: {{texts: [a]}}}}\n      catch:\n        retry: {{delay: PT1S, backoff: {{{backoff}: {{}}}}, limit: {{attempt: {{count: 3}}}}}}\n        do: [{{h: {{set: {{gave: up}}}}}}]\n"
        )
    };
    for (backoff, delays) in
        [("constant", [1_000, 1_000, 1_000]), ("linear", [1_000, 2_000, 3_000]), ("exponential", [1_000, 2_000, 4_000])]
    {
        let mut bench = Bench::run(&body(backoff), nothing());
        let mut keys = vec![bench.calls()[0].key.clone()];
        for delay in delays {
            bench.refuse(Fault::new(Standard::Communication, "down")).unwrap();
            assert_eq!(bench.wait(), delay, "{backoff}");
            keys.push(bench.calls()[0].key.clone());
        }
        bench.refuse(Fault::new(Standard::Communication, "down")).unwrap();
        assert_eq!(bench.output(), json!({"gave": "up"}));
        assert_eq!(keys[0], "task_1/do/0/t/try/0/c/0/1");
        assert_eq!(keys[3], "task_1/do/0/t/try/0/c/3/4");
    }
}

#[test]
fn jitter_is_drawn_from_the_seed_within_its_range() {
    let body = "do:\n  - t:\n      try: [{r: {raise: {error: {type: 'https://e.com/e', status: 500}}}}]\n      catch: {retry: {delay: PT1S, jitter: {from: PT1S, to: PT3S}, limit: {attempt: {count: 1}}}}\n";
    let (mut one, mut other) = (Bench::run(body, nothing()), Bench::run(body, nothing()));
    let waited = one.wait();
    assert!((2_000..4_000).contains(&waited), "{waited}");
    assert_eq!(other.wait(), waited);
    // Without a handler, the last error ends the run.
    assert_eq!(one.fault().kind, "https://e.com/e");
}

#[test]
fn emit_publishes_a_cloud_event() {
    let bench = Bench::run(
        "do:\n  - e: {emit: {event: {with: {source: 'https://acme.com', type: com.acme.done, data: {id: '${ .id }'}}}}}\n",
        json!({"id": 7}),
    );
    let Some(Effect::Publish(event)) = bench.effects.first() else { panic!("{:?}", bench.effects) };
    assert_eq!(
        (&event["type"], &event["data"], &event["id"]),
        (&json!("com.acme.done"), &json!({"id": 7}), &json!("task_1/do/0/e/0"))
    );
    assert_eq!(bench.output(), *event);
}

#[test]
fn a_sub_workflow_is_waited_for_or_not() {
    let body = |wait: bool| {
        format!(
            "do:\n  - r: {{run: {{await: {wait}, workflow: {{namespace: test, name: child, version: latest, input: {{n: '${{ .n }}'}}}}}}}}\n"
        )
    };
    let mut bench = Bench::run(&body(true), json!({"n": 3}));
    let Some(Effect::StartChild(child)) = bench.effects.first().cloned() else { panic!("{:?}", bench.effects) };
    assert_eq!(child.input, json!({"n": 3}));
    bench.send(Command::ChildStarted { key: child.key.clone() }).unwrap();
    assert!(!bench.state.is_over());
    bench.send(Command::ChildFinished { key: child.key.clone(), outcome: Ok(json!({"n": 4})) }).unwrap();
    assert_eq!(bench.output(), json!({"n": 4}));

    let mut bench = Bench::run(&body(false), json!({"n": 3}));
    bench.send(Command::ChildStarted { key: child.key.clone() }).unwrap();
    assert_eq!(bench.output(), json!({"n": 3}));
}
