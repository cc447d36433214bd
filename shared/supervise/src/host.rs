//! The threads on which children run: one shared by the tree, or one of a child's own. Never the supervisors' thread,
//! so that a blocked child cannot keep its supervisor from seeing it (S-5).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::{Arbiter, ArbiterHandle};
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// How many times per stall limit the shared thread is asked whether it still runs.
const ECHOES_PER_LIMIT: u32 = 5;

/// A place on a thread for one instance.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    arbiter: ArbiterHandle,
    own: bool,
    given_up: CancellationToken,
}

impl Place {
    fn open(own: bool) -> io::Result<Self> {
        let arbiter = Arbiter::try_new()?.handle();
        Ok(Self { arbiter, own, given_up: CancellationToken::new() })
    }

    /// A thread for one instance alone.
    pub(crate) fn own() -> io::Result<Self> {
        Self::open(true)
    }

    /// Runs `begin` on the thread; `false` when the thread has ended.
    pub(crate) fn run(&self, begin: impl FnOnce() + Send + 'static) -> bool {
        self.arbiter.spawn_fn(begin)
    }

    /// Cancelled when the thread was given up with all who share it.
    pub(crate) fn given_up(&self) -> &CancellationToken {
        &self.given_up
    }

    /// The instance has ended: its own thread ends too, as soon as nothing blocks it.
    pub(crate) fn leave(&self) {
        if self.own {
            self.arbiter.stop();
        }
    }

    fn give_up(&self) {
        self.given_up.cancel();
        self.arbiter.stop();
    }
}

/// The thread shared by all children that ask for none of their own. A blocked one is given up and replaced.
#[derive(Debug)]
pub(crate) struct SharedThread {
    current: Mutex<Place>,
}

impl SharedThread {
    pub(crate) fn open() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { current: Mutex::new(Place::open(false)?) }))
    }

    pub(crate) fn place(&self) -> Place {
        self.current.lock().clone()
    }

    /// Gives up the thread of `blocked`, unless someone else already has.
    pub(crate) fn replace(&self, blocked: &Place) {
        if blocked.own || blocked.given_up.is_cancelled() {
            return;
        }
        let mut current = self.current.lock();
        if current.given_up.is_cancelled() || blocked.given_up.is_cancelled() {
            return;
        }
        match Place::open(false) {
            Ok(fresh) => {
                tracing::error!("shared thread of the supervision tree is blocked, moving its children to a new one");
                std::mem::replace(&mut *current, fresh).give_up();
            }
            Err(error) => tracing::error!(%error, "cannot replace the blocked shared thread"),
        }
    }

    /// Replaces the shared thread whenever it does not run what it is given for `stall_max`. Sees what heartbeats
    /// cannot: a blocking call in a child that has no heartbeat.
    pub(crate) async fn guard(self: Arc<Self>, stall_max: Duration) {
        loop {
            let place = self.place();
            let (echo, heard) = oneshot::channel::<()>();
            place.run(move || {
                let _ = echo.send(());
            });
            if tokio::time::timeout(stall_max, heard).await.is_err() {
                self.replace(&place);
            }
            tokio::time::sleep(stall_max / ECHOES_PER_LIMIT).await;
        }
    }

    pub(crate) fn stop(&self) {
        self.place().arbiter.stop();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[actix::test]
    async fn a_blocked_shared_thread_is_noticed_without_any_heartbeat() {
        let shared = SharedThread::open().unwrap();
        let first = shared.place();
        let guard = tokio::task::spawn_local(Arc::clone(&shared).guard(Duration::from_millis(50)));
        let (release, until) = std::sync::mpsc::channel::<()>();
        first.run(move || {
            let _ = until.recv();
        });
        tokio::time::timeout(Duration::from_secs(10), first.given_up().cancelled()).await.unwrap();
        let (echo, heard) = oneshot::channel::<()>();
        shared.place().run(move || {
            let _ = echo.send(());
        });
        tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap().unwrap();
        guard.abort();
        drop(release);
        shared.stop();
    }
}
