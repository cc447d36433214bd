//! Human tasks: who may, who was first, what is decided, what expires.

use serde_json::{Value, json};

use super::harness::{Bench, nothing, person};
use crate::domain::command::{Command, Person, Reject};

const ASK: &str = "do:\n  - ask:\n      call: orrery.human\n      with:\n        title: Pay?\n        roles: [adjuster, 'user:zoe']\n        form: {type: object, properties: {amount: {type: number}}, additionalProperties: false}\n        subject: {claim: 1, amount: 4}\n        due: PT72H\n";

fn ask(more: &str) -> Bench {
    Bench::run(&format!("{ASK}{more}"), nothing())
}

fn bob() -> Person {
    person("bob", "adjuster")
}

fn dora() -> Person {
    person("dora", "adjuster")
}

fn admin() -> Person {
    person("ada", "admin")
}

fn decide(bench: &Bench, by: Person, decision: &str, reason: &str, edits: Value) -> Command {
    Command::Decide { review: bench.review().id, by, decision: decision.into(), reason: reason.into(), edits }
}

fn approve(bench: &Bench, by: Person) -> Command {
    decide(bench, by, "approve", "covered", json!(null))
}

fn claim(bench: &Bench, by: Person) -> Command {
    Command::Claim { review: bench.review().id, by }
}

fn release(bench: &Bench, by: Person) -> Command {
    Command::Release { review: bench.review().id, by }
}

fn delegate(bench: &Bench, by: Person, to: Person) -> Command {
    Command::Delegate { review: bench.review().id, by, to }
}

fn reassign(bench: &Bench, by: Person, to: &[&str]) -> Command {
    Command::Reassign { review: bench.review().id, by, to: to.iter().map(|it| (*it).to_owned()).collect() }
}

fn comment(bench: &Bench, by: Person, id: &str, text: &str) -> Command {
    Command::Comment { review: bench.review().id, by, id: id.into(), text: text.into() }
}

/// Sends a command that is refused and changes nothing.
fn refused(command: Command, bench: &mut Bench) -> Reject {
    let before = bench.state.clone();
    let reject = bench.send(command).unwrap_err();
    assert_eq!(bench.state, before);
    reject
}

fn forbidden(command: Command, bench: &mut Bench) {
    let reject = refused(command.clone(), bench);
    assert!(matches!(reject, Reject::Forbidden(_)), "{command:?}: {reject:?}");
}

/// Sends a command that has been done already.
fn repeated(command: Command, bench: &mut Bench) {
    let before = bench.state.clone();
    bench.send(command).unwrap();
    assert_eq!(bench.state, before);
}

#[test]
fn a_decision_becomes_the_output_of_the_step_with_both_versions() {
    let mut bench = ask("");
    assert!(bench.state.is_waiting());
    bench.send(claim(&bench, bob())).unwrap();
    bench.send(decide(&bench, bob(), "approve", "covered — «ja» ✓", json!({"amount": 5}))).unwrap();
    let output = bench.output();
    for (field, value) in [
        ("decision", json!("approve")),
        ("reason", json!("covered — «ja» ✓")),
        ("edits", json!({"amount": 5})),
        ("subject", json!({"claim": 1, "amount": 4})),
        ("result", json!({"claim": 1, "amount": 5})),
        ("decided_by", json!("bob")),
        ("round", json!(1)),
    ] {
        assert_eq!(output[field], value, "{field}");
    }
    assert!(bench.kinds().contains(&"review.decided"));
    assert!(!bench.kinds().contains(&"review.withdrawn"));

    let mut unedited = ask("");
    unedited.send(approve(&unedited, bob())).unwrap();
    let output = unedited.output();
    assert_eq!((&output["edits"], &output["result"]), (&json!(null), &output["subject"]));
}

#[test]
fn those_who_may_not_are_refused_and_change_nothing() {
    let mut bench = ask("        exclude: [eve]\n");
    for by in [person("alice", "adjuster"), person("carl", "clerk"), person("eve", "adjuster"), admin()] {
        forbidden(claim(&bench, by.clone()), &mut bench);
        forbidden(approve(&bench, by), &mut bench);
    }
    for (decision, reason, edits) in [
        ("maybe", "x".to_owned(), json!(null)),
        ("approve", "  ".to_owned(), json!(null)),
        ("approve", String::new(), json!(null)),
        ("approve", "é".repeat(2_001), json!(null)),
        ("approve", "x".to_owned(), json!({"amount": "many"})),
        ("approve", "x".to_owned(), json!({"colour": 1})),
    ] {
        let command = decide(&bench, bob(), decision, &reason, edits);
        assert!(matches!(refused(command, &mut bench), Reject::Invalid(_)), "{decision} {reason}");
    }
    bench.send(decide(&bench, bob(), "approve", &"é".repeat(2_000), json!(null))).unwrap();
}

#[test]
fn a_claim_is_exclusive_and_claiming_again_changes_nothing() {
    let mut bench = ask("");
    bench.send(claim(&bench, bob())).unwrap();
    repeated(claim(&bench, bob()), &mut bench);
    for command in [claim(&bench, dora()), approve(&bench, person("zoe", "x"))] {
        assert!(matches!(refused(command, &mut bench), Reject::Conflict(_)));
    }
}

#[test]
fn a_claim_is_released_by_its_holder_or_an_admin() {
    let mut bench = ask("");
    repeated(release(&bench, bob()), &mut bench);
    bench.send(claim(&bench, bob())).unwrap();
    forbidden(release(&bench, dora()), &mut bench);
    bench.send(release(&bench, bob())).unwrap();
    repeated(release(&bench, bob()), &mut bench);
    forbidden(release(&bench, person("carl", "clerk")), &mut bench);
    bench.send(claim(&bench, dora())).unwrap();
    bench.send(release(&bench, admin())).unwrap();
    assert_eq!(bench.review().claim, None);
    bench.send(approve(&bench, bob())).unwrap();
}

#[test]
fn the_holder_delegates_to_a_candidate_or_to_anyone_where_the_workflow_says_so() {
    let mut bench = ask("        exclude: [eve]\n");
    assert!(matches!(refused(delegate(&bench, bob(), dora()), &mut bench), Reject::Conflict(_)), "nobody holds it");
    bench.send(claim(&bench, bob())).unwrap();
    forbidden(delegate(&bench, dora(), person("zoe", "x")), &mut bench);
    assert!(matches!(refused(delegate(&bench, bob(), bob()), &mut bench), Reject::Invalid(_)));
    for to in [person("alice", "adjuster"), person("eve", "adjuster"), person("carl", "clerk")] {
        forbidden(delegate(&bench, bob(), to), &mut bench);
    }
    bench.send(delegate(&bench, bob(), dora())).unwrap();
    repeated(delegate(&bench, bob(), dora()), &mut bench);
    assert!(matches!(refused(approve(&bench, bob()), &mut bench), Reject::Conflict(_)), "it is dora's now");
    bench.send(approve(&bench, dora())).unwrap();
    assert_eq!(bench.output()["decided_by"], json!("dora"));

    let mut open = ask("        delegation: anyone\n");
    open.send(claim(&open, bob())).unwrap();
    forbidden(delegate(&open, bob(), person("alice", "x")), &mut open);
    let carl = person("carl", "clerk");
    open.send(delegate(&open, bob(), carl.clone())).unwrap();
    open.send(approve(&open, carl)).unwrap();
}

#[test]
fn an_admin_or_a_supervisor_reassigns_but_never_to_who_may_not() {
    let mut bench = ask("        supervisors: [lead]\n        exclude: [eve]\n");
    bench.send(claim(&bench, bob())).unwrap();
    forbidden(reassign(&bench, bob(), &["user:dora"]), &mut bench);
    forbidden(reassign(&bench, person("alice", "admin"), &["user:dora"]), &mut bench);
    for to in ["user:alice", "user:eve"] {
        forbidden(reassign(&bench, admin(), &[to]), &mut bench);
    }
    for to in [&[][..], &[""], &["user:"], &["r"; 65]] {
        assert!(matches!(refused(reassign(&bench, admin(), to), &mut bench), Reject::Invalid(_)), "{to:?}");
    }
    let lead = person("leo", "lead");
    bench.send(reassign(&bench, lead.clone(), &["user:dora"])).unwrap();
    repeated(reassign(&bench, lead, &["user:dora"]), &mut bench);
    forbidden(approve(&bench, bob()), &mut bench);
    bench.send(approve(&bench, dora())).unwrap();
}

#[test]
fn whoever_may_see_a_review_comments_within_bounds_and_once_for_each_request() {
    let mut bench = ask("");
    bench.send(comment(&bench, person("alice", "x"), "c1", "the receipt is attached 📎")).unwrap();
    bench.send(comment(&bench, bob(), "c2", "which one?")).unwrap();
    repeated(comment(&bench, bob(), "c2", "which one?"), &mut bench);
    forbidden(comment(&bench, person("carl", "clerk"), "c3", "me too"), &mut bench);
    for text in ["", " \n", &"x".repeat(4_001)] {
        assert!(matches!(refused(comment(&bench, bob(), "c3", text), &mut bench), Reject::Invalid(_)));
    }
    for index in 2..100 {
        bench.send(comment(&bench, bob(), &format!("more{index}"), "again")).unwrap();
    }
    assert!(matches!(refused(comment(&bench, bob(), "one too many", "x"), &mut bench), Reject::Invalid(_)));
    bench.send(approve(&bench, bob())).unwrap();
    assert_eq!(bench.output()["comments"][0]["text"], json!("the receipt is attached 📎"));
}

#[test]
fn a_quorum_takes_distinct_people_who_say_the_same() {
    let mut bench = ask("        quorum: {approvals: 2, per_decision: {decline: 3}}\n");
    assert!(matches!(refused(claim(&bench, bob()), &mut bench), Reject::Invalid(_)), "nobody holds what takes two");
    bench.send(decide(&bench, bob(), "decline", "no", json!(null))).unwrap();
    repeated(decide(&bench, bob(), "decline", "no", json!(null)), &mut bench);
    bench.send(approve(&bench, bob())).unwrap();
    assert_eq!(bench.review().votes.len(), 1, "a person has one voice and may change it");
    bench.send(decide(&bench, dora(), "approve", "less", json!({"amount": 3}))).unwrap();
    assert!(!bench.state.is_over(), "two versions are no agreement");
    forbidden(approve(&bench, person("alice", "adjuster")), &mut bench);
    bench.send(decide(&bench, person("zoe", "x"), "approve", "three is right", json!({"amount": 3}))).unwrap();
    let output = bench.output();
    assert_eq!((&output["voters"], &output["result"]["amount"]), (&json!(["dora", "zoe"]), &json!(3)));
    assert_eq!(output["votes"].as_array().unwrap().len(), 3);
}

#[test]
fn four_eyes_are_two_people_and_not_those_of_an_earlier_review() {
    let body = "do:
  - first: {call: orrery.human, with: {title: one, roles: [adjuster]}}
  - second: {call: orrery.human, with: {title: two, roles: [adjuster], not_by: ['${ . }'], four_eyes: true}}
";
    let mut bench = Bench::run(body, nothing());
    bench.send(approve(&bench, bob())).unwrap();
    forbidden(approve(&bench, bob()), &mut bench);
    bench.send(approve(&bench, dora())).unwrap();
    assert!(!bench.state.is_over());
    repeated(approve(&bench, dora()), &mut bench);
    bench.send(approve(&bench, person("eve", "adjuster"))).unwrap();
    assert_eq!(bench.output()["voters"], json!(["dora", "eve"]));
}

#[test]
fn the_second_of_two_who_decide_at_once_is_too_late() {
    let mut bench = Bench::run(&format!("{ASK}  - then: {{wait: PT1H}}\n"), nothing());
    let (first, second) = (approve(&bench, bob()), decide(&bench, dora(), "decline", "no", json!(null)));
    bench.send(first.clone()).unwrap();
    assert_eq!(refused(second, &mut bench), Reject::ReviewClosed);
    assert_eq!(refused(first, &mut bench), Reject::ReviewClosed);
}

const LOOP: &str = "do:
  - draft: {set: {text: '${ (.text // \"draft\") + (if .reason then \" (\\(.reason))\" else \"\" end) }'}}
  - ask:
      call: orrery.human
      with: {title: ok?, roles: [adjuster], decisions: [approve, redo], changes: redo, subject: '${ . }'}
  - loop: {switch: [{again: {when: '${ .decision == \"redo\" }', then: draft}}, {done: {then: end}}]}
";

#[test]
fn asking_for_changes_loops_back_and_the_next_round_shows_the_earlier_ones() {
    let mut bench = Bench::run(LOOP, nothing());
    let first = bench.review();
    bench.send(comment(&bench, dora(), "c1", "see line 3")).unwrap();
    bench.send(decide(&bench, bob(), "redo", "shorter", json!(null))).unwrap();
    let second = bench.review();
    assert_ne!(first.id, second.id);
    assert_eq!((second.round, second.previous.len()), (2, 1));
    let earlier = &second.previous[0];
    assert_eq!((earlier.reason.as_str(), earlier.comments[0].text.as_str()), ("shorter", "see line 3"));
    for _ in 0..12 {
        bench.send(decide(&bench, bob(), "redo", "again", json!(null))).unwrap();
    }
    assert_eq!((bench.review().round, bench.review().previous.len()), (14, 10), "the last ten are shown");
    bench.send(approve(&bench, bob())).unwrap();
    assert_eq!(bench.output()["round"], json!(14));
}

#[test]
fn each_item_of_a_loop_and_each_branch_has_its_own_rounds() {
    let one = "call: orrery.human, with: {title: ok?, roles: [adjuster], decisions: [approve, redo], changes: redo}";
    let again = "switch: [{again: {when: '${ .decision == \"redo\" }', then: ask}}, {done: {then: exit}}]";
    let list = format!("[{{ask: {{{one}}}}}, {{loop: {{{again}}}}}]");
    let mut looped = Bench::run(&format!("do:\n  - each: {{for: {{in: '${{ [1, 2] }}'}}, do: {list}}}\n"), nothing());
    looped.send(decide(&looped, bob(), "redo", "more", json!(null))).unwrap();
    assert_eq!(looped.review().round, 2);
    looped.send(approve(&looped, bob())).unwrap();
    assert_eq!((looped.review().round, looped.review().previous.len()), (1, 0), "the second item begins anew");
    looped.send(approve(&looped, bob())).unwrap();

    let branches = format!("do:\n  - both: {{fork: {{branches: [{{a: {{do: {list}}}}}, {{b: {{do: {list}}}}}]}}}}\n");
    let mut forked = Bench::run(&branches, nothing());
    let first = forked.review().id;
    forked.send(decide(&forked, bob(), "redo", "more", json!(null))).unwrap();
    let rounds: Vec<u32> = forked.reviews().iter().map(|review| review.round).collect();
    assert!(forked.reviews().iter().all(|review| review.id != first));
    assert_eq!(rounds.iter().sum::<u32>(), 3, "only the branch that asked is in its second round: {rounds:?}");
}

#[test]
fn a_review_that_nobody_decides_expires() {
    let mut bench = ask("");
    assert_eq!(bench.wait(), 72 * 3_600_000);
    assert_eq!(bench.fault().status, 408);
    assert!(bench.kinds().contains(&"review.expired"));

    let mut bench = ask("        on_expiry: decline\n");
    bench.wait();
    assert_eq!(bench.output()["decided_by"], json!("system:expiry"));
    assert!(!bench.kinds().contains(&"review.withdrawn"));
}

#[test]
fn a_decision_after_the_end_is_late_even_before_the_timer_says_so() {
    let mut bench = ask("");
    bench.now = bench.review().ends_at().unwrap();
    for command in [approve(&bench, bob()), claim(&bench, bob()), comment(&bench, bob(), "c", "wait")] {
        assert!(matches!(refused(command, &mut bench), Reject::ReviewExpired(_)));
    }
}

#[test]
fn reminders_escalation_and_overdue_come_in_their_time_and_once() {
    let more = "        expires: PT100H\n        reminders: [PT2H, PT1H]\n        escalation:\n          - {after: PT4H, roles: [senior], notify: ['role:desk']}\n          - {after: PT80H, roles: [lead], replace: true}\n";
    let mut bench = ask(more);
    bench.send(claim(&bench, bob())).unwrap();
    let hours: Vec<u64> = (0..5).map(|_| bench.wait() / 3_600_000).collect();
    assert_eq!(hours, [4, 66, 1, 1, 8], "senior, two reminders, due, lead");
    let kinds: Vec<&str> = bench.kinds().into_iter().filter(|kind| kind.starts_with("review.")).collect();
    let expected = [
        "review.requested",
        "review.claimed",
        "review.escalated",
        "review.due_soon",
        "review.due_soon",
        "review.overdue",
        "review.escalated",
    ];
    assert_eq!(kinds, expected);
    assert_eq!((bench.review().roles, bench.review().level), (vec!["lead".to_owned()], 2));
    forbidden(approve(&bench, bob()), &mut bench);
    bench.send(Command::Wake).unwrap();
    bench.send(approve(&bench, person("leo", "lead"))).unwrap();
}

#[test]
fn a_clock_that_jumps_past_the_end_only_ends_it() {
    let mut bench = ask(
        "        reminders: [PT2H]\n        escalation: [{after: PT4H, roles: [senior]}]\n        on_expiry: decline\n",
    );
    bench.now = orrery_types::UnixMillis(bench.now.0 + 1_000 * 3_600_000);
    bench.send(Command::Wake).unwrap();
    assert_eq!(bench.output()["decision"], json!("decline"));
    assert!(!bench.kinds().contains(&"review.escalated"));
}

#[test]
fn cancelling_withdraws_the_review() {
    let mut bench = ask("");
    let late = approve(&bench, bob());
    bench.send(Command::Cancel { by: "alice".into(), reason: "mistake".into() }).unwrap();
    assert_eq!(bench.kinds().last(), Some(&"task.cancelled"));
    assert!(bench.kinds().contains(&"review.withdrawn"));
    assert_eq!(bench.send(late), Err(Reject::Over));
}

#[test]
fn a_competing_branch_that_loses_withdraws_its_review() {
    let body = "do:\n  - race: {fork: {compete: true, branches: [{ask: {call: orrery.human, with: {title: t, roles: [adjuster]}}}, {nap: {wait: PT1H}}]}}\n";
    let mut bench = Bench::run(body, nothing());
    let late = approve(&bench, bob());
    bench.wait();
    assert!(bench.kinds().contains(&"review.withdrawn"));
    assert_eq!(bench.send(late), Err(Reject::Over));
}

#[test]
fn a_journal_of_an_earlier_version_is_read() {
    let old = json!({
        "id": "rev_1", "title": "Pay?", "instructions": "", "roles": ["adjuster"], "form": null,
        "decisions": ["approve"], "subject": 1, "created_at": 5, "due_at": 10, "on_expiry": null, "claim": null,
    });
    let review: crate::domain::review::Review = serde_json::from_value(old).unwrap();
    assert_eq!((review.round, review.ends_at().unwrap().0, review.quorum.needed("approve")), (1, 10, 1));
}
