//! What a move changes in the tables that are derived from the journal, in the move's own transaction. One file for each
//! table, and one line for it in [`Change`], [`of`] and [`Change::write`].

mod control;
mod pending;
mod reviews;
mod subscriptions;
mod work;

pub use pending::PendingRow;
pub use work::{WorkRow, work_status};

pub use control::{ERROR, ORIGIN, PARENT, scope_word};
use orrery_store::{AnyConnection, StoreError};

use crate::domain::event::{Event, Fact};
use crate::domain::state::State;

/// One change of one row.
#[derive(Debug, Clone)]
pub enum Change {
    /// Of a review.
    Review(reviews::ReviewChange),
    /// Of what control keeps of a run.
    Control(control::ControlChange),
    /// Of a step for workers.
    Work(work::WorkChange),
    /// Of a run that waits for its turn.
    Pending(pending::PendingChange),
    /// Of who listens to what.
    Subscription(subscriptions::SubscriptionChange),
}

/// The changes that a move makes, with the states before and after it.
pub fn of_all(before: &State, after: &State, events: &[Event]) -> Vec<Change> {
    let changes = events.iter().flat_map(|event| of(after, event));
    // Nearly no run is ever paused, and each ends.
    let held = before.is_paused() || events.iter().any(|event| matches!(event.fact, Fact::Suspended { .. }));
    let for_nothing = |change: &Change| !held && matches!(change, Change::Control(it) if it.releases_all());
    changes.filter(|change| !for_nothing(change)).collect()
}

/// The changes that an event makes; `state` is the state after the move.
fn of(state: &State, event: &Event) -> Vec<Change> {
    let reviews = reviews::of(state, event).into_iter().map(Change::Review);
    let control = control::of(state, event).into_iter().map(Change::Control);
    let pending = pending::of(state, event).map(Change::Pending);
    let work = work::of(state, event).map(Change::Work);
    let subscriptions = subscriptions::of(state, event).map(Change::Subscription);
    reviews.chain(control).chain(pending).chain(work).chain(subscriptions).collect()
}

impl Change {
    /// The texts of any length, which may be replaced by references.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let review = match self {
            Self::Review(change) => Some(change),
            Self::Control(_) | Self::Subscription(_) | Self::Work(_) | Self::Pending(_) => None,
        };
        review.into_iter().flat_map(reviews::ReviewChange::texts_mut)
    }

    /// The run that waits for its turn no more, if that is all that changes.
    pub fn has_turn(&self) -> Option<&str> {
        match self {
            Self::Pending(change) => change.gone(),
            _ => None,
        }
    }

    /// Makes it, inside the caller's transaction.
    pub fn write(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        match self {
            Self::Review(change) => reviews::write(connection, change),
            Self::Control(change) => control::write(connection, change),
            Self::Work(change) => work::write(connection, change),
            Self::Pending(change) => pending::write(connection, change),
            Self::Subscription(change) => subscriptions::write(connection, change),
        }
    }
}
