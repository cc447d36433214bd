//! Calls to models, from request to record, wherever they are made: decide, set money aside, try candidates, record, settle.
//!
//! The router is the authority over the catalogue, the policies, the limits and the ledger. What it decides by is published
//! as a snapshot, and what may be spent is leased from it; so a process that has both makes calls by itself, with no hop in
//! between. The router makes those that come over the bus, the gateway those that come over HTTP.
//!
//! - a call costs at most what was set aside for it: output tokens are capped, and input is counted as one token a byte.
//! - an answer leaves only after its record is in the call log or in the ledger.
//! - a call that has been accepted is recorded, also when it is denied, fails, or its caller leaves.
//! - a caller that leaves ends the work at the provider, never the recording of it.

mod board;
pub mod budget;
mod caches;
pub mod call_log;
mod calls;
mod follow;
mod intake;
mod life;
mod recorder;
mod snapshot;
mod verdicts;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use budget::{Authority, Budgets, RemoteAuthority, notices};
pub use caches::Caches;
pub use call_log::CallLog;
pub use calls::{Call, Frames, KeptReply, REPLY_KEPT, Replies, decision_digest};
pub use follow::Follower;
pub use intake::{accept, caller};
pub use life::Life;
pub use recorder::{Recorder, ship};
pub use snapshot::{Snapshot, SnapshotError};

use calls::{Copies, Flights};

/// Makes calls by the present snapshot. Shared by all calls of a process.
#[derive(Debug)]
pub struct DataPlane {
    present: ArcSwap<Snapshot>,
    budgets: Arc<Budgets>,
    recorder: Recorder,
    replies: Option<Arc<dyn Replies>>,
    caches: Option<Caches>,
    flights: Flights,
    copies: Copies,
}

impl DataPlane {
    /// With the snapshot to begin with. `replies` keeps the replies of keyed calls; where there is none, such calls are
    /// refused. `caches` keep answers; where there are none, every call goes to a model.
    pub fn new(
        snapshot: Snapshot,
        budgets: Arc<Budgets>,
        recorder: Recorder,
        replies: Option<Arc<dyn Replies>>,
        caches: Option<Caches>,
    ) -> Arc<Self> {
        caches.iter().for_each(|caches| caches.follow(&snapshot.catalogue));
        let present = ArcSwap::from_pointee(snapshot);
        let (flights, copies) = (Flights::default(), Copies::default());
        Arc::new(Self { present, budgets, recorder, replies, caches, flights, copies })
    }

    /// What calls are decided by now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.present.load_full()
    }

    /// Goes on with another snapshot. Calls under way end by the one that they began with.
    pub fn publish(&self, snapshot: Snapshot) {
        self.caches.iter().for_each(|caches| caches.follow(&snapshot.catalogue));
        self.present.store(Arc::new(snapshot));
    }

    /// The budgets of this process.
    pub fn budgets(&self) -> &Arc<Budgets> {
        &self.budgets
    }
}
