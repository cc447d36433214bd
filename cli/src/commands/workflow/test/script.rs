//! A case as what is outside the run: its answers, in turn.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use orrery_kernel::domain::command::{Reply, Run};
use orrery_kernel::domain::effect::Call;
use orrery_kernel::domain::fault::{Fault, Standard};
use orrery_kernel::domain::review::Review;
use orrery_kernel::embedded::{Answer, Outside, Verdict};
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::cases::{CallAnswer, ReviewAnswer, Script, Vote};

/// The answers of one case.
#[derive(Debug)]
pub struct Scripted {
    calls: BTreeMap<String, Script<CallAnswer>>,
    reviews: BTreeMap<String, Script<ReviewAnswer>>,
    /// How often each was asked for.
    turns: Mutex<HashMap<String, usize>>,
    /// Calls that have no answer.
    missing: Mutex<Vec<String>>,
}

impl Scripted {
    /// From a case.
    pub fn new(calls: BTreeMap<String, Script<CallAnswer>>, reviews: BTreeMap<String, Script<ReviewAnswer>>) -> Self {
        Self { calls, reviews, turns: Mutex::default(), missing: Mutex::default() }
    }

    /// What the script should have answered and did not.
    pub fn missing(&self) -> Vec<String> {
        self.missing.lock().clone()
    }

    fn turn(&self, key: &str) -> usize {
        let mut turns = self.turns.lock();
        let turn = turns.entry(key.to_owned()).or_default();
        *turn += 1;
        *turn - 1
    }

    fn answer(&self, run: &Run, call: &Call) -> Result<(&CallAnswer, usize), String> {
        let function = call.function.name();
        let full = format!("{}#{}", run.workflow.1, call.pointer);
        let scripted =
            [full.as_str(), &call.pointer, function].into_iter().find_map(|key| self.calls.get_key_value(key));
        let Some((key, script)) = scripted else {
            return Err(format!("the case scripts no answer for {} ({function}): add it under `calls`", call.pointer));
        };
        let turn = self.turn(&format!("call {key}"));
        let answer = script.at(turn);
        answer
            .map(|answer| (answer, turn))
            .ok_or_else(|| format!("the case scripts {turn} answers for {key}, and {} asked once more", call.pointer))
    }
}

#[async_trait]
impl Outside for Scripted {
    async fn call(&self, run: &Run, call: &Call) -> Answer<Result<Reply, Fault>> {
        match self.answer(run, call) {
            Ok((answer, _)) => Answer { after: answer.after, value: outcome(answer) },
            Err(missing) => {
                let fault = Fault::new(Standard::Configuration, missing.clone()).titled("not_scripted");
                self.missing.lock().push(missing);
                Answer { after: std::time::Duration::ZERO, value: Err(fault) }
            }
        }
    }

    fn decide(&self, run: &Run, pointer: &str, _review: &Review) -> Vec<Answer<Verdict>> {
        let full = format!("{}#{pointer}", run.workflow.1);
        let script = [full.as_str(), pointer].into_iter().find_map(|key| self.reviews.get_key_value(key));
        let answer = script.and_then(|(key, script)| script.at(self.turn(&format!("review {key}"))));
        answer.filter(|answer| !answer.expire).map(verdicts).unwrap_or_default()
    }
}

fn verdicts(answer: &ReviewAnswer) -> Vec<Answer<Verdict>> {
    if !answer.votes.is_empty() {
        let vote = |vote: &Vote| {
            let Vote { by, decision, reason, edits, after } = vote.clone();
            Answer { after, value: Verdict { decision, reason, edits, by: Some(by) } }
        };
        return answer.votes.iter().map(vote).collect();
    }
    let verdict = |decision: String| {
        let (reason, edits, by) = (answer.reason.clone(), answer.edits.clone(), answer.by.clone());
        Answer { after: answer.after, value: Verdict { decision, reason, edits, by } }
    };
    answer.decision.clone().map(verdict).into_iter().collect()
}

fn outcome(answer: &CallAnswer) -> Result<Reply, Fault> {
    match &answer.error {
        Some(fields) => Err(fault(fields)),
        None => Ok(Reply { output: answer.output.clone().unwrap_or(Value::Null), decisions: Vec::new() }),
    }
}

fn fault(fields: &Map<String, Value>) -> Fault {
    let failed = Fault::new(Standard::Communication, "the call failed");
    let text = |field: &str| fields.get(field).and_then(Value::as_str).map(str::to_owned);
    Fault {
        kind: text("type").unwrap_or(failed.kind),
        status: fields.get("status").and_then(Value::as_u64).unwrap_or(failed.status),
        title: text("title"),
        detail: text("detail").or(failed.detail),
        instance: text("instance"),
    }
}
