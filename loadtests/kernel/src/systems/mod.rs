//! What is measured: something that runs workflows of ten durable steps.

pub mod orrery;
pub mod restate;

use std::sync::Arc;

use async_trait::async_trait;

use crate::histogram::Histogram;

/// A running system.
#[async_trait]
pub trait System: Send + Sync {
    /// Its name and what it stores in.
    fn name(&self) -> (&'static str, &'static str);

    /// Runs one workflow and returns when its sender may know that it is over.
    async fn workflow(&self) -> anyhow::Result<()>;

    /// Steps so far, by how long they took.
    async fn steps(&self) -> anyhow::Result<Histogram>;

    /// Waits until nothing is under way any more and all events are out, so that the next measurement has the machine for
    /// itself.
    async fn settle(&self) -> anyhow::Result<()>;

    /// Its server processes.
    fn processes(&self) -> Vec<u32>;
}

/// A system that several senders use.
pub type Shared = Arc<dyn System>;
