//! Which answers of a database to its clients are lost: those to commits, of which the client then does not know whether they
//! were made.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::postgres_wire::Frames;

/// Which answers are lost.
#[derive(Debug, Clone, Copy)]
pub struct LostAnswers {
    /// Each so many commits.
    pub every: u32,
    /// Text in a prepared statement that is a commit of its own.
    pub statement: &'static str,
}

/// When the client's connection breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// When the server has done it.
    Done,
    /// While the server does it.
    Doing,
    /// Before the server has even got it.
    Late,
}

#[derive(Debug, Default)]
pub(crate) struct Losses {
    which: Mutex<Option<LostAnswers>>,
    commits: AtomicU32,
    lost: AtomicU32,
}

impl Losses {
    pub(crate) fn set(&self, which: Option<LostAnswers>) {
        *self.lock() = which;
    }

    pub(crate) fn count(&self) -> u32 {
        self.lost.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<LostAnswers>> {
        self.which.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Takes notice of what a client sends; whether the answer to it is lost.
    pub(crate) fn judge(&self, frames: &mut Frames, message: &[u8]) -> Option<Moment> {
        let which = *self.lock();
        // Watched from the beginning of a connection, since statements are prepared once.
        let is_commit = frames.take(message, which.map(|it| it.statement));
        let LostAnswers { every, .. } = which?;
        if !is_commit || !(self.commits.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(every.max(1)) {
            return None;
        }
        let moments = [Moment::Doing, Moment::Late, Moment::Done];
        let turn = usize::try_from(self.lost.fetch_add(1, Ordering::Relaxed)).unwrap_or(0) % moments.len();
        moments.get(turn).copied()
    }
}
