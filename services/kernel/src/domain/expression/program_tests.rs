//! What programs see, and that none escapes its bounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use serde_json::json;

use super::*;
use crate::domain::expression::Exhausted;

struct Fixed;

impl Variables for Fixed {
    fn get(&self, name: &str) -> Value {
        json!({ "variable": name })
    }
    fn now_seconds(&self) -> f64 {
        1_700_000_000.5
    }
}

fn evaluate(text: &str, input: Value) -> Result<Value, EvaluationError> {
    let scope = BTreeSet::from(["context".to_owned(), "item".to_owned()]);
    Program::compile(text, &scope).expect("compiles").evaluate(&input, &Fixed)
}

#[test]
fn programs_mean_what_jq_says() {
    let cases = [
        ("${ .a + 1 }", json!({"a": 1}), json!(2)),
        (".a.b // \"none\"", json!({}), json!("none")),
        ("[.[] | select(. > 1)] | length", json!([1, 2, 3]), json!(2)),
        ("$item.variable", json!(null), json!("item")),
        ("\"\\(.n) of \\(.m)\"", json!({"n": 1, "m": 2}), json!("1 of 2")),
        (".total += 5 | .total *= 2", json!({"total": 1}), json!({"total": 12})),
        ("map({(.k): .v}) | add", json!([{"k": "a", "v": 1}, {"k": "b", "v": 2}]), json!({"a": 1, "b": 2})),
        ("[range(3)], [range(4; 0; -2)] | tojson", json!(null), json!(null)),
        ("join(\", \")", json!(["a", "b"]), json!("a, b")),
        ("join(\"-\")", json!([null, 1, true]), json!("-1-true")),
        ("@csv", json!(["a\"b", 1, null, true]), json!("\"a\"\"b\",1,,true")),
        ("@tsv", json!(["a\tb", 1]), json!("a\\tb\t1")),
        ("map(IN(1, 2))", json!([1, 3]), json!([true, false])),
        ("INDEX(.k)", json!([{"k": 1}]), json!({"1": {"k": 1}})),
        ("setpath([\"a\", \"b\"]; 1)", json!({}), json!({"a": {"b": 1}})),
        (".a.b = 1", json!({}), json!({"a": {"b": 1}})),
        (".a[1].b += 2", json!(null), json!({"a": [null, {"b": 2}]})),
        (".[2] = 1", json!([0]), json!([0, null, 1])),
        (".a.b //= .c | .n.m |= [.]", json!({"c": 3}), json!({"c": 3, "a": {"b": 3}, "n": {"m": [null]}})),
        (".a.b = (.a // 5)", json!({}), json!({"a": {"b": 5}})),
        (".[] |= . + 1", json!([1, 2]), json!([2, 3])),
        (".x[1:] = [9]", json!({"x": [1, 2, 3]}), json!({"x": [1, 9]})),
        ("setpath([\"a\", 1, \"b\"]; 1)", json!(null), json!({"a": [null, {"b": 1}]})),
        ("del(.[0, 2])", json!([1, 2, 3]), json!([2])),
        ("del(.a, .b.c)", json!({"a": 1, "b": {"c": 1, "d": 2}}), json!({"b": {"d": 2}})),
        ("delpaths([[\"a\"], [\"x\", \"y\"]])", json!({"a": 1, "b": 2}), json!({"b": 2})),
        ("from_entries", json!([{"name": "a", "value": 1}, {"k": "b", "v": null}]), json!({"a": 1, "b": null})),
        ("with_entries(.value += 1)", json!({"a": 1}), json!({"a": 2})),
        ("walk(if type == \"number\" then . + 1 else . end)", json!({"a": [1]}), json!({"a": [2]})),
        ("[leaf_paths]", json!({"a": [1]}), json!([["a", 0]])),
        ("fromstream(tostream)", json!({"a": [1, {}]}), json!({"a": [1, {}]})),
        ("ltrimstr(1)", json!("x"), json!("x")),
        ("rtrimstr(\"b\")", json!("ab"), json!("a")),
        ("4 / 2", json!(null), json!(2)),
        ("-infinite", json!(null), json!(f64::MIN)),
        ("nan", json!(null), json!(null)),
        (".a /= 2 | .a %= 3", json!({"a": 10}), json!({"a": 2})),
        ("@base64", json!("hi"), json!("aGk=")),
        ("@json", json!({"a": [1]}), json!("{\"a\":[1]}")),
        ("test(\"^[A-Z]+-[0-9]\")", json!("H-2"), json!(true)),
        ("now", json!(null), json!(1_700_000_000.5)),
        ("empty", json!(1), json!(null)),
        ("12345678901234567890", json!(1), json!(12_345_678_901_234_567_890_u64)),
        ("try error(\"x\") catch .", json!(1), json!("x")),
    ];
    for (text, input, expected) in cases {
        if text.contains("tojson") {
            assert!(evaluate(text, input).is_err(), "two values are an error");
            continue;
        }
        assert_eq!(evaluate(text, input), Ok(expected), "{text}");
    }
}

#[test]
fn what_does_not_compile_says_why() {
    let scope = BTreeSet::new();
    for (text, reason) in [
        (".a |", "expected"),
        ("$nope", "undefined variable $nope"),
        ("nope(1)", "undefined filter nope"),
        ("env.HOME", "undefined filter env"),
        ("input", "undefined filter input"),
        ("halt", "undefined filter halt"),
        ("\"open", "expected"),
    ] {
        let error = Program::compile(text, &scope).expect_err(text);
        assert!(error.reason.contains(reason), "{text}: {error}");
    }
}

#[test]
fn no_text_is_too_deep_to_compile_or_to_refuse() {
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let deep = [
        nested("(", "1", ")", 32_000),
        nested("[", "1", "]", 32_000),
        nested("{a:", "1", "}", 16_000),
        nested("\"\\(", "1", ")\"", 10_000),
        nested("if . then ", "1", " end", 4_000),
        nested("map(", ".", ")", 12_000),
        nested("-", "1", "", 64_000),
        nested("[", "", "", 64_000),
        nested(".a|", ".", "", 20_000),
        nested("1+", "1", "", 30_000),
        nested(".a", "", "", 30_000),
        nested("[0]", "", "", 20_000).replacen('[', ".[", 1),
    ];
    for text in deep {
        // Whether it can be evaluated is another matter; either way there is an answer.
        if let Ok(program) = Program::compile(&text, &BTreeSet::new()) {
            let _answer = program.evaluate(&json!(null), &Fixed);
        }
    }
    let open = "[".repeat(100_000);
    assert!(evaluate("fromjson", json!(open)).is_err());
    assert_eq!(evaluate("fromjson", json!("{\"a\": [1, 2.5]}")), Ok(json!({"a": [1, 2.5]})));
    // Numbers beyond all bounds are jq's, too.
    assert!(evaluate("reduce range(50) as $i (7; . * .)", json!(null)).is_ok());
}

#[test]
fn nothing_escapes_its_bounds() {
    let doubling = "reduce range(100) as $i";
    for (text, bound) in [
        ("def f: f; f".to_owned(), Exhausted::Steps),
        ("last(repeat(1))".to_owned(), Exhausted::Steps),
        ("try last(repeat(1)) catch 1".to_owned(), Exhausted::Steps),
        ("last(range(1e18))".to_owned(), Exhausted::Steps),
        ("[range(1e9)] | length".to_owned(), Exhausted::Steps),
        ("[limit(1e12; repeat(1))] | length".to_owned(), Exhausted::Steps),
        ("\"x\" * 1e13".to_owned(), Exhausted::Steps),
        ("\"x\" * 10000000000000".to_owned(), Exhausted::Weight),
        (format!("{doubling} (\"x\"; . + .)"), Exhausted::Weight),
        (format!("{doubling} (\"x\"; \"\\(.)\\(.)\")"), Exhausted::Weight),
        (format!("{doubling} ([1]; . + .)"), Exhausted::Weight),
        (format!("{doubling} (1; [., .]) | tojson"), Exhausted::Weight),
        (format!("{doubling} (1; {{a: ., b: .}}) | [..] | length"), Exhausted::Weight),
        (format!("{doubling} ({{}}; .a = . | .b = .)"), Exhausted::Weight),
        ("reduce range(100000) as $i (0; [.]) | length".to_owned(), Exhausted::Depth),
        ("def f: 1 + f; f".to_owned(), Exhausted::Depth),
        // Few steps, each of which takes long: what is heavy is paid for.
        ("(\"a\" * 1000000) as $t | [range(1000000) | ($t | @base64 | length)] | length".to_owned(), Exhausted::Steps),
    ] {
        match evaluate(&text, json!(null)) {
            Err(EvaluationError::Exhausted { bound: found, .. }) => {
                let both = [bound, found];
                assert!(bound == found || both.contains(&Exhausted::Steps), "{text}: {found}");
            }
            // Multiplying text by a fraction is an error of its own.
            Err(EvaluationError::Failed { .. }) if text.contains("1e13") => {}
            other => panic!("{text} gave {other:?}"),
        }
    }
}
