//! `schedule.on`: gathers events until a run is due (specification, "Event-driven scheduling").

use std::collections::VecDeque;

use orrery_types::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::consumption::{self, Place, Progress};
use super::definition::{Consumption, Until};
use super::expression::Variables;

/// Keys of events that a schedule remembers. A second delivery follows its first within seconds.
const TAKEN_MAX: usize = 256;
/// Events that one run may be started with.
const EVENTS_MAX: usize = 10_000;

/// What a schedule has gathered, and the runs that are due for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Gathered {
    progress: Progress,
    events: Vec<Value>,
    taken: VecDeque<String>,
    /// Runs to start.
    pub due: Vec<Due>,
}

/// A run to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Due {
    /// The same for the same events.
    pub key: String,
    /// "The input is structured as an array containing the events that trigger the execution of the workflow."
    pub events: Vec<Value>,
}

impl Gathered {
    /// Takes an event in; whether that changed anything.
    pub fn hear(&mut self, on: &Consumption, event: &Value, now: UnixMillis) -> bool {
        let key = consumption::key(event);
        if self.taken.contains(&key) {
            return false;
        }
        let outside = Outside { now };
        let place = Place { input: &Value::Null, variables: &outside };
        let Some(taken) = self.progress.offer(on, event, &place) else { return false };
        self.progress.take(&taken);
        if !taken.by_until {
            self.events.push(event.clone());
        }
        if self.taken.len() >= TAKEN_MAX {
            self.taken.pop_front();
        }
        self.taken.push_back(key.clone());
        if self.progress.is_met(on) || self.until_holds(on, &outside) || self.events.len() >= EVENTS_MAX {
            self.progress = Progress::default();
            self.due.push(Due { key, events: std::mem::take(&mut self.events) });
        }
        true
    }

    /// A condition that fails does not hold: there is no run yet that could fail of it.
    fn until_holds(&self, on: &Consumption, outside: &Outside) -> bool {
        let Some(Until::Condition(condition)) = &on.until else { return false };
        let holds = condition.evaluate(&Value::Array(self.events.clone()), outside);
        holds.is_ok_and(|holds| !matches!(holds, Value::Null | Value::Bool(false)))
    }
}

/// What an expression sees where there is no run: the time.
struct Outside {
    now: UnixMillis,
}

impl Variables for Outside {
    fn get(&self, _name: &str) -> Value {
        Value::Null
    }

    fn now_seconds(&self) -> f64 {
        self.now.0 as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::definition;

    fn due(on: &str, kinds: &[&str]) -> Vec<usize> {
        let text = format!(
            "document: {{dsl: 1.0.0, namespace: test, name: sample, version: 1.0.0}}\nschedule: {{on: {on}}}\ndo: []\n"
        );
        let definition = definition::parse(&text).unwrap();
        let on = definition.schedule.as_ref().and_then(|schedule| schedule.on.as_ref()).unwrap();
        let mut gathered = Gathered::default();
        for (id, kind) in kinds.iter().enumerate() {
            let event = json!({"id": id.to_string(), "source": "s", "type": kind});
            gathered.hear(on, &event, UnixMillis(0));
            assert!(!gathered.hear(on, &event, UnixMillis(0)), "the second delivery changes nothing");
        }
        gathered.due.iter().map(|due| due.events.len()).collect()
    }

    /// "When an event matches the criteria specified in `schedule.on`, a new workflow instance is initiated."
    #[test]
    fn runs_are_due_as_the_strategy_says() {
        assert_eq!(due("{one: {with: {type: a}}}", &["a", "b", "a"]), [1, 1]);
        assert_eq!(due("{any: [{with: {type: a}}, {with: {type: b}}]}", &["a", "b", "c"]), [1, 1]);
        assert_eq!(due("{all: [{with: {type: a}}, {with: {type: b}}]}", &["a", "a", "b", "b"]), [2]);
        assert_eq!(due("{any: [], until: 'length == 2'}", &["a", "b", "c", "d", "e"]), [2, 2]);
        assert_eq!(due("{any: [{with: {type: a}}], until: {one: {with: {type: z}}}}", &["a", "a", "z", "a"]), [2]);
    }
}
