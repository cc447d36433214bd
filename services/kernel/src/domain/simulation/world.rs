//! A model of the shell: kernel processes that own partitions, decide, commit, then act; and everything that is under way
//! between them. Each turn one thing happens, chosen by chance: what is due in any order, or a fault.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use orrery_types::TaskId;

use super::chance::Chance;
use super::database::{Database, PARTITIONS, partition_of};
use super::outside::Outside;
use crate::domain::command::{Command, Run};
use crate::domain::definition::Definition;
use crate::domain::effect::{Call, Effect};
use crate::domain::state::State;
use crate::domain::transition::Transition;

/// Kernel processes.
const PROCESSES: usize = 3;
/// How far a process's clock may be off, in milliseconds.
pub const SKEW_MS: u64 = 2_000;
/// Longest delay of anything under way.
const DELAY_MS: u64 = 400;
/// How long a client, a person or a process waits before it asks again.
pub(super) const AGAIN_MS: u64 = 700;
/// Turns after which a world is held to be stuck.
const TURNS_MAX: u64 = 60_000;

/// How the world treats the kernel.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// In a thousand turns.
    pub crashes: u64,
    pub zombies: u64,
    /// In a hundred things that are sent.
    pub duplicates: u64,
    pub delays: u64,
    /// Wake-ups that nobody asked for, in a hundred turns.
    pub idle_wakes: u64,
    /// In a hundred commits, of which nobody learns whether they were made: the connection broke.
    pub lost_commits: u64,
    /// Faults happen up to this turn; then the world lets every run end.
    pub until_turn: u64,
    /// Clocks of processes differ and jump.
    pub skew: bool,
}

/// Mistakes that a shell could make; each must be caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    ActsBeforeCommit,
    TakesStaleEpochs,
    ForgetsKeysOfStarts,
    LosesEvents,
    ForgetsUnfinished,
    KeepsTimersInMemory,
    KeepsErrandsInMemory,
    LeavesOrphans,
    ForgetsUnknownCommits,
    TakesAnyAnswer,
    ProviderForgetsKeys,
    ClockFarAhead,
}

/// Something under way. `from`: the life of the process in whose memory it is; it goes when that life ends.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) due: u64,
    pub(super) from: Option<Life>,
    pub(super) what: What,
}

/// A process, and how often it had been started.
pub(super) type Life = (usize, u64);

#[derive(Debug, Clone)]
pub(super) enum What {
    /// A client asks for the run until it has started.
    Ask,
    Begin {
        run: Box<Run>,
        key: Option<String>,
    },
    Deliver {
        run: TaskId,
        command: Command,
    },
    Call {
        run: TaskId,
        call: Call,
    },
    Errand {
        id: String,
        errand: Effect,
    },
    Commit {
        /// Of the slot that waits for it.
        incarnation: u64,
        moved: Box<Transition>,
        epoch: u64,
        key: Option<String>,
        command: Command,
    },
    /// A process takes a partition up afresh that it owns.
    TakeUp {
        partition: u8,
    },
    /// People look at their reviews.
    Rounds,
}

#[derive(Debug)]
pub(super) struct Slot {
    /// Tells it from earlier slots of the run.
    pub(super) incarnation: u64,
    pub(super) state: State,
    pub(super) busy: bool,
    pub(super) waiting: VecDeque<(Command, Option<String>)>,
}

#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) life: u64,
    /// Stopped: it does nothing, and does not know that others go on without it.
    paused_until: u64,
    pub(super) epochs: BTreeMap<u8, u64>,
    pub(super) runs: BTreeMap<TaskId, Slot>,
    pub(super) clock_ahead: i64,
}

/// Everything.
#[derive(Debug)]
pub struct World {
    pub database: Database,
    pub outside: Outside,
    pub violations: Vec<String>,
    pub(super) now: u64,
    turns: u64,
    pub(super) definitions: BTreeMap<String, Arc<Definition>>,
    pub(super) processes: Vec<Process>,
    pub(super) owners: BTreeMap<u8, usize>,
    pub(super) under_way: Vec<Sent>,
    pub(super) chance: Chance,
    faults: Faults,
    pub(super) flaw: Option<Flaw>,
    pub(super) asked: u32,
    /// Slots so far, of all processes.
    pub(super) incarnations: u64,
}

impl World {
    pub fn new(definitions: &[Arc<Definition>], seed: u64, faults: Faults, flaw: Option<Flaw>) -> Self {
        let by_name = |it: &Arc<Definition>| (it.document.name.clone(), it.clone());
        let mut world = Self {
            database: Database::default(),
            outside: Outside::default(),
            violations: Vec::new(),
            now: 1_000_000,
            turns: 0,
            definitions: definitions.iter().map(by_name).collect(),
            processes: (0..PROCESSES).map(|_| Process::default()).collect(),
            owners: BTreeMap::new(),
            under_way: Vec::new(),
            chance: Chance::new(seed),
            faults,
            flaw,
            asked: 0,
            incarnations: 0,
        };
        for partition in 0..PARTITIONS {
            world.take_over(partition, usize::from(partition) % PROCESSES);
        }
        world.send(None, 0, What::Ask);
        world.send(None, 0, What::Rounds);
        world
    }

    /// Lets everything happen until all runs are over.
    pub fn live(mut self) -> Self {
        while !self.is_over() {
            self.turns += 1;
            if self.turns > TURNS_MAX {
                let open = self.database.runs.values().map(|it| &it.replay).filter(|it| !it.is_over());
                let open: Vec<_> = open.map(|it| (it.run.id.to_string(), it.active())).collect();
                self.violations.push(format!("not every run ends: {open:?} after {} ms", self.now - 1_000_000));
                break;
            }
            if self.turns < self.faults.until_turn {
                self.misfortune();
            }
            self.turn();
        }
        self.violations.append(&mut self.database.violations);
        self
    }

    fn is_over(&self) -> bool {
        let violated = !self.violations.is_empty() || !self.database.violations.is_empty();
        let idle =
            |what: &What| matches!(what, What::Ask | What::Rounds | What::Deliver { command: Command::Wake, .. });
        let busy = |it: &Sent| !idle(&it.what) && !self.is_stale(it);
        let ended = !self.database.runs.is_empty() && self.database.runs.values().all(|it| it.replay.is_over());
        violated || (ended && self.turns >= self.faults.until_turn && !self.under_way.iter().any(busy))
    }

    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    pub(super) fn send(&mut self, from: Option<Life>, after: u64, what: What) {
        let slow = self.chance.percent(self.faults.delays);
        let delay = if slow { self.chance.below(DELAY_MS * 10) } else { self.chance.below(DELAY_MS / 10) };
        self.under_way.push(Sent { due: self.now + after + delay, from, what });
    }

    fn is_stale(&self, it: &Sent) -> bool {
        it.from.is_some_and(|(process, life)| self.processes[process].life != life)
    }

    pub(super) fn is_paused(&self, process: usize) -> bool {
        self.processes[process].paused_until > self.now
    }

    fn turn(&mut self) {
        let paused = |world: &Self, it: &Sent| it.from.is_some_and(|(process, _)| world.is_paused(process));
        let ready = (0..self.under_way.len())
            .filter(|index| self.under_way[*index].due <= self.now && !paused(self, &self.under_way[*index]));
        let ready: Vec<usize> = ready.collect();
        if ready.is_empty() {
            let dues = self.under_way.iter().filter(|it| !paused(self, it)).map(|it| it.due);
            let resumed = self.processes.iter().map(|it| it.paused_until).filter(|at| *at > self.now);
            self.now = dues.chain(resumed).min().unwrap_or(self.now + 1).max(self.now);
            return;
        }
        let index = ready[self.chance.index(ready.len())];
        let sent = self.under_way.swap_remove(index);
        if self.is_stale(&sent) {
            return;
        }
        let repeats =
            matches!(sent.what, What::Begin { .. } | What::Deliver { .. } | What::Call { .. } | What::Errand { .. });
        if repeats && self.chance.percent(self.faults.duplicates) {
            self.send(sent.from, 0, sent.what.clone());
        }
        self.happen(sent);
    }

    fn happen(&mut self, Sent { from, what, .. }: Sent) {
        match what {
            What::Ask => self.ask(),
            What::Rounds => self.rounds(),
            What::TakeUp { partition } => {
                let owner = self.owners.get(&partition).copied();
                if from.map(|(process, _)| process) == owner
                    && let Some(process) = owner
                {
                    self.take_over(partition, process);
                }
            }
            What::Begin { run, key } => self.begin(from, *run, key),
            What::Deliver { run, command } => self.deliver(from, run, command),
            What::Call { run, call } => self.call(from, &run, &call),
            What::Errand { id, errand } => self.errand(from, &id, errand),
            What::Commit { incarnation, moved, epoch, key, command } => {
                let Some((process, _)) = from else { return };
                let waits = |slot: &Slot| slot.incarnation == incarnation;
                let awaited = self.processes[process].runs.get(&moved.state.run.id).is_some_and(waits)
                    || self.has(Flaw::TakesAnyAnswer);
                if self.turns < self.faults.until_turn && self.chance.percent(self.faults.lost_commits) {
                    if self.chance.percent(50) {
                        self.commit(&moved, epoch, key.as_deref());
                    }
                    if awaited {
                        self.unknown(process, &moved.state.run.id, command);
                    }
                    return;
                }
                let outcome = self.commit(&moved, epoch, key.as_deref());
                if awaited {
                    self.committed(process, *moved, epoch, outcome);
                }
            }
        }
    }

    // ------------------------------------------------------------------------------------------- misfortune

    fn misfortune(&mut self) {
        let roll = self.chance.below(1_000);
        let process = self.chance.index(PROCESSES);
        if roll < self.faults.crashes {
            self.crash(process);
        } else if roll < self.faults.crashes + self.faults.zombies {
            self.pause(process);
        }
        if self.faults.skew && self.chance.percent(2) {
            self.processes[process].clock_ahead = self.chance.below(2 * SKEW_MS) as i64 - SKEW_MS as i64;
        }
        if self.has(Flaw::ClockFarAhead) {
            self.processes[0].clock_ahead = 60_000;
        }
        if self.chance.percent(self.faults.idle_wakes) && !self.database.runs.is_empty() {
            let index = self.chance.index(self.database.runs.len());
            let run = self.database.runs.keys().nth(index).unwrap().clone();
            self.send(None, 0, What::Deliver { run, command: Command::Wake });
        }
    }

    /// `kill -9`: memory is gone; what was on its way to the database may have arrived.
    fn crash(&mut self, process: usize) {
        let life = (process, self.processes[process].life);
        let (lost, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.under_way).into_iter().partition(|it| it.from == Some(life));
        self.under_way = kept;
        for Sent { what, .. } in lost {
            if let What::Commit { moved, epoch, key, .. } = what
                && self.chance.percent(50)
            {
                self.commit(&moved, epoch, key.as_deref());
            }
        }
        let clock_ahead = self.processes[process].clock_ahead;
        self.processes[process] = Process { life: life.1 + 1, clock_ahead, ..Process::default() };
        self.hand_over(process);
    }

    /// SIGSTOP for a while: others take its partitions, and it goes on as a zombie.
    fn pause(&mut self, process: usize) {
        self.processes[process].paused_until = self.now + self.chance.below(20_000);
        self.hand_over(process);
    }

    fn hand_over(&mut self, from: usize) {
        let lost: Vec<u8> = self.owners.iter().filter(|(_, owner)| **owner == from).map(|(it, _)| *it).collect();
        for partition in lost {
            let able: Vec<usize> = (0..PROCESSES).filter(|it| !self.is_paused(*it)).collect();
            // If all stand still, one of them is started afresh.
            let to = if able.is_empty() { from } else { able[self.chance.index(able.len())] };
            if self.is_paused(to) {
                let life = self.processes[to].life + 1;
                self.processes[to] = Process { life, ..Process::default() };
            }
            self.take_over(partition, to);
        }
    }

    fn take_over(&mut self, partition: u8, by: usize) {
        let epoch = self.database.take_over(partition);
        self.owners.insert(partition, by);
        self.processes[by].epochs.insert(partition, epoch);
        self.processes[by].runs.retain(|run, _| partition_of(run) != partition);
        let mine = self.database.runs.iter().filter(|(id, _)| partition_of(id) == partition);
        let states: Vec<State> =
            mine.filter_map(|(_, it)| State::replay(it.events())).filter(|it| !it.is_over()).collect();
        for state in states {
            self.read_back(by, state, !self.has(Flaw::ForgetsUnfinished));
        }
        let errands = self.database.errands.iter().filter(|(_, (it, _))| *it == partition);
        let errands: Vec<(String, Effect)> = errands.map(|(id, (_, errand))| (id.clone(), errand.clone())).collect();
        let from = Some((by, self.processes[by].life));
        for (id, errand) in errands {
            self.send(from, 0, What::Errand { id, errand });
        }
    }
}
