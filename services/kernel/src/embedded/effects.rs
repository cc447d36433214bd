//! The effects of a move, performed in this process.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;
use serde_json::{Value, json};

use super::machine::{Embedded, Finished, Live};
use super::outcome::Made;
use super::outside::Answer;
use crate::domain::command::{Command, Parent, Reply, Run};
use crate::domain::definition::{Function, Target};
use crate::domain::effect::{Call, Effect, StartChild};
use crate::domain::expression::Sealed;
use crate::domain::fault::Fault;
use crate::domain::state::{Activity, State};
use crate::domain::work::{Stage, token};

/// Runs that one process takes, finished ones included.
const RUNS_MAX: usize = 10_000;
/// Who cancels a run whose starter no longer wants it.
const PARENT: &str = "system:parent";
/// Who does the steps of workers.
const WORKER: &str = "local";

pub(super) fn perform(embedded: &mut Embedded, run: &Arc<Run>, effects: Vec<Effect>) {
    for effect in effects {
        match effect {
            Effect::AnnounceWork { .. } => start_work(embedded, run),
            Effect::Call(call) => start_call(embedded, run, call),
            Effect::CancelCall { key } => cancel_call(embedded, &key),
            Effect::StartChild(child) => start_child(embedded, &child),
            Effect::CancelChild { task, reason, terminate } => {
                let by = PARENT.to_owned();
                let command = match terminate {
                    true => Command::Terminate { by, reason, replaced_by: None },
                    false => Command::Cancel { by, reason },
                };
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

fn note(embedded: &mut Embedded, run: &Run, call: &Call) {
    embedded.made.push(Made {
        task: call.pointer.clone(),
        workflow: run.workflow.1.clone(),
        function: call.function.name().to_owned(),
        with: call.arguments.clone(),
    });
}

fn start_call(embedded: &mut Embedded, run: &Arc<Run>, call: Call) {
    note(embedded, run, &call);
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

/// Takes the steps that wait for workers, whose part whoever answers the calls plays as well.
fn start_work(embedded: &mut Embedded, run: &Arc<Run>) {
    let Some(live) = embedded.runs.get(&run.id) else { return };
    let queued = live.state.frames.values().filter_map(|frame| match &frame.activity {
        Activity::Work { work } if matches!(work.stage, Stage::Queued { .. }) => Some((frame.pointer.clone(), work)),
        _ => None,
    });
    let now = embedded.around.clock.now();
    let calls = queued.map(|(pointer, work)| {
        let call = Call {
            key: work.key.clone(),
            function: Target::Platform(Function::Work),
            arguments: json!({ "queue": work.queue, "input": work.input }),
            sealed: Sealed::default(),
            pointer,
            deadline_at: UnixMillis(now.0.saturating_add(work.timeouts.start_to_close_ms)),
        };
        (call, work.attempt)
    });
    let calls: Vec<(Call, u32)> = calls.collect();
    for (call, attempt) in calls {
        note(embedded, run, &call);
        let (key, worker) = (call.key.clone(), WORKER.to_owned());
        embedded.commands.push_back((run.id.clone(), Command::StartWork { key: key.clone(), attempt, worker }));
        let (outside, slots, run) = (embedded.around.outside.clone(), embedded.slots.clone(), run.clone());
        let working = async move {
            let _slot = slots.acquire().await;
            let answer = outside.call(&run, &call).await;
            let (key, token) = (call.key.clone(), token(run.seed, &call.key, attempt));
            let command = match answer.value {
                Ok(reply) => Command::CompleteWork { key, token, output: reply.output },
                Err(error) => Command::FailWork { key, token, error, retryable: true },
            };
            Finished { run: run.id.clone(), key: call.key, answer: Answer { after: answer.after, value: command } }
        };
        let handle = embedded.calls.spawn(working);
        embedded.aborts.insert(key, handle);
    }
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
