//! The database as the shell's store keeps its contract: moves are appended under an epoch, keys of starts are taken once,
//! messages are told apart by their ids. It watches what only it can see.

use std::collections::BTreeMap;

use orrery_types::TaskId;

use crate::domain::effect::Effect;
use crate::domain::event::{Event, Fact};
use crate::domain::state::State;
use crate::domain::transition::Transition;

/// Partitions of the model.
pub const PARTITIONS: u8 = 4;

/// The partition of a run.
pub fn partition_of(run: &TaskId) -> u8 {
    orrery_types::Sha256Digest::of(run.as_str().as_bytes()).as_bytes()[0] % PARTITIONS
}

/// One run as its rows say.
#[derive(Debug)]
pub struct Stored {
    /// In the journal's own encoding.
    pub journal: Vec<String>,
    /// What a replay of the journal gives, kept up to date so that each commit is compared.
    pub replay: State,
}

impl Stored {
    pub fn events(&self) -> Vec<Event> {
        self.journal.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }
}

/// The errand that is the effect at this place of the move that led to a state.
pub fn errand_id(state: &State, index: usize) -> String {
    format!("{}/{}/{index}", state.run.id, state.seq)
}

/// What became of a move.
#[derive(Debug, PartialEq, Eq)]
pub enum Committed {
    Done,
    Fenced,
    Duplicate,
}

/// All tables.
#[derive(Debug, Default)]
pub struct Database {
    pub epochs: BTreeMap<u8, u64>,
    pub runs: BTreeMap<TaskId, Stored>,
    pub inbox: BTreeMap<String, TaskId>,
    /// Messages by id, with how often a commit wrote them.
    pub outbox: BTreeMap<String, u32>,
    /// What other runs are still to be told, by id, with the partition whose owner tells them.
    pub errands: BTreeMap<String, (u8, Effect)>,
    pub violations: Vec<String>,
}

/// Weaknesses of the database that a simulation can switch on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weak {
    pub takes_stale_epochs: bool,
    pub forgets_keys: bool,
    pub loses_events: bool,
    pub forgets_errands: bool,
}

impl Database {
    /// A new owner of a partition.
    pub fn take_over(&mut self, partition: u8) -> u64 {
        let epoch = self.epochs.entry(partition).or_default();
        *epoch += 1;
        *epoch
    }

    /// One move in one transaction.
    pub fn commit(&mut self, moved: &Transition, epoch: u64, key: Option<&str>, weak: Weak) -> Committed {
        let run = &moved.state.run.id;
        if self.epochs.get(&partition_of(run)) != Some(&epoch) && !weak.takes_stale_epochs {
            return Committed::Fenced;
        }
        if let Some(key) = key
            && !weak.forgets_keys
        {
            match self.inbox.get(key) {
                Some(_) => return Committed::Duplicate,
                None => drop(self.inbox.insert(key.to_owned(), run.clone())),
            }
        }
        self.append(moved, weak);
        for (index, effect) in moved.effects.iter().enumerate() {
            match effect {
                Effect::Publish(event) => {
                    *self.outbox.entry(event["id"].as_str().unwrap().to_owned()).or_default() += 1;
                }
                errand if errand.is_errand() && !weak.forgets_errands => {
                    let row = (partition_of(run), errand.clone());
                    self.errands.insert(errand_id(&moved.state, index), row);
                }
                _ => {}
            }
        }
        Committed::Done
    }

    fn append(&mut self, moved: &Transition, weak: Weak) {
        let run = &moved.state.run.id;
        let first = moved.state.seq - moved.events.len() as u64;
        let stored = self
            .runs
            .entry(run.clone())
            .or_insert_with(|| Stored { journal: Vec::new(), replay: State::new((*moved.state.run).clone()) });
        if stored.journal.len() as u64 != first {
            // The primary key (run, seq) of the real table.
            self.violations
                .push(format!("two writers: {run} has {} events, a move begins at {first}", stored.journal.len()));
            return;
        }
        for event in &moved.events {
            let text = serde_json::to_string(event).unwrap();
            if weak.loses_events && matches!(event.fact, Fact::BranchCompleted { .. }) {
                continue;
            }
            stored.replay.apply(&serde_json::from_str::<Event>(&text).unwrap());
            stored.journal.push(text);
        }
        // K-3.
        if stored.replay != moved.state {
            self.violations.push(format!("a replay of {run} differs from its live state at {}", moved.state.seq));
        }
    }
}
