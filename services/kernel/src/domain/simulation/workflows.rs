//! Workflows made up from a seed. Whatever the schedule, each has one outcome: branches that race have one that cannot win,
//! what may fail stands where the order of failures cannot matter, and no value depends on the time.

use serde_json::{Value, json};

use super::chance::Chance;
use crate::domain::definition::{self, Definition};

/// So deep do blocks nest.
const DEPTH: u32 = 3;
/// Longer than anything that a simulation lives through.
const NEVER: &str = "P900D";
/// A workflow that only ends when it is cancelled.
const SLEEPER: &str = "sleeper";

struct Author<'a> {
    chance: &'a mut Chance,
    names: u32,
    /// The workflow that may be run by this one.
    child: Option<&'a str>,
}

/// A workflow, named `parent`, and those that it may run.
pub fn workflows(chance: &mut Chance) -> Vec<Definition> {
    let sleeper = document(SLEEPER, &[json!({"sleep": {"wait": NEVER}})]);
    let child = workflow(chance, "child", None);
    let parent = workflow(chance, "parent", Some("child"));
    vec![sleeper, child, parent]
}

fn workflow(chance: &mut Chance, name: &str, child: Option<&str>) -> Definition {
    let mut author = Author { chance, names: 0, child };
    let mut tasks = author.list(0, false);
    // Now and then one ends with an error of its own.
    if author.chance.percent(10) {
        let error = json!({"type": "https://example.com/errors/made-up", "status": 418, "title": "made up"});
        tasks.push(author.named("fail", json!({"raise": {"error": error}})));
    }
    document(name, &tasks)
}

fn document(name: &str, tasks: &[Value]) -> Definition {
    let document = json!({
        "document": {"dsl": "1.0.0", "namespace": "test", "name": name, "version": "1.0.0"},
        "do": tasks,
    });
    definition::parse(&document.to_string()).unwrap_or_else(|problems| panic!("{problems}\n{document:#}"))
}

impl Author<'_> {
    fn list(&mut self, depth: u32, guarded: bool) -> Vec<Value> {
        let length = 1 + self.chance.below(3);
        (0..length).map(|_| self.task(depth, guarded)).collect()
    }

    fn named(&mut self, kind: &str, task: Value) -> Value {
        self.names += 1;
        json!({ format!("{kind}{}", self.names): task })
    }

    /// `guarded`: a `try` around it catches what fails, so it may.
    fn task(&mut self, depth: u32, guarded: bool) -> Value {
        let kinds = if depth < DEPTH { 13 } else { 6 };
        match self.chance.below(kinds) {
            0 | 1 => self.call(guarded),
            2 => self.named("set", json!({"set": {"was": "${ . }"}})),
            3 => self.wait(),
            4 => self.human(),
            5 => self.small(guarded),
            6 => {
                let tasks = self.list(depth + 1, guarded);
                self.named("do", json!({"do": tasks}))
            }
            7 | 8 => self.fork(depth),
            9 => self.compete(depth),
            10 => self.attempt(depth),
            11 => self.repeat(depth, guarded),
            _ => self.late(depth),
        }
    }

    fn call(&mut self, guarded: bool) -> Value {
        let kind = if guarded && self.chance.percent(60) { "risky" } else { "call" };
        self.named(kind, json!({"call": "orrery.embed", "with": {"texts": ["${ tojson }"]}}))
    }

    fn wait(&mut self) -> Value {
        let ms = 1 + self.chance.below(20_000);
        self.named("wait", json!({"wait": {"milliseconds": ms}}))
    }

    fn human(&mut self) -> Value {
        let call = json!({
            "call": "orrery.human", "with": {"title": "go on?", "roles": ["adjuster"], "form": {"type": "object"}},
            // Who decides and when is not the workflow's business.
            "output": {"as": "${ {decision: .decision, edits: .edits} }"},
        });
        self.named("ask", call)
    }

    /// A review that expires, since nobody answers one of this name.
    fn expiring(&mut self) -> Value {
        let call = json!({
            "call": "orrery.human",
            "with": {"title": "nobody", "roles": ["nobody"], "due": "PT30S", "on_expiry": "decline"},
            "output": {"as": "${ .decision }"},
        });
        self.named("expire", call)
    }

    fn small(&mut self, guarded: bool) -> Value {
        match self.chance.below(5) {
            0 => self.emit(),
            1 => self.named("skipped", json!({"if": "${ false }", "set": {"never": true}})),
            2 => self.expiring(),
            3 if guarded => {
                let error = json!({"type": "https://example.com/errors/guarded", "status": 400});
                self.named("raise", json!({"raise": {"error": error}}))
            }
            _ => self.child_or_call(guarded),
        }
    }

    fn emit(&mut self) -> Value {
        let event = json!({"source": "https://example.com/made-up", "type": "made.up", "data": "${ . }"});
        // The event's id and time are those of the run.
        self.named("emit", json!({"emit": {"event": {"with": event}}, "output": {"as": "${ .data }"}}))
    }

    fn child_or_call(&mut self, guarded: bool) -> Value {
        match self.child {
            // A child that fails fails its step, which must then be caught.
            Some(child) if guarded => {
                let workflow =
                    json!({"namespace": "test", "name": child, "version": "1.0.0", "input": {"from": "parent"}});
                self.named("run", json!({"run": {"workflow": workflow}}))
            }
            _ => self.call(guarded),
        }
    }

    fn fork(&mut self, depth: u32) -> Value {
        let branches = 2 + self.chance.below(2);
        // Two branches that fail would race for which error counts.
        let branches: Vec<Value> = (0..branches)
            .map(|_| {
                let tasks = self.list(depth + 1, false);
                self.named("branch", json!({"do": tasks}))
            })
            .collect();
        self.named("fork", json!({"fork": {"branches": branches}}))
    }

    fn compete(&mut self, depth: u32) -> Value {
        let winner = self.list(depth + 1, false);
        let winner = self.named("winner", json!({"do": winner}));
        let loser = match self.chance.below(3) {
            0 => json!({"wait": NEVER}),
            1 if self.child.is_some() => {
                json!({"run": {"workflow": {"namespace": "test", "name": SLEEPER, "version": "1.0.0"}}})
            }
            _ => json!({"call": "orrery.human", "with": {"title": "nobody", "roles": ["nobody"]}}),
        };
        let loser = self.named("loser", loser);
        self.named("race", json!({"fork": {"compete": true, "branches": [winner, loser]}}))
    }

    fn attempt(&mut self, depth: u32) -> Value {
        let body = self.list(depth + 1, true);
        let mut catch = json!({});
        if self.chance.percent(70) {
            let backoff = ["constant", "linear", "exponential"][self.chance.index(3)];
            catch["retry"] = json!({
                "delay": {"milliseconds": 1 + self.chance.below(3_000)},
                "backoff": {backoff: {}},
                "jitter": {"from": {"milliseconds": 0}, "to": {"milliseconds": 200}},
                "limit": {"attempt": {"count": 1 + self.chance.below(3)}},
            });
        }
        catch["do"] = json!(self.list(depth + 1, false));
        self.named("try", json!({"try": body, "catch": catch}))
    }

    fn repeat(&mut self, depth: u32, guarded: bool) -> Value {
        let rounds: Vec<u64> = (0..1 + self.chance.below(3)).collect();
        let body = self.list(depth + 1, guarded);
        let mut repeat = json!({"for": {"each": format!("item{depth}"), "at": format!("index{depth}"), "in": json!(rounds).to_string()}, "do": body});
        if self.chance.percent(30) {
            repeat["while"] = json!(format!("$index{depth} < 2"));
        }
        self.named("for", repeat)
    }

    /// Something that takes longer than it may.
    fn late(&mut self, depth: u32) -> Value {
        let timeout = json!({"after": {"seconds": 1 + self.chance.below(10)}});
        let late = self.named("late", json!({"wait": NEVER, "timeout": timeout}));
        let handler = self.list(depth + 1, false);
        self.named("guard", json!({"try": [late], "catch": {"errors": {"with": {"status": 408}}, "do": handler}}))
    }
}
