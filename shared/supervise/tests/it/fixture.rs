//! An actor that can be told to fail in every way, and waits with deadlines.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use actix::prelude::*;
use orrery_supervise::{ActorSpec, Backoff, Handle, Heartbeat, Root, SupervisedContext, TreeSnapshot};
use parking_lot::Mutex;

pub const PATIENCE: Duration = Duration::from_secs(10);

/// Counts in a field that a fresh instance does not have.
pub struct Victim {
    pub instance: u64,
    total: u64,
}

impl Actor for Victim {
    type Context = Context<Self>;
}

#[derive(Message, Clone)]
#[rtype(result = "u64")]
pub struct Add(pub u64);

#[derive(Message, Clone)]
#[rtype(result = "u64")]
pub struct Instance;

#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub enum Fault {
    Panic,
    Error,
    Hang,
}

pub const FAULTS: [Fault; 3] = [Fault::Panic, Fault::Error, Fault::Hang];

/// Holds the mailbox, without blocking the thread, until the sender lets go.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Hold(pub tokio::sync::oneshot::Receiver<()>);

/// Blocks the whole thread until the sender lets go.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Block(pub Receiver<()>);

impl Handler<Add> for Victim {
    type Result = u64;
    fn handle(&mut self, Add(n): Add, _: &mut Self::Context) -> u64 {
        self.total += n;
        self.total
    }
}

impl Handler<Instance> for Victim {
    type Result = u64;
    fn handle(&mut self, _: Instance, _: &mut Self::Context) -> u64 {
        self.instance
    }
}

impl Handler<Fault> for Victim {
    type Result = ();
    fn handle(&mut self, fault: Fault, ctx: &mut Self::Context) {
        match fault {
            Fault::Panic => panic!("injected panic"),
            Fault::Error => ctx.fail("injected error"),
            Fault::Hang => ctx.wait(std::future::pending::<()>().into_actor(self)),
        }
    }
}

impl Handler<Hold> for Victim {
    type Result = AtomicResponse<Self, ()>;
    fn handle(&mut self, Hold(until): Hold, _: &mut Self::Context) -> Self::Result {
        AtomicResponse::new(Box::pin(async move { drop(until.await) }.into_actor(self)))
    }
}

impl Handler<Block> for Victim {
    type Result = ();
    fn handle(&mut self, Block(until): Block, _: &mut Self::Context) {
        let _ = until.recv();
    }
}

/// A victim with quick restarts and a quick heartbeat. Its instances are numbered from 1.
pub fn victim(name: &str) -> ActorSpec<Victim> {
    let born = Arc::new(AtomicU64::new(0));
    ActorSpec::new(name, move || Victim { instance: born.fetch_add(1, Ordering::SeqCst) + 1, total: 0 })
        .backoff(Backoff::constant(Duration::from_millis(5)))
        .heartbeat(Heartbeat::every(Duration::from_millis(50)).misses(4))
        .drain_deadline(Duration::from_secs(2))
}

/// The instance that answers now, waiting through restarts.
pub async fn instance(handle: &Handle<Victim>) -> u64 {
    handle.ask_patiently(Instance, PATIENCE).await.unwrap()
}

/// Waits for the tree to satisfy a condition.
pub async fn tree_where(root: &Root, condition: impl FnMut(&TreeSnapshot) -> bool) -> TreeSnapshot {
    let mut watch = root.watch();
    within(watch.wait_for(condition)).await.unwrap().clone()
}

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("the condition did not come about in time")
}

/// Names in the order in which they were noted.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub fn note(&self, entry: impl Into<String>) {
        self.0.lock().push(entry.into());
    }

    pub fn entries(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}
