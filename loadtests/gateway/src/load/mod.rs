//! Puts load on a target and says what came of it.

mod closed;
mod open;
mod samples;
mod schedule;
mod watch;

use std::time::Duration;

use anyhow::ensure;

use crate::request::Request;
use crate::systems::Target;
use crate::systems::provider::Provider;

pub use closed::{Progress, senders};
pub use samples::Quantiles;

/// How requests come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// So many connections, each sending its next request when it has its last answer.
    Closed(usize),
    /// So many requests a second, sent when they are due, whatever became of those before.
    Open(u32),
}

/// What one measurement gave; times in seconds.
#[derive(Debug, Clone)]
pub struct Figures {
    pub requests: usize,
    pub requests_per_s: f64,
    pub first_byte: Quantiles,
    pub total: Quantiles,
    /// Processor time for each request, by process.
    pub cpu: Vec<(&'static str, f64)>,
}

/// Before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// Measures a target. Fails on the first answer that is not what was asked for, and when the provider was not called once
/// for each answer.
pub async fn measure(
    target: &Target,
    request: &Request,
    load: Load,
    window: Duration,
    provider: &Provider,
) -> anyhow::Result<Figures> {
    let before = provider.facts().await?.calls;
    let (answers, figures) = match load {
        Load::Closed(connections) => closed::measure(target, request, connections, window, provider).await?,
        Load::Open(rate) => open::measure(target, request, rate, window, provider).await?,
    };
    let calls = provider.facts().await?.calls - before;
    ensure!(calls == answers as u64, "{}: the provider was called {calls} times for {answers} answers", target.name);
    Ok(figures)
}
