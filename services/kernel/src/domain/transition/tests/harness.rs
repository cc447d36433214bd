//! Runs a definition by hand: commands in, events and effects kept, and after each one the replay compared with the state.

use orrery_types::{TaskId, TenantId, UnixMillis};
use serde_json::{Value, json};

use crate::domain::command::{Command, Person, Reject, Reply, Run};
use crate::domain::definition::{self, Definition};
use crate::domain::effect::{Call, Effect};
use crate::domain::event::Event;
use crate::domain::fault::Fault;
use crate::domain::review::Review;
use crate::domain::state::{Activity, State, Status};
use crate::domain::transition::transition;

pub struct Bench {
    pub definition: Definition,
    pub state: State,
    pub events: Vec<Event>,
    pub effects: Vec<Effect>,
    pub now: UnixMillis,
}

impl Bench {
    pub fn new(body: &str, input: Value) -> Self {
        let text = format!("document: {{dsl: 1.0.0, namespace: test, name: sample, version: 1.0.0}}\n{body}");
        let definition = definition::parse(&text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        let (id, tenant) = (TaskId::new("task_1").unwrap(), TenantId::new("acme").unwrap());
        let run = Run { roles: vec!["developer".into()], seed: 7, ..Run::of(&definition, id, tenant, "alice", input) };
        let state = State::new(run);
        Self { definition, state, events: Vec::new(), effects: Vec::new(), now: UnixMillis(1_000_000) }
    }

    pub fn run(body: &str, input: Value) -> Self {
        let mut bench = Self::new(body, input);
        bench.send(Command::Start).unwrap();
        bench
    }

    /// Sends a command and whatever `Continue` it asks for.
    pub fn send(&mut self, command: Command) -> Result<(), Reject> {
        let moved = transition(&self.state, &self.definition, command, self.now)?;
        self.state = moved.state;
        self.events.extend(moved.events);
        let again = moved.effects.contains(&Effect::Continue);
        self.effects.extend(moved.effects.into_iter().filter(|effect| *effect != Effect::Continue));
        // K-3, through the journal's own encoding.
        let journal = serde_json::to_string(&self.events).unwrap();
        let replayed = State::replay(serde_json::from_str::<Vec<Event>>(&journal).unwrap()).unwrap();
        assert!(replayed == self.state, "the replay differs from the live state");
        if again && !self.state.is_over() {
            return self.send(Command::Continue);
        }
        Ok(())
    }

    pub fn output(&self) -> Value {
        match &self.state.status {
            Status::Completed(output) => (**output).clone(),
            other => panic!("not completed: {other:?}, active {:?}", self.state.active()),
        }
    }

    pub fn fault(&self) -> &Fault {
        match &self.state.status {
            Status::Faulted(fault) => fault,
            other => panic!("not faulted: {other:?}"),
        }
    }

    /// Calls that are under way, in order.
    pub fn calls(&self) -> Vec<Call> {
        let under_way = |key: &str| {
            self.state.frames.values().any(|it| matches!(&it.activity, Activity::Call { key: own, .. } if own == key))
        };
        let calls = self.effects.iter().filter_map(|effect| match effect {
            Effect::Call(call) if under_way(&call.key) => Some(call.clone()),
            _ => None,
        });
        calls.collect()
    }

    pub fn answer(&mut self, output: Value) -> Result<(), Reject> {
        let key = self.calls().first().expect("a call").key.clone();
        self.send(Command::FinishCall { key, outcome: Ok(Reply { output, decisions: vec!["dec_1".into()] }) })
    }

    pub fn refuse(&mut self, fault: Fault) -> Result<(), Reject> {
        let key = self.calls().first().expect("a call").key.clone();
        self.send(Command::FinishCall { key, outcome: Err(fault) })
    }

    /// Lets time go by up to the next thing that is due.
    pub fn wait(&mut self) -> u64 {
        let at = self.state.wake_at().expect("something is due");
        let passed = at.0 - self.now.0;
        self.now = at;
        self.send(Command::Wake).unwrap();
        passed
    }

    pub fn review(&self) -> Review {
        self.reviews().into_iter().next().expect("a review")
    }

    pub fn reviews(&self) -> Vec<Review> {
        let review = |activity: &Activity| match activity {
            Activity::Human { review } => Some((**review).clone()),
            _ => None,
        };
        self.state.frames.values().filter_map(|frame| review(&frame.activity)).collect()
    }

    pub fn kinds(&self) -> Vec<&'static str> {
        self.events.iter().map(|event| event.fact.kind()).collect()
    }
}

pub fn person(principal: &str, role: &str) -> Person {
    Person { principal: principal.into(), roles: vec![role.into()] }
}

pub fn nothing() -> Value {
    json!({})
}
