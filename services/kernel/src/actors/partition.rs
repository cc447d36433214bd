//! A partition actor: the runs of its virtual partitions, in memory, moved one command at a time.
//!
//! K-3: a run has one writer. A command is decided off this thread, committed, and only then does the state change here,
//! do its effects go out and is its sender answered.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use orrery_errors::{Error, ErrorCode};
use orrery_supervise::{ActorSpec, SupervisedContext as _};
use orrery_types::{TaskId, UnixMillis};
use tokio::sync::oneshot;

use super::committer::Commit;
use super::executor::Perform;
use super::timer::SetWake;
use crate::bus::outbound;
use crate::domain::command::{Command, Run};
use crate::domain::definition::Definition;
use crate::domain::effect::Effect;
use crate::domain::state::State;
use crate::domain::transition::{Transition, transition, unfinished};
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::store::{Committed, Move, PARTITIONS, StartKey, partition_of};

/// Partition actors in one process.
pub const ACTORS: i32 = 4;
/// Commands under way or waiting in one partition actor.
const MAILBOX: usize = 4_096;
/// Commands that wait for one run.
const WAITING_MAX: usize = 256;
/// Runs that one partition actor holds.
const RUNS_MAX: usize = 250_000;
/// Loading and replaying what is under way.
const RECOVERY: Duration = Duration::from_secs(120);

/// A command to a run.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<State>, ActError>")]
pub struct Act {
    /// Which run.
    pub run: TaskId,
    /// What.
    pub command: Command,
    /// For a run that does not exist yet.
    pub start: Option<Box<Start>>,
}

/// What a new run needs.
#[derive(Debug, Clone)]
pub struct Start {
    /// What never changes.
    pub run: Run,
    /// Its definition.
    pub definition: Arc<Definition>,
    /// The key under which it is started.
    pub key: Option<StartKey>,
}

type Answer = oneshot::Sender<Result<Arc<State>, ActError>>;

struct Waiting {
    command: Command,
    key: Option<StartKey>,
    answer: Option<Answer>,
}

struct Slot {
    state: Arc<State>,
    definition: Arc<Definition>,
    waiting: VecDeque<Waiting>,
    busy: bool,
}

/// Owns its runs.
pub struct Partition {
    kernel: Arc<Kernel>,
    epochs: HashMap<i32, i64>,
    runs: HashMap<TaskId, Slot>,
}

/// The supervised actor for every virtual partition `p` with `p % ACTORS == index`.
pub fn spec(kernel: Arc<Kernel>, index: i32) -> ActorSpec<Partition> {
    let open = move || {
        let kernel = kernel.clone();
        async move { Partition::recover(kernel, index).await }
    };
    ActorSpec::try_new(&format!("partition-{index}"), open).mailbox(MAILBOX).start_timeout(RECOVERY)
}

impl Partition {
    async fn recover(kernel: Arc<Kernel>, index: i32) -> Result<Self, Error> {
        let mine = (0..PARTITIONS).filter(|id| id % ACTORS == index).collect();
        let recovered = kernel.store.recover(mine).await?;
        for (run, reason) in &recovered.damaged {
            tracing::error!(task.id = %run, %reason, "a journal cannot be read; the task stays where it is");
        }
        let mut runs = HashMap::new();
        for state in recovered.states {
            let (tenant, hash) = (state.run.tenant.to_string(), state.run.definition.to_string());
            match kernel.definitions.pinned(&tenant, &hash).await {
                Ok(definition) => {
                    runs.insert(state.run.id.clone(), Slot::new(state, definition));
                }
                Err(error) if error.code.retryable() => return Err(error),
                Err(error) => tracing::error!(task.id = %state.run.id, %error, "a task cannot go on"),
            }
        }
        kernel.admission.recover(&kernel, recovered.epochs.iter().map(|(id, _)| *id).collect()).await?;
        tracing::info!(partition.actor = index, tasks = runs.len(), "recovered");
        Ok(Self { kernel, epochs: recovered.epochs.into_iter().collect(), runs })
    }

    /// Takes a command in, unless a limit is reached or there is no such run.
    fn admit(&mut self, mut act: Act, answer: Answer) -> Option<(ActError, Answer)> {
        let mut key = None;
        if let Some(start) = act.start {
            if self.runs.len() >= RUNS_MAX {
                let full =
                    Error::new(ErrorCode::Overloaded, format!("{RUNS_MAX} tasks are under way in this partition"));
                return Some((ActError::Failed(full.retry_after(Duration::from_secs(5))), answer));
            }
            let Start { run, definition, key: own } = *start;
            key = own;
            // A run that may not begin yet is taken in as pending.
            act.command = self.kernel.admission.admit(&run);
            let fresh = || Slot::new(State::new(run), definition);
            self.runs.entry(act.run.clone()).or_insert_with(fresh);
        }
        let Some(slot) = self.runs.get_mut(&act.run) else { return Some((ActError::Unknown, answer)) };
        if slot.waiting.len() >= WAITING_MAX {
            let full = Error::new(ErrorCode::Overloaded, format!("{WAITING_MAX} commands wait for this task"));
            return Some((ActError::Failed(full.retry_after(Duration::from_secs(1))), answer));
        }
        slot.waiting.push_back(Waiting { command: act.command, key, answer: Some(answer) });
        None
    }

    /// Decides and commits the next command of a run.
    fn proceed(&mut self, id: &TaskId, ctx: &mut Context<Self>) {
        let Some(slot) = self.runs.get_mut(id) else { return };
        if slot.busy {
            return;
        }
        let Some(waiting) = slot.waiting.pop_front() else {
            if slot.state.seq == 0 || slot.state.is_over() {
                self.runs.remove(id);
            }
            return;
        };
        slot.busy = true;
        let partition = partition_of(&slot.state.run.tenant, id);
        let work = Work {
            kernel: self.kernel.clone(),
            state: slot.state.clone(),
            definition: slot.definition.clone(),
            epoch: self.epochs.get(&partition).copied().unwrap_or(0),
            command: waiting.command,
            key: waiting.key,
        };
        let (id, answer) = (id.clone(), waiting.answer);
        let finish = move |outcome, actor: &mut Self, ctx: &mut Context<Self>| actor.finish(id, outcome, answer, ctx);
        ctx.spawn(work.run().into_actor(self).map(finish));
    }

    fn finish(
        &mut self,
        id: TaskId,
        outcome: Result<Option<Box<Transition>>, ActError>,
        answer: Option<Answer>,
        ctx: &mut Context<Self>,
    ) {
        let Some(slot) = self.runs.get_mut(&id) else { return };
        slot.busy = false;
        if let Ok(Some(moved)) = &outcome {
            self.kernel.admission.observe(&moved.state);
        } else {
            self.kernel.admission.observe(&slot.state);
        }
        let result = match outcome {
            Ok(Some(moved)) => {
                slot.state = Arc::new(moved.state);
                let state = slot.state.clone();
                if let Err(error) = self.perform(&state, moved.effects, ctx) {
                    // The move is durable, so nothing is lost: a fresh instance takes it up from the journal.
                    ctx.fail(error);
                }
                Ok(state)
            }
            Ok(None) => Ok(slot.state.clone()),
            Err(ActError::Failed(error)) if error.code == ErrorCode::FailedPrecondition => {
                ctx.fail("another process owns this partition");
                Err(ActError::Failed(Error::new(ErrorCode::Unavailable, error.message)))
            }
            Err(error) => Err(error),
        };
        if let Some(answer) = answer {
            let _nobody_waits = answer.send(result);
        }
        self.proceed(&id, ctx);
    }

    /// Hands the effects of a committed move on.
    fn perform(&mut self, state: &State, effects: Vec<Effect>, ctx: &mut Context<Self>) -> Result<(), Error> {
        let wiring = self.kernel.wiring()?;
        let busy = |error| crate::error::busy(&error);
        let wake = SetWake { tenant: state.run.tenant.clone(), run: state.run.id.clone(), at: state.wake_at() };
        // Nobody waits for the answers: what these two are told is in the journal, and told again after a restart.
        drop(wiring.timer.try_send(wake).map_err(busy)?);
        let (mut onward, mut again) = (Vec::new(), false);
        for effect in effects {
            match effect {
                Effect::Continue => again = true,
                // Written to the outbox with the move.
                Effect::Publish(_) => {}
                other => onward.push(other),
            }
        }
        if !onward.is_empty() {
            drop(wiring.executor.try_send(Perform { run: state.run.clone(), effects: onward }).map_err(busy)?);
        }
        if again {
            let id = state.run.id.clone();
            if let Some(slot) = self.runs.get_mut(&id) {
                slot.waiting.push_back(Waiting { command: Command::Continue, key: None, answer: None });
            }
            self.proceed(&id, ctx);
        }
        Ok(())
    }
}

impl Slot {
    fn new(state: State, definition: Arc<Definition>) -> Self {
        Self { state: Arc::new(state), definition, waiting: VecDeque::new(), busy: false }
    }
}

impl Actor for Partition {
    type Context = Context<Self>;

    /// Sends out again what the journal says is not done. Keys make that harmless.
    fn started(&mut self, ctx: &mut Self::Context) {
        let states: Vec<Arc<State>> = self.runs.values().map(|slot| slot.state.clone()).collect();
        for state in states {
            self.kernel.admission.observe(&state);
            if let Err(error) = self.perform(&state, unfinished(&state), ctx) {
                ctx.fail(error);
                return;
            }
        }
    }
}

impl Handler<Act> for Partition {
    type Result = ResponseFuture<Result<Arc<State>, ActError>>;

    fn handle(&mut self, act: Act, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        let run = act.run.clone();
        if let Some((error, _answer)) = self.admit(act, answer) {
            return Box::pin(async move { Err(error) });
        }
        self.proceed(&run, ctx);
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(interrupted().into())) })
    }
}

fn interrupted() -> Error {
    let message = "the kernel restarted a part of itself; the command may or may not have been taken";
    Error::new(ErrorCode::Unavailable, message).retry_after(Duration::from_millis(200))
}

/// One command, decided and committed.
struct Work {
    kernel: Arc<Kernel>,
    state: Arc<State>,
    definition: Arc<Definition>,
    epoch: i64,
    command: Command,
    key: Option<StartKey>,
}

impl Work {
    /// None: the command changed nothing.
    async fn run(self) -> Result<Option<Box<Transition>>, ActError> {
        let Self { kernel, state, definition, epoch, command, key } = self;
        let internal = |error: &dyn std::fmt::Display| Error::new(ErrorCode::Internal, error.to_string());
        let decide = move || -> Result<_, ActError> {
            let moved = transition(&state, &definition, command, UnixMillis::now())?;
            if moved.events.is_empty() {
                return Ok(None);
            }
            let messages = outbound::messages(&moved);
            let rows =
                Move::new(&moved.state, &moved.events, epoch, messages, key).map_err(|error| internal(&error))?;
            Ok(Some((moved, rows)))
        };
        let decided = tokio::task::spawn_blocking(decide).await.map_err(|error| internal(&error))??;
        let Some((moved, rows)) = decided else { return Ok(None) };
        let committed = kernel.wiring()?.committer.ask(Commit(Box::new(rows))).await??;
        match committed {
            Committed::Done => Ok(Some(Box::new(moved))),
            Committed::Duplicate { run, request_digest } => Err(ActError::Duplicate { run, request_digest }),
            Committed::Fenced => {
                Err(Error::new(ErrorCode::FailedPrecondition, "another kernel has taken this partition over").into())
            }
        }
    }
}
