//! Room for calls to models: how many may be under way at once, and how many bytes of requests they may hold. What goes
//! beyond is turned away at its head, before its body is read, and the least urgent first: overload costs answers, never
//! memory.

use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use parking_lot::Mutex;

use super::Failure;

/// Header: `batch`, `normal` or `interactive`.
pub const PRIORITY: &str = "Orrery-Priority";

/// How urgent a call is; the least urgent is turned away first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Nobody waits for it.
    Batch,
    /// The usual.
    Normal,
    /// A person waits.
    Interactive,
}

impl Priority {
    /// As the header says; anything else is refused where the request is read, and usual until then.
    pub fn of(header: Option<&str>) -> Self {
        match header {
            Some("batch") => Self::Batch,
            Some("interactive") => Self::Interactive,
            _ => Self::Normal,
        }
    }

    /// Percent of the room that calls of this priority find; the rest is for more urgent ones.
    fn share(self) -> u64 {
        match self {
            Self::Batch => 50,
            Self::Normal => 80,
            Self::Interactive => 100,
        }
    }

    /// The less urgent, the later it is wanted back.
    fn pause(self) -> Duration {
        match self {
            Self::Batch => Duration::from_secs(10),
            Self::Normal => Duration::from_secs(2),
            Self::Interactive => Duration::from_secs(1),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Normal => "normal",
            Self::Interactive => "interactive",
        }
    }
}

/// Calls, and bytes of their bodies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Extent {
    calls: u64,
    bytes: u64,
}

/// The room of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Room {
    most: Extent,
    taken: Arc<Mutex<Extent>>,
}

/// One call's place, until it is dropped.
#[derive(Debug)]
#[must_use = "the call has no place once this is dropped"]
pub struct Place {
    room: Room,
    bytes: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.taken.lock();
        taken.calls -= 1;
        taken.bytes -= self.bytes;
    }
}

impl Room {
    /// For so many calls at once, and so many bytes of bodies.
    pub fn new(calls_max: usize, bytes_max: usize) -> Self {
        let wide = |value| u64::try_from(value).unwrap_or(u64::MAX);
        let most = Extent { calls: wide(calls_max), bytes: wide(bytes_max) };
        Self { most, taken: Arc::default() }
    }

    /// A place for a call whose body has so many bytes. A call that is alone always fits.
    pub fn enter(&self, priority: Priority, bytes: u64) -> Result<Place, Failure> {
        let open_to = |most: u64| most.saturating_mul(priority.share()) / 100;
        let mut taken = self.taken.lock();
        let after = Extent { calls: taken.calls + 1, bytes: taken.bytes.saturating_add(bytes) };
        let fits = after.calls <= open_to(self.most.calls).max(1) && after.bytes <= open_to(self.most.bytes);
        if !fits && *taken != Extent::default() {
            drop(taken);
            metrics::counter!("orrery.gateway.shed", "priority" => priority.name()).increment(1);
            let message = format!(
                "too many calls are under way for one of priority {}; retry later, or with a higher Orrery-Priority",
                priority.name()
            );
            return Err(Error::new(ErrorCode::Overloaded, message).retry_after(priority.pause()).into());
        }
        *taken = after;
        Ok(Place { room: self.clone(), bytes })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fill(room: &Room, priority: Priority) -> Vec<Place> {
        std::iter::from_fn(|| room.enter(priority, 0).ok()).collect()
    }

    #[test]
    fn the_least_urgent_are_turned_away_first() {
        let room = Room::new(10, 100);
        let batch = fill(&room, Priority::Batch);
        let normal = fill(&room, Priority::Normal);
        let interactive = fill(&room, Priority::Interactive);
        assert_eq!([batch.len(), normal.len(), interactive.len()], [5, 3, 2]);
        let refused = room.enter(Priority::Batch, 0).unwrap_err().error;
        assert_eq!((refused.code, refused.retry_after), (ErrorCode::Overloaded, Some(Duration::from_secs(10))));
        drop((batch, normal));
        assert_eq!(fill(&room, Priority::Normal).len(), 6, "room that was left is given again");
    }

    #[test]
    fn bodies_are_bounded_together() {
        let room = Room::new(10, 100);
        let first = room.enter(Priority::Normal, 60).unwrap();
        assert!(room.enter(Priority::Normal, 21).is_err());
        let second = room.enter(Priority::Normal, 20).unwrap();
        assert!(room.enter(Priority::Interactive, 21).is_err());
        drop((first, second));
        let alone = room.enter(Priority::Batch, 1_000).unwrap();
        assert!(room.enter(Priority::Interactive, 0).is_err());
        drop(alone);
        assert_eq!(*room.taken.lock(), Extent::default());
    }
}
