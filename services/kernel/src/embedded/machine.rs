//! The loop: commands to the pure core, its effects to the outside, and what comes back as commands.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use orrery_types::{TaskId, UnixMillis};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

use super::outcome::{Made, Outcome, RunStatus};
use super::outside::Answer;
use super::trace::Trace;
use super::{EmbeddedError, LOCAL, Start, Surroundings, effects, waiting};
use crate::domain::command::{Command, Reject, Run};
use crate::domain::definition::{Definition, Pointer};
use crate::domain::event::{Event, Fact};
use crate::domain::review::Review;
use crate::domain::state::{Activity, State, Status};
use crate::domain::transition::transition;

/// Calls at the same time, as in the service.
const CALLS_MAX: usize = 64;

/// A run and what it needs to move.
pub(super) struct Live {
    pub definition: Arc<Definition>,
    pub state: State,
}

/// A command that comes to a run at a time.
pub(super) struct Due {
    pub run: TaskId,
    pub command: Command,
}

/// One run, those that it started, and what is under way for them.
pub struct Embedded {
    pub(super) around: Surroundings,
    root: TaskId,
    pub(super) runs: BTreeMap<TaskId, Live>,
    pub(super) runs_started: usize,
    pub(super) commands: VecDeque<(TaskId, Command)>,
    /// By time, and in the order in which they were asked for.
    pub(super) due: BTreeMap<(UnixMillis, u64), Due>,
    due_count: u64,
    /// Calls under way; each gives the command that its end is.
    pub(super) calls: JoinSet<Finished>,
    pub(super) aborts: HashMap<String, AbortHandle>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) emitted: Vec<Value>,
    pub(super) made: Vec<Made>,
    /// Events from outside that nobody has listened for yet.
    kept: VecDeque<Arc<Value>>,
    trace: Trace,
    refusals: Vec<String>,
}

/// The end of a call.
pub(super) struct Finished {
    pub run: TaskId,
    pub key: String,
    pub answer: Answer<Command>,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded").field("root", &self.root).field("runs", &self.runs.len()).finish_non_exhaustive()
    }
}

impl Embedded {
    /// A run that is about to start.
    pub fn new(start: Start, mut around: Surroundings) -> Result<Self, EmbeddedError> {
        let definition = start.definition.clone();
        let run = start.into_run()?;
        let root = run.id.clone();
        let now = around.clock.now();
        let feed = std::mem::take(&mut around.feed);
        let mut embedded = Self {
            around,
            root: root.clone(),
            runs: BTreeMap::from([(root.clone(), Live { definition, state: State::new(run) })]),
            runs_started: 1,
            commands: VecDeque::from([(root.clone(), Command::Start)]),
            due: BTreeMap::new(),
            due_count: 0,
            calls: JoinSet::new(),
            aborts: HashMap::new(),
            slots: Arc::new(Semaphore::new(CALLS_MAX)),
            emitted: Vec::new(),
            made: Vec::new(),
            kept: VecDeque::new(),
            trace: Trace::default(),
            refusals: Vec::new(),
        };
        for (after, command) in feed.0 {
            embedded.schedule(now.saturating_add(after), root.clone(), command);
        }
        Ok(embedded)
    }

    /// Moves the runs until all are over, or nothing more can move them. May be dropped at any point and called again.
    pub async fn run(&mut self) -> Result<(), EmbeddedError> {
        loop {
            self.settle().await?;
            if self.tell()? {
                continue;
            }
            if self.runs.values().all(|live| live.state.is_over()) || !self.pass_time().await? {
                return Ok(());
            }
        }
    }

    /// Cancels the run and whatever it started.
    pub async fn cancel(&mut self, reason: &str) -> Result<(), EmbeddedError> {
        let command = || Command::Cancel { by: LOCAL.to_owned(), reason: reason.to_owned() };
        let runs: Vec<TaskId> = self.runs.keys().cloned().collect();
        self.commands.clear();
        self.commands.extend(runs.into_iter().map(|run| (run, command())));
        self.settle().await
    }

    /// How things stand.
    pub fn outcome(&self) -> Outcome {
        let root = self.runs.get(&self.root).map(|live| &live.state);
        let (status, output, error) = match root.map(|state| &state.status) {
            Some(Status::Completed(output)) => (RunStatus::Completed, Some((**output).clone()), None),
            Some(Status::Faulted(fault)) => (RunStatus::Faulted, None, Some(fault.clone())),
            // The specification has one word for both.
            Some(Status::Cancelled | Status::Terminated) => (RunStatus::Cancelled, None, None),
            Some(Status::Pending | Status::Running) | None => (RunStatus::Waiting, None, None),
        };
        Outcome {
            status,
            output,
            error,
            tasks: self.trace.tasks().to_vec(),
            waiting: self.under_way().flat_map(|live| waiting::waits(&live.state)).collect(),
            emitted: self.emitted.clone(),
            calls: self.made.clone(),
            refusals: self.refusals.iter().cloned().chain(self.unsent()).collect(),
            elapsed: root.map(|state| state.updated_at.since(state.started_at)).unwrap_or_default(),
        }
    }

    /// Messages to a run that was over before they came.
    fn unsent(&self) -> impl Iterator<Item = String> {
        let over = |due: &&Due| self.runs.get(&due.run).is_none_or(|live| live.state.is_over());
        let messages = self.due.values().filter(over).filter_map(|due| match Sent::of(&due.command)? {
            Sent::Decision => None,
            message => Some(message),
        });
        messages.map(|message| format!("{message} was not sent: the run was over by then"))
    }

    fn under_way(&self) -> impl Iterator<Item = &Live> {
        self.runs.values().filter(|live| !live.state.is_over())
    }

    /// Takes all commands that are there. Gives way to others in between, so that it can be stopped.
    async fn settle(&mut self) -> Result<(), EmbeddedError> {
        while let Some((run, command)) = self.commands.pop_front() {
            self.take(&run, command)?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Brings the events from outside to the runs that listen; whether there were any for them.
    fn tell(&mut self) -> Result<bool, EmbeddedError> {
        let mut told = false;
        for event in std::mem::take(&mut self.kept) {
            match self.offer(&event)? {
                true => told = true,
                false => self.kept.push_back(event),
            }
        }
        Ok(told)
    }

    /// Whether any run took the event.
    fn offer(&mut self, event: &Arc<Value>) -> Result<bool, EmbeddedError> {
        let listens = |live: &&Live| waiting::is_listening(&live.state);
        let runs: Vec<TaskId> = self.under_way().filter(listens).map(|live| live.state.run.id.clone()).collect();
        let mut taken = false;
        for run in runs {
            taken |= self.take(&run, Command::Event { event: event.clone() })?;
        }
        Ok(taken)
    }

    /// Whether the command changed anything.
    fn take(&mut self, id: &TaskId, command: Command) -> Result<bool, EmbeddedError> {
        let Some(live) = self.runs.get_mut(id) else { return Ok(false) };
        let what = Sent::of(&command);
        let moved = match transition(&live.state, &live.definition, command, self.around.clock.now()) {
            Ok(moved) => moved,
            Err(corrupted @ Reject::Corrupted(_)) => return Err(corrupted.into()),
            Err(refused) => {
                let late = matches!(refused, Reject::Over | Reject::Stale);
                match what {
                    // What came too late has no effect, as in the service, where nobody asks for an answer.
                    None | Some(Sent::Decision) if late => {}
                    Some(what) => self.refusals.push(format!("{what} was refused: {refused}")),
                    None => self.refusals.push(refused.to_string()),
                }
                return Ok(false);
            }
        };
        live.state = moved.state;
        if *id == self.root {
            self.trace.follow(&live.definition, &moved.events);
        }
        let run = live.state.run.clone();
        if live.state.is_over() && *id != self.root {
            self.runs.remove(id);
        }
        self.ask_people(&run, &moved.events);
        let changed = !moved.events.is_empty();
        effects::perform(self, &run, moved.effects);
        Ok(changed)
    }

    /// Asks for the decisions of reviews that were opened.
    fn ask_people(&mut self, run: &Run, events: &[Event]) {
        let opened: Vec<(Pointer, Box<Review>)> = events.iter().filter_map(opened_review).collect();
        for (pointer, review) in opened {
            for answer in self.around.outside.decide(run, &pointer, &review) {
                let at = self.around.clock.now().saturating_add(answer.after);
                self.schedule(at, run.id.clone(), answer.value.command(&review));
            }
        }
    }

    pub(super) fn schedule(&mut self, at: UnixMillis, run: TaskId, command: Command) {
        self.due_count += 1;
        self.due.insert((at, self.due_count), Due { run, command });
    }

    /// Waits for whatever comes next; false: nothing does.
    async fn pass_time(&mut self) -> Result<bool, EmbeddedError> {
        let clock = self.around.clock.clone();
        let calling = !self.calls.is_empty();
        let next = self.next_due();
        if !calling && next.is_none_or(|at| self.is_idle() && self.exceeds_patience(at)) {
            return Ok(false);
        }
        // Where sleeping takes no time, a call that is under way ends first.
        let sleeps = next.filter(|_| !(calling && clock.skips()));
        tokio::select! {
            biased;
            Some(finished) = self.calls.join_next(), if calling => match finished {
                Ok(finished) => self.finish(finished),
                // An aborted call is one that nobody wants any more.
                Err(error) if error.is_cancelled() => {}
                Err(error) => return Err(EmbeddedError::CallLost(error.to_string())),
            },
            () = clock.sleep_until(sleeps.unwrap_or_default()), if sleeps.is_some() => self.ring(),
        }
        Ok(true)
    }

    fn next_due(&self) -> Option<UnixMillis> {
        let wakes = self.under_way().filter_map(|live| live.state.wake_at());
        wakes.chain(self.due.keys().next().map(|(at, _)| *at)).min()
    }

    /// Whether nothing but people and events, which nobody in this process brings, could move the runs before their time.
    fn is_idle(&self) -> bool {
        self.due.is_empty() && !self.under_way().any(|live| waiting::has_timer(&live.state))
    }

    fn exceeds_patience(&self, at: UnixMillis) -> bool {
        self.around.idle_max.is_some_and(|most| at.since(self.around.clock.now()) > most)
    }

    fn finish(&mut self, Finished { run, key, answer }: Finished) {
        self.aborts.remove(&key);
        if answer.after.is_zero() {
            self.commands.push_back((run, answer.value));
        } else {
            self.schedule(self.around.clock.now().saturating_add(answer.after), run, answer.value);
        }
    }

    /// Takes what is due.
    fn ring(&mut self) {
        let now = self.around.clock.now();
        while let Some(entry) = self.due.first_entry().filter(|entry| entry.key().0 <= now) {
            let Due { run, command } = entry.remove();
            match command {
                Command::Event { event } => self.kept.push_back(event),
                command => self.commands.push_back((run, command)),
            }
        }
        let due = |live: &&Live| live.state.wake_at().is_some_and(|at| at <= now);
        let woken: Vec<TaskId> = self.under_way().filter(due).map(|live| live.state.run.id.clone()).collect();
        self.commands.extend(woken.into_iter().map(|run| (run, Command::Wake)));
    }
}

/// What somebody outside sends to a run.
enum Sent {
    Decision,
    Signal(String),
    Update(String),
}

impl Sent {
    fn of(command: &Command) -> Option<Self> {
        match command {
            Command::Decide { .. } => Some(Self::Decision),
            Command::Signal(signal) => Some(Self::Signal(signal.name.clone())),
            Command::Update(signal) => Some(Self::Update(signal.name.clone())),
            _ => None,
        }
    }
}

impl std::fmt::Display for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Decision => f.write_str("a decision"),
            Self::Signal(name) => write!(f, "the signal {name:?}"),
            Self::Update(name) => write!(f, "the update {name:?}"),
        }
    }
}

fn opened_review(event: &Event) -> Option<(Pointer, Box<Review>)> {
    let Fact::StepStarted { frame, .. } = &event.fact else { return None };
    let Activity::Human { review } = &frame.activity else { return None };
    Some((frame.pointer.clone(), review.clone()))
}
