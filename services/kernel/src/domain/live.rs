//! What can be asked of a run while it runs. Answered from its state; nothing is recorded.

use orrery_types::UnixMillis;
use serde_json::{Value, json};

use super::command::Reject;
use super::definition::Definition;
use super::expression::Variables;
use super::state::{State, Status};

/// A run as queries and updates see it.
#[derive(Debug)]
pub struct Live<'a> {
    /// How it stands.
    pub state: &'a State,
    /// What it runs.
    pub definition: &'a Definition,
    /// What came with the question.
    pub payload: &'a Value,
    /// When it is asked.
    pub now: UnixMillis,
}

impl Live<'_> {
    /// The answer to a named query; without a name, the state itself.
    pub fn query(&self, name: &str) -> Result<Value, Reject> {
        if name.is_empty() {
            return Ok(self.view());
        }
        let queries = &self.definition.queries;
        let query = queries.get(name).ok_or_else(|| {
            let known: Vec<&str> = queries.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Reject::Invalid(format!("the workflow has no query {name:?}; it has: {known}"))
        })?;
        query.evaluate(&self.state.context, self).map_err(|error| Reject::Invalid(error.to_string()))
    }

    /// What an update answers with once it is taken.
    pub fn update_result(&self, name: &str) -> Result<Value, Reject> {
        match self.definition.updates.get(name).and_then(|update| update.result.as_ref()) {
            Some(result) => {
                result.evaluate(&self.state.context, self).map_err(|error| Reject::Invalid(error.to_string()))
            }
            None => Ok(Value::Null),
        }
    }

    /// The state without its values, but for the context and the outcome.
    pub fn view(&self) -> Value {
        let state = self.state;
        let (status, output, error) = match &state.status {
            Status::Pending => ("pending", None, None),
            Status::Running if state.ending.is_some() => ("compensating", None, None),
            Status::Running if state.is_paused() => ("paused", None, None),
            Status::Running if state.is_waiting() => ("waiting", None, None),
            Status::Running => ("running", None, None),
            Status::Completed(output) => ("completed", Some(output.clone()), None),
            Status::Faulted(fault) => ("faulted", None, Some(fault.to_value())),
            Status::Cancelled => ("cancelled", None, None),
            Status::Terminated => ("terminated", None, None),
        };
        let active: Vec<Value> = state
            .waiting_frames()
            .map(|frame| {
                let activity = serde_json::to_value(&frame.activity).ok();
                let activity = activity.and_then(|it| it.get("activity").cloned());
                json!({
                    "pointer": &*frame.pointer, "activity": activity, "iteration": frame.iteration,
                    "attempt": frame.attempt, "since": frame.started_at.to_string(),
                    "until": frame.timeout_at.map(|at| at.to_string()),
                })
            })
            .collect();
        let signals: Vec<&str> = state.signals.iter().map(|signal| signal.name.as_str()).collect();
        json!({
            "status": status, "context": &*state.context, "output": output, "error": error, "active": active,
            "signals": signals, "pauses": state.pauses, "steps": state.steps,
        })
    }
}

impl Variables for Live<'_> {
    fn get(&self, name: &str) -> Value {
        match name {
            "context" => (*self.state.context).clone(),
            "input" => (*self.state.run.input).clone(),
            "payload" => self.payload.clone(),
            "state" => self.view(),
            "workflow" => json!({
                "id": self.state.run.id, "definition": &*self.definition.source, "input": &*self.state.run.input,
                "startedAt": self.state.started_at.to_string(), "submittedBy": self.state.run.submitted_by,
            }),
            "runtime" => json!({ "name": "orrery", "version": env!("CARGO_PKG_VERSION"), "metadata": {} }),
            _ => Value::Null,
        }
    }

    fn now_seconds(&self) -> f64 {
        self.now.0 as f64 / 1000.0
    }
}
