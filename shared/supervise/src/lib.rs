//! Actor supervision over actix: a fresh instance on every restart, stable handles over replaceable actors, restart
//! budgets that escalate, ordered start and drain, and a tree that can be watched.
//!
//! Owns when a child starts, restarts and stops, and the mailbox between a [`Handle`] and its actor. Must never know
//! what a child does, speak on the bus, or lose an accepted message without telling its sender.
//!
//! ```no_run
//! use actix::prelude::*;
//! use orrery_supervise::{ActorSpec, Root, Strategy, SupervisorSpec};
//!
//! #[derive(Message)]
//! #[rtype(result = "u64")]
//! struct Add(u64);
//!
//! #[derive(Default)]
//! struct Counter(u64);
//! impl Actor for Counter {
//!     type Context = Context<Self>;
//! }
//! impl Handler<Add> for Counter {
//!     type Result = u64;
//!     fn handle(&mut self, Add(n): Add, _: &mut Self::Context) -> u64 {
//!         self.0 += n;
//!         self.0
//!     }
//! }
//!
//! # #[actix::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let counter = ActorSpec::new("counter", Counter::default).mailbox(64);
//! let handle = counter.handle();
//! let tree = SupervisorSpec::new("service").strategy(Strategy::OneForOne).child(counter);
//! let root = Root::start(tree).await?;
//! assert_eq!(handle.ask(Add(2)).await?, 2);
//! root.drain(std::time::Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```

mod backoff;
mod budget;
mod child;
mod context;
mod control;
mod error;
mod exit;
mod handle;
mod heartbeat;
mod host;
mod incarnation;
mod mailbox;
mod node;
mod root;
mod slot;
mod spec;
mod strategy;
mod supervisor;
mod telemetry;
mod vitals;

pub use backoff::Backoff;
pub use budget::RestartBudget;
pub use context::{SupervisedContext, TaskContext};
pub use error::{RootFailure, SendError, StartError};
pub use exit::ExitStatus;
pub use handle::{Handle, Receipt};
pub use heartbeat::Heartbeat;
pub use node::{ChildState, Health, NodeKind, TreeSnapshot};
pub use root::{DrainReport, Root};
pub use spec::{ActorSpec, ChildSpec, SupervisorSpec, TaskSpec};
pub use strategy::{Restart, Strategy};
