//! The world that effects reach: providers that do what is asked once for each key, and what people answer. Answers depend
//! on the place in the workflow and on what is asked, never on when or how often.

use std::collections::BTreeMap;

use orrery_types::Sha256Digest;
use serde_json::{Value, json};

use crate::domain::command::Reply;
use crate::domain::effect::Call;
use crate::domain::fault::{Fault, Standard};

/// What a provider keeps of a call.
#[derive(Debug, Clone)]
pub struct Done {
    pub arguments: Value,
    pub times: u32,
    pub outcome: Result<Reply, Fault>,
}

/// All providers.
#[derive(Debug, Default)]
pub struct Outside {
    pub calls: BTreeMap<String, Done>,
}

impl Outside {
    /// Does what a call asks for, unless its key has been done; `forgets`: as if nobody kept keys.
    pub fn perform(&mut self, call: &Call, forgets: bool) -> Result<Reply, Fault> {
        if let Some(done) = self.calls.get_mut(&call.key) {
            done.times += u32::from(forgets);
            return done.outcome.clone();
        }
        let outcome = answer(call);
        let done = Done { arguments: call.arguments.clone(), times: 1, outcome: outcome.clone() };
        self.calls.insert(call.key.clone(), done);
        outcome
    }
}

/// `<pointer>/<iteration>/<attempt>` of a key: the same in each simulation of the workflow, unlike the run's id.
pub fn place(key: &str) -> &str {
    key.find('/').and_then(|slash| key.get(slash..)).unwrap_or(key)
}

fn number(text: &str) -> u64 {
    Sha256Digest::of(text.as_bytes()).as_bytes().iter().take(4).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn answer(call: &Call) -> Result<Reply, Fault> {
    let number = number(&format!("{}{}", place(&call.key), call.arguments));
    if call.pointer.contains("risky") && number.is_multiple_of(2) {
        return Err(Fault::new(Standard::Communication, format!("no answer number {}", number % 7)));
    }
    Ok(Reply { output: json!({"n": number % 1_000}), decisions: vec![format!("dec_{}", number % 1_000)] })
}

/// What people decide about a review.
pub fn decision(pointer: &str, iteration: u32) -> (String, Value) {
    let number = number(&format!("{pointer}/{iteration}"));
    let decision = if number.is_multiple_of(3) { "decline" } else { "approve" };
    (decision.to_owned(), if number.is_multiple_of(2) { Value::Null } else { json!({"n": number % 10}) })
}
