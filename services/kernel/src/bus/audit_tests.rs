//! What the kernel says for the log is what the log reads: its records of a run that was controlled from outside make a whole
//! trace, in which every act stands with who did it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use orrery_proof::Record;
use orrery_proof::outcome::Trace;
use orrery_proto::v1::AuditRecord;
use orrery_types::{TaskId, TenantId, UnixMillis};
use prost::Message as _;
use serde_json::json;

use super::outbound;
use crate::domain::command::{Beginning, Command, Origin, Restart, Run, Scope, Signal, Target};
use crate::domain::definition::{self, Definition};
use crate::domain::event::Event;
use crate::domain::state::State;
use crate::domain::transition::transition;

const SECRET: &str = "what nobody may read in a log";

fn version(version: &str) -> Definition {
    let head = format!("document: {{dsl: 1.0.0, namespace: t, name: talk, version: {version}}}");
    definition::parse(&format!("{head}\ndo: [{{go: {{call: orrery.signal, with: {{name: go}}}}}}]\n")).unwrap()
}

fn run(definition: &Definition, id: &str, origin: Option<Origin>) -> Run {
    let (id, tenant) = (TaskId::new(id).unwrap(), TenantId::new("acme").unwrap());
    Run { origin, ..Run::of(definition, id, tenant, "alice", json!({})) }
}

/// A run, the records that it has left, and its journal.
struct Bench {
    definition: Definition,
    state: State,
    records: Vec<Record>,
    journal: Vec<Event>,
}

impl Bench {
    fn new(definition: Definition, run: Run) -> Self {
        Self { definition, state: State::new(run), records: Vec::new(), journal: Vec::new() }
    }

    fn send(&mut self, command: Command) {
        let moved = transition(&self.state, &self.definition, command, UnixMillis(1_000)).unwrap();
        let audited =
            outbound::messages(&moved).into_iter().filter(|message| message.message_id.starts_with("kernel/"));
        self.records.extend(audited.map(|message| {
            let record = AuditRecord::decode(message.payload.as_slice()).unwrap();
            assert!(!record.facts_json.contains(SECRET), "{}", record.facts_json);
            Record {
                id: record.id,
                tenant: record.tenant,
                task_id: record.task_id,
                service: record.service,
                kind: record.kind,
                at_ms: record.at_ms,
                facts: serde_json::from_str(&record.facts_json).unwrap(),
            }
        }));
        self.journal.extend(moved.events);
        self.state = moved.state;
    }

    fn kinds(&self) -> Vec<&str> {
        self.records.iter().map(|record| record.kind.as_str()).collect()
    }

    fn story(&self) -> String {
        let trace = Trace::read(&self.records).unwrap();
        trace.check_complete().unwrap();
        trace.outcome().unwrap().plain()
    }
}

fn reason() -> String {
    SECRET.to_owned()
}

#[test]
fn every_act_of_control_is_in_the_trace_with_who_did_it() {
    let mut bench = Bench::new(version("1.0.0"), run(&version("1.0.0"), "task_a", None));
    bench.send(Command::Start);
    let payload = Arc::new(json!({ "said": SECRET }));
    let signal = Signal { key: String::new(), name: "early".into(), payload, by: "bob".into() };
    bench.send(Command::Signal(Box::new(signal)));
    bench.send(Command::Pause { scope: Scope::Run, by: "carol".into(), reason: reason() });
    bench.send(Command::Pause { scope: Scope::Tenant, by: "dora".into(), reason: reason() });
    bench.send(Command::Resume { scope: Scope::Run, by: "carol".into() });
    let next = version("2.0.0");
    let workflow = ("t".to_owned(), "talk".to_owned(), "2.0.0".to_owned());
    let target = Target { workflow, definition: next.hash, shape: next.shape() };
    bench.send(Command::Migrate { target: Box::new(target), by: "erin".into() });
    let replaced_by = Some(TaskId::new("task_b").unwrap());
    bench.send(Command::Terminate { by: "frank".into(), reason: reason(), replaced_by });

    let paused = ["task.paused", "task.paused", "task.resumed"];
    let expected =
        [&["task.submitted", "signal.received"][..], &paused, &["task.migrated", "task.terminated"]].concat();
    assert_eq!(bench.kinds(), expected);
    let story = bench.story();
    for told in [
        "bob sent the signal \"early\"",
        "carol paused it",
        "dora paused all tasks of the tenant",
        "carol resumed it",
        "erin moved it to talk:2.0.0",
        "was terminated on",
        "by frank",
        "task task_b takes its place",
    ] {
        assert!(story.contains(told), "no {told:?} in\n{story}");
    }
    let outcome = Trace::read(&bench.records).unwrap().outcome().unwrap();
    assert_eq!((outcome.status.as_str(), outcome.controls.len()), ("terminated", 5));
}

#[test]
fn a_run_begun_anew_says_from_which_by_whom_and_why() {
    let mut old = Bench::new(version("1.0.0"), run(&version("1.0.0"), "task_a", None));
    old.send(Command::Start);
    let task = old.state.run.id.clone();
    for (by, told) in [
        (Restart::Reset, "gina began it in place of task task_a"),
        (Restart::Fork, "gina began it beside task task_a"),
        (Restart::Retry, "gina began it to try again what failed in task task_a"),
    ] {
        let origin = Some(Origin { task: task.clone(), seq: 1, by });
        let mut new = Bench::new(version("1.0.0"), run(&version("1.0.0"), "task_b", origin));
        let events: Vec<Event> = old.journal.iter().take(1).cloned().collect();
        new.send(Command::Restart { events: events.clone(), redo: None, by: "gina".into(), reason: reason() });
        // One that waits for its turn first, and one that never has it.
        let beginning = Beginning { events, redo: None, by: "gina".into(), reason: reason() };
        let mut others = [(); 2].map(|()| Bench::new(version("1.0.0"), new.state.run.as_ref().clone()));
        for other in &mut others {
            other.send(Command::AcceptRestart(Box::new(beginning.clone())));
        }
        others[0].send(Command::Start);
        for bench in others.iter_mut().chain([&mut new]) {
            bench.send(Command::Cancel { by: "alice".into(), reason: reason() });
            assert_eq!(bench.kinds(), ["task.submitted", "task.cancelled"]);
            let story = bench.story();
            assert!(story.contains(told) && story.contains("was cancelled on"), "{story}");
        }
    }
}

#[test]
fn a_run_that_never_had_its_turn_is_told_of_whole() {
    for pauses in [0, 1] {
        for begins in [false, true] {
            let mut bench = Bench::new(version("1.0.0"), run(&version("1.0.0"), "task_a", None));
            bench.send(Command::Accept);
            for _ in 0..pauses {
                bench.send(Command::Pause { scope: Scope::Run, by: "carol".into(), reason: reason() });
                bench.send(Command::Resume { scope: Scope::Run, by: "carol".into() });
            }
            if begins {
                bench.send(Command::Start);
            }
            bench.send(Command::Cancel { by: "alice".into(), reason: reason() });
            let paused = ["task.paused", "task.resumed"].repeat(pauses);
            assert_eq!(bench.kinds(), [&["task.submitted"][..], &paused, &["task.cancelled"]].concat());
            assert!(bench.story().contains("was cancelled on"), "{}", bench.story());
        }
    }
}

#[test]
fn journals_of_earlier_versions_replay_to_the_count_of_records_they_left() {
    let mut bench = Bench::new(version("1.0.0"), run(&version("1.0.0"), "task_a", None));
    bench.send(Command::Start);
    bench.send(Command::Pause { scope: Scope::Run, by: "carol".into(), reason: reason() });
    bench.send(Command::Terminate { by: "frank".into(), reason: reason(), replaced_by: None });
    let mut journal = serde_json::to_value(&bench.journal).unwrap();
    for event in journal.as_array_mut().unwrap() {
        event["fact"].as_object_mut().unwrap().remove("audited");
    }
    let replayed = State::replay(serde_json::from_value::<Vec<Event>>(journal).unwrap()).unwrap();
    assert_eq!((bench.state.audited, replayed.audited), (3, 2));
    assert_eq!(replayed.status, bench.state.status);
}
