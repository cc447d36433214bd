//! Human tasks: who may, who was first, what is decided, what expires.

use serde_json::json;

use super::harness::{Bench, nothing, person};
use crate::domain::command::{Command, Reject};

const ASK: &str = "do:\n  - ask:\n      call: orrery.human\n      with:\n        title: Pay?\n        roles: [adjuster, 'user:zoe']\n        form: {type: object, properties: {amount: {type: number}}, additionalProperties: false}\n        subject: {claim: 1}\n        due: PT72H\n";

fn decide(bench: &Bench, who: &str, role: &str, decision: &str, reason: &str, edits: serde_json::Value) -> Command {
    Command::Decide {
        review: bench.review().id,
        by: person(who, role),
        decision: decision.into(),
        reason: reason.into(),
        edits,
    }
}

#[test]
fn a_decision_becomes_the_output_of_the_step() {
    let mut bench = Bench::run(ASK, nothing());
    assert!(bench.state.is_waiting());
    bench.send(Command::Claim { review: bench.review().id, by: person("bob", "adjuster") }).unwrap();
    bench.send(decide(&bench, "bob", "adjuster", "approve", "covered", json!({"amount": 5}))).unwrap();
    let output = bench.output();
    assert_eq!(
        (&output["decision"], &output["edits"], &output["decided_by"]),
        (&json!("approve"), &json!({"amount": 5}), &json!("bob"))
    );
    assert!(bench.kinds().contains(&"review.decided"));
    assert!(!bench.kinds().contains(&"review.withdrawn"));
}

#[test]
fn those_who_may_not_are_refused_and_change_nothing() {
    let mut bench = Bench::run(ASK, nothing());
    let before = bench.state.clone();
    let review = bench.review().id;
    let refused = |command: Command, bench: &mut Bench| bench.send(command).unwrap_err();
    for by in [person("alice", "adjuster"), person("carl", "clerk")] {
        let error = refused(Command::Claim { review: review.clone(), by }, &mut bench);
        assert!(matches!(error, Reject::Forbidden(_)), "{error}");
    }
    for command in [
        decide(&bench, "bob", "adjuster", "maybe", "x", json!(null)),
        decide(&bench, "bob", "adjuster", "approve", "  ", json!(null)),
        decide(&bench, "bob", "adjuster", "approve", "x", json!({"amount": "many"})),
    ] {
        assert!(matches!(refused(command, &mut bench), Reject::Invalid(_)));
    }
    assert_eq!(bench.state, before);
}

#[test]
fn a_claim_is_exclusive_and_claiming_again_changes_nothing() {
    let mut bench = Bench::run(ASK, nothing());
    let claim = |who: &str, bench: &Bench| Command::Claim { review: bench.review().id, by: person(who, "adjuster") };
    bench.send(claim("bob", &bench)).unwrap();
    let seq = bench.state.seq;
    bench.send(claim("bob", &bench)).unwrap();
    assert_eq!(bench.state.seq, seq);
    assert!(matches!(bench.send(claim("dora", &bench)), Err(Reject::Conflict(_))));
    assert!(matches!(bench.send(decide(&bench, "zoe", "x", "approve", "y", json!(null))), Err(Reject::Conflict(_))));
}

#[test]
fn a_review_that_nobody_decides_expires() {
    let mut bench = Bench::run(ASK, nothing());
    assert_eq!(bench.wait(), 72 * 3_600_000);
    assert_eq!(bench.fault().status, 408);
    assert!(bench.kinds().contains(&"review.withdrawn"));

    let mut bench = Bench::run(&format!("{ASK}        on_expiry: decline\n"), nothing());
    bench.wait();
    assert_eq!(bench.output()["decided_by"], json!("system:expiry"));
}

#[test]
fn cancelling_withdraws_the_review() {
    let mut bench = Bench::run(ASK, nothing());
    let late = decide(&bench, "bob", "adjuster", "approve", "x", json!(null));
    bench.send(Command::Cancel { by: "alice".into(), reason: "mistake".into() }).unwrap();
    assert_eq!(bench.kinds().last(), Some(&"task.cancelled"));
    assert!(bench.kinds().contains(&"review.withdrawn"));
    assert_eq!(bench.send(late), Err(Reject::Over));
}
