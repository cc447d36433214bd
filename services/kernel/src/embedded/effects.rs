//! The effects of a move, performed in this process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use serde_json::Value;

use super::machine::{Embedded, Finished, Live};
use super::outside::Answer;
use crate::domain::command::{Command, Parent, Reply, Run};
use crate::domain::effect::{Call, Effect, StartChild};
use crate::domain::fault::Fault;
use crate::domain::state::State;

/// Runs that one process takes, finished ones included.
const RUNS_MAX: usize = 10_000;
/// Who cancels a run whose starter no longer wants it.
const PARENT: &str = "system:parent";

pub(super) fn perform(embedded: &mut Embedded, run: &Arc<Run>, effects: Vec<Effect>) {
    for effect in effects {
        match effect {
            Effect::Call(call) => start_call(embedded, run, call),
            Effect::CancelCall { key } => cancel_call(embedded, &key),
            Effect::StartChild(child) => start_child(embedded, &child),
            Effect::CancelChild { task, reason, terminate } => {
                let by = PARENT.to_owned();
                let command =
                    if terminate { Command::Terminate { by, reason } } else { Command::Cancel { by, reason } };
                embedded.commands.push_back((task, command));
            }
            Effect::NotifyParent { parent: Parent { task, key }, outcome } => {
                embedded.commands.push_back((task, Command::ChildFinished { key, outcome }));
            }
            Effect::Publish(event) => publish(embedded, event),
            Effect::Continue => embedded.commands.push_back((run.id.clone(), Command::Continue)),
        }
    }
}

/// An event reaches every run of this process, as on the bus.
fn publish(embedded: &mut Embedded, event: Value) {
    let heard = Arc::new(event.clone());
    let runs: Vec<_> = embedded.runs.keys().cloned().collect();
    embedded.commands.extend(runs.into_iter().map(|run| (run, Command::Event { event: heard.clone() })));
    embedded.emitted.push(event);
}

fn start_call(embedded: &mut Embedded, run: &Arc<Run>, call: Call) {
    let (outside, slots) = (embedded.around.outside.clone(), embedded.slots.clone());
    let (run, key) = (run.clone(), call.key.clone());
    let left = call.deadline_at.since(embedded.around.clock.now());
    let real = !embedded.around.clock.skips();
    let calling = async move {
        let _slot = slots.acquire().await;
        let answering = outside.call(&run, &call);
        let answer = match real {
            true => tokio::time::timeout(left, answering).await.unwrap_or_else(|_| late(Duration::ZERO)),
            false => answering.await,
        };
        let answer = if answer.after > left { late(left) } else { answer };
        let command = Command::FinishCall { key: call.key.clone(), outcome: answer.value };
        Finished { run: run.id.clone(), key: call.key, answer: Answer { after: answer.after, value: command } }
    };
    let handle = embedded.calls.spawn(calling);
    embedded.aborts.insert(key, handle);
}

fn late(after: Duration) -> Answer<Result<Reply, Fault>> {
    let error = Error::new(ErrorCode::DeadlineExceeded, "the call did not end within the step's time");
    Answer { after, value: Err(Fault::from(&error)) }
}

/// Gives a call up, under way or answered and not yet due.
fn cancel_call(embedded: &mut Embedded, key: &str) {
    if let Some(call) = embedded.aborts.remove(key) {
        call.abort();
    }
    embedded.due.retain(|_, due| !matches!(&due.command, Command::FinishCall { key: it, .. } if it == key));
}

fn start_child(embedded: &mut Embedded, child: &StartChild) {
    let starter = child.starter.id.clone();
    let key = child.key.clone();
    match try_start(embedded, child) {
        Ok(()) => embedded.commands.push_back((starter, Command::ChildStarted { key })),
        Err(error) => {
            let outcome: Result<Value, Fault> = Err(Fault::from(&error));
            embedded.commands.push_back((starter, Command::ChildFinished { key, outcome }));
        }
    }
}

fn try_start(embedded: &mut Embedded, child: &StartChild) -> Result<(), Error> {
    if embedded.runs.contains_key(&child.task) {
        return Ok(());
    }
    if embedded.runs_started >= RUNS_MAX {
        let message = format!("this process has started {RUNS_MAX} runs: do the workflows start each other endlessly?");
        return Err(Error::new(ErrorCode::FailedPrecondition, message));
    }
    let (namespace, name, version) = &child.workflow;
    let definition = embedded.around.library.find(namespace, name, version).ok_or_else(|| {
        let message = format!("the workflow {name:?} {version} of the namespace {namespace:?} is not at hand");
        Error::new(ErrorCode::NotFound, message)
    })?;
    let document = &definition.document;
    let run = Run {
        id: child.task.clone(),
        workflow: (document.namespace.clone(), document.name.clone(), document.version.clone()),
        definition: definition.hash,
        input: Arc::new(child.input.clone()),
        parent: child.wait.then(|| Parent { task: child.starter.id.clone(), key: child.key.clone() }),
        depth: child.starter.depth + 1,
        attributes: BTreeMap::new(),
        origin: None,
        ..child.starter.clone()
    };
    embedded.runs_started += 1;
    embedded.runs.insert(child.task.clone(), Live { definition, state: State::new(run) });
    embedded.commands.push_back((child.task.clone(), Command::Start));
    Ok(())
}
