//! What waits of one tenant: by lane, and in each lane by turn.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::policy::Lane;

/// The moment that decides the turn (arrival less what priority is worth), then the order of arrival.
pub type Turn = (i64, u64);

/// The waiting requests of a tenant.
#[derive(Debug)]
pub struct Backlog<T> {
    lanes: BTreeMap<Arc<Lane>, BTreeMap<Turn, T>>,
}

impl<T> Default for Backlog<T> {
    fn default() -> Self {
        Self { lanes: BTreeMap::new() }
    }
}

impl<T> Backlog<T> {
    /// Adds one; the lane as it is kept here.
    pub fn insert(&mut self, lane: &Lane, turn: Turn, item: T) -> Arc<Lane> {
        let lane = match self.lanes.get_key_value(lane) {
            Some((known, _)) => known.clone(),
            None => Arc::new(lane.clone()),
        };
        self.lanes.entry(lane.clone()).or_default().insert(turn, item);
        lane
    }

    /// Takes one out.
    pub fn remove(&mut self, lane: &Lane, turn: Turn) -> Option<T> {
        let waiting = self.lanes.get_mut(lane)?;
        let item = waiting.remove(&turn);
        if waiting.is_empty() {
            self.lanes.remove(lane);
        }
        item
    }

    /// Whether anything waits in a lane.
    pub fn waits_in(&self, lane: &Lane) -> bool {
        self.lanes.contains_key(lane)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// The first of each lane.
    pub fn heads(&self) -> impl Iterator<Item = (&Arc<Lane>, Turn)> {
        self.lanes.iter().filter_map(|(lane, waiting)| Some((lane, *waiting.first_key_value()?.0)))
    }
}
