//! The interpreter against the specification's own sentences: one file for each construct, each test under the sentence that
//! it takes at its word (Serverless Workflow DSL 1.0, `dsl.md`, `dsl-reference.md` and the conformance features).

mod composite;
mod data_flow;
mod errors;
mod expressions;
mod extensions;
mod listen;
mod switch;

use std::sync::Arc;

use serde_json::{Value, json};

use super::harness::Bench;
use crate::domain::command::Command;

/// An event of another system.
pub fn event(id: &str, kind: &str, data: &Value) -> Value {
    json!({ "specversion": "1.0", "id": id, "source": "https://other.example", "type": kind, "data": data })
}

impl Bench {
    /// Delivers an event.
    pub fn hear(&mut self, event: &Value) {
        self.send(Command::Event { event: Arc::new(event.clone()) }).unwrap();
    }
}
