//! A partition actor: the runs of its virtual partitions, moved one command at a time.
//!
//! K-3: a run has one writer. A command is decided off this thread, committed, and only then does the state change here,
//! do its effects go out and is its sender answered.
//!
//! Memory holds the runs that have something under way, and the last few of those that wait. The others are rows, read
//! back when something happens to them.

mod handlers;
mod messages;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use orrery_errors::{Error, ErrorCode};
use orrery_supervise::{ActorSpec, SupervisedContext as _};
use orrery_telemetry::STEP_DURATION;
use orrery_types::{TaskId, TenantId, UnixMillis};
use tokio::sync::oneshot;

pub use messages::{Act, LetGo, Start, TakeUp, Watch};

use crate::actors::committer::Commit;
use crate::actors::executor::{Perform, RunErrand};
use crate::actors::recovery;
use crate::actors::timer::SetWake;
use crate::actors::work::{self, Outcome, Work};
use crate::domain::command::Command;
use crate::domain::definition::Definition;
use crate::domain::effect::Effect;
use crate::domain::fairness::Place;
use crate::domain::state::State;
use crate::domain::transition::unfinished;
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::providers::Providers;
use crate::store::{Entry, ErrandRow, RunRow, StartKey, partition_of};

/// Partition actors in one process.
pub const ACTORS: i32 = 4;
/// Commands under way or waiting in one partition actor.
const MAILBOX: usize = 4_096;
/// Commands that wait for one run.
const WAITING_MAX: usize = 256;
/// Runs that one partition actor holds because something of theirs is under way.
const BUSY_MAX: usize = 250_000;
/// Runs that wait and are held all the same, since the next command may come soon.
const IDLE_MAX: usize = 2_048;
/// Commands that are decided together.
const BATCH_MAX: usize = 64;
/// The same while a tenant that has little to do meets one that has much: what is decided together is committed together.
const SHORT_BATCH_MAX: usize = 4;
/// Batches that are decided at the same time, so that one expression that takes long does not hold up all.
const DECIDING_MAX: usize = 2;
/// How old the row of a run that goes on may become.
const VIEW_AGE: Duration = Duration::from_secs(1);

type Answer = oneshot::Sender<Result<Arc<State>, ActError>>;
type Answered = oneshot::Receiver<Result<Arc<State>, ActError>>;

struct Waiting {
    command: Command,
    key: Option<StartKey>,
    answer: Option<Answer>,
    /// For the result of a call that was answered at once: when it was asked for.
    asked: Option<Instant>,
}

impl Waiting {
    /// A command of the run to itself.
    fn own(command: Command, asked: Option<Instant>) -> Self {
        Self { command, key: None, answer: None, asked }
    }
}

/// A run in memory.
struct Slot {
    partition: i32,
    /// Tells it from an earlier slot of the same run: the partition may have been let go and taken up again meanwhile, and
    /// what was under way for that one says nothing of this one.
    incarnation: u64,
    /// None while it is read from the journal.
    held: Option<(Arc<State>, Arc<Definition>)>,
    waiting: VecDeque<Waiting>,
    busy: bool,
    /// The row is older than the state.
    stale_view: bool,
}

/// A run, and the slot that was its when something was asked for it.
#[derive(Clone)]
struct SlotId {
    run: TaskId,
    incarnation: u64,
}

/// A command on its way through decision and commit.
struct Job {
    of: SlotId,
    work: Work,
    answer: Option<Answer>,
    asked: Option<Instant>,
}

/// Owns its runs.
pub struct Partition {
    kernel: Arc<Kernel>,
    /// What is decided next, by place.
    ready: BTreeMap<Place, Job>,
    /// Batches that are being decided.
    deciding: usize,
    runs: HashMap<TaskId, Slot>,
    /// Slots so far.
    incarnations: u64,
    /// Runs that wait, in the order in which they began to; some may be busy again or gone.
    idle: VecDeque<TaskId>,
    watchers: HashMap<TaskId, Vec<oneshot::Sender<Arc<State>>>>,
}

/// The supervised actor for every virtual partition `p` with `p % ACTORS == index`.
pub fn spec(kernel: Arc<Kernel>, index: i32) -> ActorSpec<Partition> {
    let fresh = move || Partition {
        kernel: kernel.clone(),
        ready: BTreeMap::new(),
        deciding: 0,
        runs: HashMap::new(),
        incarnations: 0,
        idle: VecDeque::new(),
        watchers: HashMap::new(),
    };
    ActorSpec::new(&format!("partition-{index}"), fresh).mailbox(MAILBOX)
}

impl Partition {
    /// Takes a command in, unless a limit is reached. Gives where its answer will be.
    fn admit(&mut self, mut act: Act, ctx: &mut Context<Self>) -> Result<Answered, ActError> {
        let partition = partition_of(&act.tenant, &act.run);
        if !self.kernel.owns(partition) {
            return Err(ActError::Moved);
        }
        let mut key = None;
        match act.start {
            Some(start) => {
                if self.runs.len() >= BUSY_MAX + IDLE_MAX {
                    let message = format!("{BUSY_MAX} tasks are under way in this partition");
                    let full = Error::new(ErrorCode::Overloaded, message).retry_after(Duration::from_secs(5));
                    return Err(full.into());
                }
                let Start { run, definition, key: own } = *start;
                key = own;
                // A run that may not begin yet is taken in as pending. One that begins paused, or anew from a step, does
                // nothing yet or goes on with what had its turn.
                if act.command == Command::Start {
                    act.command = self.kernel.admission.admit(&run);
                }
                if !self.runs.contains_key(&act.run) {
                    self.hold(&act.run, partition, Some((Arc::new(State::new(run)), definition)));
                }
            }
            None if !self.runs.contains_key(&act.run) => {
                let slot = self.hold(&act.run, partition, None);
                self.read_back(act.tenant, slot, ctx);
            }
            None => {}
        }
        let slot = self.runs.get_mut(&act.run).ok_or(ActError::Unknown)?;
        if slot.waiting.len() >= WAITING_MAX {
            let full = Error::new(ErrorCode::Overloaded, format!("{WAITING_MAX} commands wait for this task"));
            return Err(full.retry_after(Duration::from_secs(1)).into());
        }
        let (answer, answered) = oneshot::channel();
        slot.waiting.push_back(Waiting { command: act.command, key, answer: Some(answer), asked: None });
        Ok(answered)
    }

    /// Makes a run's slot.
    fn hold(&mut self, run: &TaskId, partition: i32, held: Option<(Arc<State>, Arc<Definition>)>) -> SlotId {
        self.incarnations += 1;
        let incarnation = self.incarnations;
        self.runs.insert(run.clone(), Slot::new(partition, incarnation, held));
        SlotId { run: run.clone(), incarnation }
    }

    /// The slot, if it is still the run's.
    fn slot(&mut self, of: &SlotId) -> Option<&mut Slot> {
        self.runs.get_mut(&of.run).filter(|slot| slot.incarnation == of.incarnation)
    }

    /// Reads a run that waits back from the journal.
    fn read_back(&mut self, tenant: TenantId, of: SlotId, ctx: &mut Context<Self>) {
        let kernel = self.kernel.clone();
        let run = of.run.clone();
        let reading = async move { kernel.load(&tenant, &run).await };
        ctx.spawn(reading.into_actor(self).map(move |loaded, actor, ctx| {
            let Some(slot) = actor.slot(&of) else { return };
            let refusal = match loaded {
                Ok(Some(held)) => {
                    slot.held = Some(held);
                    return actor.proceed(&of.run, ctx);
                }
                Ok(None) => ActError::Unknown,
                Err(error) => error,
            };
            actor.forget(&of.run, &refusal);
        }));
    }

    /// Goes on with a run of which it is not known whether its last move was written: as after a restart, but for this one
    /// alone. Its commands wait meanwhile.
    fn settle(&mut self, tenant: TenantId, of: SlotId, ctx: &mut Context<Self>) {
        let kernel = self.kernel.clone();
        let run = of.run.clone();
        let settling = async move { recovery::load_one(&kernel, &tenant, &run).await };
        ctx.spawn(settling.into_actor(self).map(move |(loaded, errands), actor, ctx| {
            let Some(slot) = actor.slot(&of) else { return };
            if let Ok(Some(held)) = &loaded {
                slot.held = Some(held.clone());
            }
            if let Err(error) = actor.send_errands(errands) {
                return ctx.fail(error);
            }
            match loaded {
                Ok(Some((state, _))) => {
                    if let Err(error) = actor.perform(&state, None, unfinished(&state), ctx) {
                        return ctx.fail(error);
                    }
                    actor.proceed(&of.run, ctx);
                }
                Ok(None) => actor.forget(&of.run, &ActError::Unknown),
                Err(error) => actor.forget(&of.run, &error),
            }
        }));
    }

    fn send_errands(&self, errands: Vec<RunErrand>) -> Result<(), Error> {
        let wiring = self.kernel.wiring()?;
        for errand in errands {
            drop(wiring.executor.try_send(errand).map_err(|error| crate::error::busy(&error))?);
        }
        Ok(())
    }

    /// Drops a run from memory and tells who waits for it why.
    fn forget(&mut self, id: &TaskId, refusal: &ActError) {
        let Some(slot) = self.runs.remove(id) else { return };
        for answer in slot.waiting.into_iter().filter_map(|waiting| waiting.answer) {
            let _nobody_waits = answer.send(Err(refusal.clone()));
        }
    }

    /// Decides and commits the next command of a run.
    fn proceed(&mut self, id: &TaskId, ctx: &mut Context<Self>) {
        let Some(slot) = self.runs.get_mut(id) else { return };
        let Some((state, definition)) = slot.held.clone().filter(|_| !slot.busy) else { return };
        let Some(waiting) = slot.waiting.pop_front() else {
            if state.seq == 0 || state.is_over() {
                self.runs.remove(id);
            } else if state.is_waiting() {
                self.idle.push_back(id.clone());
                self.make_room();
            }
            return;
        };
        let Some(epoch) = self.kernel.ownership.epoch(slot.partition) else {
            if let Some(answer) = waiting.answer {
                let _nobody_waits = answer.send(Err(ActError::Moved));
            }
            return self.forget(id, &ActError::Moved);
        };
        slot.busy = true;
        let of = SlotId { run: id.clone(), incarnation: slot.incarnation };
        let Waiting { command, key, answer, asked } = waiting;
        let work = Work { state, definition, epoch, command, key };
        let place = self.kernel.steps.lock().place(work.state.run.tenant.as_str());
        self.ready.insert(place, Job { of, work, answer, asked });
        self.decide(ctx);
    }

    /// Decides what is ready, unless enough is being decided; commits it while the next is decided.
    fn decide(&mut self, ctx: &mut Context<Self>) {
        let Some(place) = self.ready.keys().next().copied() else { return };
        if self.deciding >= DECIDING_MAX {
            return;
        }
        self.deciding += 1;
        let most = if self.kernel.steps.lock().is_contended() { SHORT_BATCH_MAX } else { BATCH_MAX };
        let batch = std::iter::from_fn(|| self.ready.pop_first()).take(most);
        let (works, jobs): (Vec<_>, Vec<_>) = batch.map(|(_, job)| (job.work, (job.of, job.answer, job.asked))).unzip();
        let kernel = self.kernel.clone();
        let deciding = work::decide(kernel.clone(), works).into_actor(self).then(move |decided, actor, ctx| {
            actor.deciding -= 1;
            actor.decide(ctx);
            work::commit(kernel, place, decided).into_actor(actor)
        });
        ctx.spawn(deciding.map(move |outcomes, actor, ctx| {
            for ((of, answer, asked), outcome) in jobs.into_iter().zip(outcomes) {
                actor.finish(&of, outcome, answer, ctx);
                if let Some(asked) = asked {
                    metrics::histogram!(STEP_DURATION).record(asked.elapsed().as_secs_f64());
                }
            }
        }));
    }

    fn finish(&mut self, of: &SlotId, outcome: Outcome, answer: Option<Answer>, ctx: &mut Context<Self>) {
        let id = &of.run;
        let Some(slot) = self.runs.get_mut(id).filter(|slot| slot.incarnation == of.incarnation) else {
            // The partition was let go meanwhile. What was committed is committed; the new owner acts on it, this process
            // again perhaps.
            let result = match outcome {
                Ok(Some(moved)) => Ok(Arc::new(moved.transition.state)),
                Ok(None) => Err(ActError::Moved),
                Err(error) => Err(error),
            };
            if let Some(answer) = answer {
                let _nobody_waits = answer.send(result);
            }
            return;
        };
        slot.busy = false;
        self.kernel.admission.observe(outcome_state(&outcome, slot));
        let result = match outcome {
            Ok(Some(moved)) => {
                let state = Arc::new(moved.transition.state);
                slot.stale_view = moved.left_row;
                let before = slot.held.as_ref().and_then(|(held, _)| held.wake_at());
                if let Some((held, _)) = &mut slot.held {
                    *held = state.clone();
                }
                if let Err(error) = self.perform(&state, before, moved.transition.effects, ctx) {
                    // The move is durable, so nothing is lost: a fresh instance takes it up from the journal.
                    ctx.fail(error);
                }
                if state.is_over() {
                    for watcher in self.watchers.remove(id).into_iter().flatten() {
                        let _nobody_waits = watcher.send(state.clone());
                    }
                }
                Ok(state)
            }
            Ok(None) => slot.held.clone().map(|(state, _)| state).ok_or(ActError::Unknown),
            Err(ActError::Moved) => {
                let partition = slot.partition;
                self.let_go(partition);
                Err(ActError::Moved)
            }
            // Whether the move was written is not known: the journal says what is true.
            Err(error @ ActError::Failed(_)) => {
                if let Some((state, _)) = slot.held.take() {
                    self.settle(state.run.tenant.clone(), of.clone(), ctx);
                }
                Err(error)
            }
            Err(error) => Err(error),
        };
        if let Some(answer) = answer {
            let _nobody_waits = answer.send(result);
        }
        self.proceed(id, ctx);
    }

    /// Hands the effects of a committed move on.
    fn perform(
        &mut self,
        state: &Arc<State>,
        woken_at: Option<UnixMillis>,
        effects: Vec<Effect>,
        ctx: &mut Context<Self>,
    ) -> Result<(), Error> {
        let wiring = self.kernel.wiring()?;
        let busy = |error| crate::error::busy(&error);
        // Nobody waits for the answers: what these are told is in the journal, and told again after a restart.
        let at = state.wake_at();
        if at != woken_at {
            let wake = SetWake { tenant: state.run.tenant.clone(), run: state.run.id.clone(), at };
            drop(wiring.timer.try_send(wake).map_err(busy)?);
        }
        let (mut calls, mut own) = (Vec::new(), Vec::new());
        for (index, effect) in effects.into_iter().enumerate() {
            match effect {
                Effect::Continue => own.push(Waiting::own(Command::Continue, None)),
                // Written to the outbox with the move.
                Effect::Publish(_) => {}
                errand if errand.is_errand() => {
                    let errand =
                        RunErrand { tenant: state.run.tenant.clone(), id: ErrandRow::id(state, index), errand };
                    drop(wiring.executor.try_send(errand).map_err(busy)?);
                }
                Effect::Call(call) => match Providers::at_once(&call) {
                    Some(reply) => {
                        let finish = Command::FinishCall { key: call.key, outcome: Ok(reply) };
                        own.push(Waiting::own(finish, Some(Instant::now())));
                    }
                    None => calls.push(Effect::Call(call)),
                },
                other => calls.push(other),
            }
        }
        if !calls.is_empty() {
            drop(wiring.executor.try_send(Perform { run: state.run.clone(), effects: calls }).map_err(busy)?);
        }
        if !own.is_empty() {
            let id = state.run.id.clone();
            if let Some(slot) = self.runs.get_mut(&id) {
                slot.waiting.extend(own);
            }
            self.proceed(&id, ctx);
        }
        Ok(())
    }

    /// Drops the runs that have waited longest.
    fn make_room(&mut self) {
        while self.idle.len() > IDLE_MAX {
            let Some(id) = self.idle.pop_front() else { return };
            let idle = |slot: &Slot| {
                !slot.busy && slot.waiting.is_empty() && slot.held.as_ref().is_some_and(|(state, _)| state.is_waiting())
            };
            if self.runs.get(&id).is_some_and(idle) {
                self.runs.remove(&id);
            }
        }
    }

    fn let_go(&mut self, partition: i32) {
        self.kernel.admission.let_go(partition);
        let gone: Vec<TaskId> =
            self.runs.iter().filter(|(_, slot)| slot.partition == partition).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.forget(id, &ActError::Moved));
    }

    /// Writes how the runs stand that have moved on without their rows.
    fn refresh_views(&mut self) {
        let Ok(wiring) = self.kernel.wiring() else { return };
        for slot in self.runs.values_mut().filter(|slot| slot.stale_view && !slot.busy) {
            let Some((state, _)) = &slot.held else { continue };
            slot.stale_view = false;
            // Losing one costs the view a second; the journal is what counts.
            let view = Entry::View(Box::new(RunRow::of(state)));
            drop(wiring.committer.try_send(Commit::of(&self.kernel, state.run.tenant.as_str(), view)));
        }
    }
}

impl Slot {
    fn new(partition: i32, incarnation: u64, held: Option<(Arc<State>, Arc<Definition>)>) -> Self {
        Self { partition, incarnation, held, waiting: VecDeque::new(), busy: false, stale_view: false }
    }
}

impl Actor for Partition {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(VIEW_AGE, |actor, _| actor.refresh_views());
    }
}

impl Handler<Act> for Partition {
    type Result = ResponseFuture<Result<Arc<State>, ActError>>;

    fn handle(&mut self, act: Act, ctx: &mut Self::Context) -> Self::Result {
        let run = act.run.clone();
        let admitted = self.admit(act, ctx);
        self.proceed(&run, ctx);
        Box::pin(async move { admitted?.await.unwrap_or_else(|_| Err(interrupted().into())) })
    }
}

/// How a run stands after a move, or still stands when there was none.
fn outcome_state<'a>(outcome: &'a Outcome, slot: &'a Slot) -> Option<&'a State> {
    match outcome {
        Ok(Some(moved)) => Some(&moved.transition.state),
        _ => slot.held.as_ref().map(|(state, _)| &**state),
    }
}

fn interrupted() -> Error {
    let message = "the kernel restarted a part of itself; the command may or may not have been taken";
    Error::new(ErrorCode::Unavailable, message).retry_after(Duration::from_millis(200))
}
