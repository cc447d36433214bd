//! The model's processes: what each does with a command, a commit and an effect. As the real shell must, they decide,
//! commit and only then act; and what must not be lost is in the state, or a row, never only in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use orrery_types::{TaskId, TenantId, UnixMillis};
use serde_json::{Value, json};

use super::database::{Committed, Weak, errand_id, partition_of};
use super::outside::decision;
use super::world::{AGAIN_MS, Flaw, Life, SKEW_MS, Slot, What, World};
use crate::domain::command::{Command, Parent, Person, Reject, Run};
use crate::domain::effect::{Call, Effect, StartChild};
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::{Activity, State, Status};
use crate::domain::transition::{Transition, transition, unfinished};

/// The key under which the client starts its run.
const KEY: &str = "order-1";

impl World {
    /// A client starts its run under its key, as a new request each time, until it learns that it has started.
    pub(super) fn ask(&mut self) {
        if self.database.runs.values().any(|it| it.replay.run.parent.is_none()) {
            return;
        }
        self.asked += 1;
        let definition = &self.definitions["parent"];
        let id = TaskId::new(&format!("task_{}", self.asked)).unwrap();
        let tenant = TenantId::new("acme").unwrap();
        let run = Run { seed: 7, ..Run::of(definition, id, tenant, "alice", json!({"order": 7})) };
        self.send(None, 0, What::Begin { run: Box::new(run), key: Some(KEY.to_owned()) });
        self.send(None, AGAIN_MS / 10, What::Ask);
    }

    /// People decide what they see, and see it until it is decided; and the rows of timers are looked through.
    pub(super) fn rounds(&mut self) {
        let mut decided = Vec::new();
        for state in self.database.runs.values().map(|it| &it.replay).filter(|it| !it.is_over()) {
            let due = state.wake_at().is_some_and(|at| at.0 + SKEW_MS < self.now);
            if due && !self.has(Flaw::KeepsTimersInMemory) {
                decided.push((state.run.id.clone(), Command::Wake));
            }
            for frame in state.frames.values() {
                let Activity::Human { review } = &frame.activity else { continue };
                if review.title != "nobody" {
                    let (decision, edits) = decision(&frame.pointer, frame.iteration);
                    let by = Person { principal: "bob".into(), roles: vec!["adjuster".into()] };
                    let reason = "fine".to_owned();
                    let command = Command::Decide { review: review.id.clone(), by, decision, reason, edits };
                    decided.push((state.run.id.clone(), command));
                }
            }
        }
        for (run, command) in decided {
            if self.chance.percent(60) {
                self.send(None, 0, What::Deliver { run, command });
            }
        }
        self.send(None, AGAIN_MS, What::Rounds);
    }

    /// Whom a message reaches: a process believes that it owns what it once took over.
    fn reached(&self, from: Option<Life>, run: &TaskId) -> Option<usize> {
        let partition = partition_of(run);
        let own = from.map(|(process, _)| process).filter(|it| self.processes[*it].epochs.contains_key(&partition));
        own.or_else(|| self.owners.get(&partition).copied()).filter(|it| !self.is_paused(*it))
    }

    pub(super) fn begin(&mut self, from: Option<Life>, run: Run, key: Option<String>) {
        let Some(process) = self.reached(from, &run.id) else { return };
        if self.database.runs.contains_key(&run.id) {
            return;
        }
        let id = run.id.clone();
        if !self.processes[process].runs.contains_key(&id) {
            self.hold(process, State::new(run));
        }
        let slot = self.processes[process].runs.get_mut(&id).unwrap();
        slot.waiting.push_back((Command::Start, key));
        self.proceed(process, &id);
    }

    pub(super) fn deliver(&mut self, from: Option<Life>, run: TaskId, command: Command) {
        let Some(process) = self.reached(from, &run) else {
            // A process tries until it is taken; people and clients come again by themselves.
            if from.is_some() {
                self.send(from, AGAIN_MS, What::Deliver { run, command });
            }
            return;
        };
        if !self.processes[process].runs.contains_key(&run) {
            let stored = self.database.runs.get(&run).map(|it| it.replay.clone());
            let Some(state) = stored.filter(|it| !it.is_over()) else { return };
            // What is not in memory waits: there is nothing to go on with.
            self.read_back(process, state, false);
        }
        if let Some(slot) = self.processes[process].runs.get_mut(&run) {
            slot.waiting.push_back((command, None));
        }
        self.proceed(process, &run);
    }

    fn hold(&mut self, process: usize, state: State) {
        self.incarnations += 1;
        let id = state.run.id.clone();
        let slot = Slot { incarnation: self.incarnations, state, busy: false, waiting: VecDeque::new() };
        self.processes[process].runs.insert(id, slot);
    }

    /// Takes a run into memory, and up again what it has under way.
    pub(super) fn read_back(&mut self, process: usize, state: State, goes_on: bool) {
        self.hold(process, state.clone());
        self.perform(process, &state, if goes_on { unfinished(&state) } else { Vec::new() });
    }

    /// The connection broke during a commit: the journal says what is true. Whoever sent a command sends it again; and since
    /// the move may have effects that nobody has acted on, the partition is taken up afresh, under an epoch that fences
    /// whatever is still on its way.
    pub(super) fn unknown(&mut self, process: usize, id: &TaskId, command: Command) {
        let Some(slot) = self.processes[process].runs.remove(id) else { return };
        let life = Some((process, self.processes[process].life));
        let again = slot.waiting.into_iter().map(|(command, _)| command).chain([command]);
        for command in again.filter(|it| *it != Command::Start) {
            self.send(life, AGAIN_MS, What::Deliver { run: id.clone(), command });
        }
        if !self.has(Flaw::ForgetsUnknownCommits) {
            self.send(life, AGAIN_MS, What::TakeUp { partition: partition_of(id) });
        }
    }

    /// Decides the next command of a run.
    fn proceed(&mut self, process: usize, id: &TaskId) {
        while self.proceed_once(process, id) {}
    }

    /// Whether there may be another command to decide.
    fn proceed_once(&mut self, process: usize, id: &TaskId) -> bool {
        let ahead = self.processes[process].clock_ahead;
        let now = UnixMillis(self.now.saturating_add_signed(ahead));
        let Some(slot) = self.processes[process].runs.get_mut(id).filter(|slot| !slot.busy) else { return false };
        let Some((command, key)) = slot.waiting.pop_front() else {
            // What waits need not be held.
            if slot.state.seq > 0 && slot.state.is_waiting() && self.chance.percent(30) {
                self.processes[process].runs.remove(id);
            }
            return false;
        };
        let definition = self.definitions[&slot.state.run.workflow.1].clone();

        match transition(&slot.state, &definition, command.clone(), now) {
            Err(Reject::Stale | Reject::Over | Reject::ReviewClosed) => {}
            Err(other) => self.violations.push(format!("{id} refuses {command:?}: {other}")),
            Ok(moved) if moved.events.is_empty() => {}
            Ok(moved) => {
                slot.busy = true;
                let incarnation = slot.incarnation;
                let epoch = self.processes[process].epochs.get(&partition_of(id)).copied().unwrap_or(0);
                if self.has(Flaw::ActsBeforeCommit) {
                    self.perform(process, &moved.state, moved.effects.clone());
                }
                let life = (process, self.processes[process].life);
                self.send(Some(life), 0, What::Commit { incarnation, moved: Box::new(moved), epoch, key, command });
            }
        }
        true
    }

    pub(super) fn commit(&mut self, moved: &Transition, epoch: u64, key: Option<&str>) -> Committed {
        let weak = Weak {
            takes_stale_epochs: self.has(Flaw::TakesStaleEpochs),
            forgets_keys: self.has(Flaw::ForgetsKeysOfStarts),
            loses_events: self.has(Flaw::LosesEvents),
            forgets_errands: self.has(Flaw::KeepsErrandsInMemory),
        };
        if let Some(late) = moved.events.iter().find(|event| event.at.0 > self.now + SKEW_MS) {
            self.violations
                .push(format!("an event from the future, at {} when it is {}: {late:?}", late.at.0, self.now));
        }
        self.database.commit(moved, epoch, key, weak)
    }

    pub(super) fn committed(&mut self, process: usize, moved: Transition, epoch: u64, outcome: Committed) {
        let id = moved.state.run.id.clone();
        match outcome {
            Committed::Done => {
                let over = moved.state.is_over();
                if let Some(slot) = self.processes[process].runs.get_mut(&id) {
                    slot.busy = false;
                    slot.state = moved.state.clone();
                }
                self.perform(process, &moved.state, moved.effects);
                if over {
                    self.processes[process].runs.remove(&id);
                }
            }
            Committed::Duplicate => drop(self.processes[process].runs.remove(&id)),
            Committed::Fenced => {
                let partition = partition_of(&id);
                // It may have taken the partition up again since.
                if self.processes[process].epochs.get(&partition) == Some(&epoch) {
                    self.processes[process].epochs.remove(&partition);
                    self.processes[process].runs.retain(|run, _| partition_of(run) != partition);
                }
            }
        }
        self.proceed(process, &id);
    }

    fn set_wake(&mut self, process: usize, state: &State) {
        let Some(at) = state.wake_at() else { return };
        let life = (process, self.processes[process].life);
        let due = at.0.saturating_add_signed(-self.processes[process].clock_ahead);
        let (run, command) = (state.run.id.clone(), Command::Wake);
        self.send(Some(life), due.saturating_sub(self.now), What::Deliver { run, command });
    }

    /// Hands the effects of a committed move on.
    pub(super) fn perform(&mut self, process: usize, state: &State, effects: Vec<Effect>) {
        self.set_wake(process, state);
        let from = Some((process, self.processes[process].life));
        let run = state.run.id.clone();
        for (index, effect) in effects.into_iter().enumerate() {
            match effect {
                Effect::Continue => {
                    self.send(from, 0, What::Deliver { run: run.clone(), command: Command::Continue });
                }
                Effect::Call(call) => self.send(from, 0, What::Call { run: run.clone(), call }),
                Effect::CancelCall { key } => {
                    let unwanted = |it: &What| matches!(it, What::Call { call, .. } if call.key == key);
                    self.under_way.retain(|it| it.from != from || !unwanted(&it.what));
                }
                // A row of the move's own transaction.
                Effect::Publish(_) => {}
                errand => self.send(from, 0, What::Errand { id: errand_id(state, index), errand }),
            }
        }
    }

    pub(super) fn call(&mut self, from: Option<Life>, run: &TaskId, call: &Call) {
        let asked = format!("\"key\":\"{}\"", call.key);
        let journal = self.database.runs.get(run).map(|it| &it.journal);
        if !journal.is_some_and(|journal| journal.iter().any(|event| event.contains(&asked))) {
            self.violations.push(format!("{} is called before that is committed", call.key));
        }
        let outcome = self.outside.perform(call, self.flaw == Some(Flaw::ProviderForgetsKeys));
        if self.outside.calls.get(&call.key).is_some_and(|done| done.arguments != call.arguments) {
            self.violations.push(format!("{} was called with other arguments before", call.key));
        }
        self.send(
            from,
            0,
            What::Deliver { run: run.clone(), command: Command::FinishCall { key: call.key.clone(), outcome } },
        );
    }

    /// Tells another run, or starts it, and strikes the errand when that is done.
    pub(super) fn errand(&mut self, from: Option<Life>, id: &str, errand: Effect) {
        let done = match &errand {
            Effect::StartChild(child) => self.start_child(from, child),
            Effect::CancelChild { task, .. } => self.tell(from, task, cancel()),
            Effect::NotifyParent { parent: Parent { task, key }, outcome } => {
                self.tell(from, task, Command::ChildFinished { key: key.clone(), outcome: outcome.clone() })
            }
            other => {
                self.violations.push(format!("{other:?} is no errand"));
                true
            }
        };
        if done {
            self.database.errands.remove(id);
        } else {
            self.send(from, AGAIN_MS, What::Errand { id: id.to_owned(), errand });
        }
    }

    /// Whether a run has taken what it was told, or need not: it is over, or waits for something else, or never began.
    fn tell(&mut self, from: Option<Life>, run: &TaskId, command: Command) -> bool {
        let taken = match (self.database.runs.get(run).map(|it| &it.replay), &command) {
            (None, _) => true,
            (Some(state), Command::ChildFinished { key, .. }) => !waits_for(state, key),
            (Some(state), _) => state.is_over(),
        };
        if !taken {
            self.send(from, 0, What::Deliver { run: run.clone(), command });
        }
        taken
    }

    /// Starts a child, unless it is there. It may have been cancelled before it was there: then it is cancelled again.
    fn start_child(&mut self, from: Option<Life>, child: &StartChild) -> bool {
        let starter = &child.starter;
        let Some(found) = self.database.runs.get(&child.task).map(|it| outcome_of(&it.replay)) else {
            let begun = Run {
                id: child.task.clone(),
                workflow: child.workflow.clone(),
                definition: self.definitions[&child.workflow.1].hash,
                input: Arc::new(child.input.clone()),
                parent: Some(Parent { task: starter.id.clone(), key: child.key.clone() }),
                depth: starter.depth + 1,
                ..starter.clone()
            };
            self.send(from, 0, What::Begin { run: Box::new(begun), key: None });
            return false;
        };
        if let Some(outcome) = found {
            return self.tell(from, &starter.id, Command::ChildFinished { key: child.key.clone(), outcome });
        }
        let wanted = self.database.runs.get(&starter.id).is_some_and(|it| waits_for(&it.replay, &child.key));
        wanted || self.has(Flaw::LeavesOrphans) || self.tell(from, &child.task, cancel())
    }
}

fn waits_for(state: &State, key: &str) -> bool {
    let is_it = |activity: &Activity| matches!(activity, Activity::Child { key: own, .. } if own == key);
    state.frames.values().any(|frame| is_it(&frame.activity))
}

fn cancel() -> Command {
    Command::Cancel { by: "system:parent".into(), reason: "not wanted any more".into() }
}

fn outcome_of(state: &State) -> Option<Result<Value, Fault>> {
    match &state.status {
        Status::Pending | Status::Running => None,
        Status::Completed(output) => Some(Ok((**output).clone())),
        Status::Faulted(fault) => Some(Err(fault.clone())),
        Status::Cancelled | Status::Terminated => Some(Err(Fault::new(Standard::Runtime, "cancelled"))),
    }
}
