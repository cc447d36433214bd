//! Closed loop: so many connections, each sending its next request when it has its last answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use tokio::task::JoinSet;

use super::samples::{Sample, quantiles};
use super::{Figures, WARM_UP, watch};
use crate::http::Connection;
use crate::request::Request;
use crate::systems::Target;
use crate::systems::provider::Provider;

/// An answer later than this never comes.
const PATIENCE: Duration = Duration::from_secs(60);
/// A window is prolonged up to this much until it holds an answer for each connection.
const STRETCH_MAX: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);

/// What senders and who watches them share.
#[derive(Debug, Default)]
pub struct Progress {
    /// Tells the senders to stop.
    pub stop: AtomicBool,
    answers: AtomicUsize,
}

impl Progress {
    async fn at_least(&self, answers: usize) {
        let until = Instant::now() + STRETCH_MAX;
        while self.answers.load(Ordering::Relaxed) < answers && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Measures; returns how many answers there were in all, and what came of those within the window.
pub async fn measure(
    target: &Target,
    request: &Request,
    connections: usize,
    window: Duration,
    provider: &Provider,
) -> anyhow::Result<(usize, Figures)> {
    let progress = Arc::<Progress>::default();
    let mut senders = senders(target, std::slice::from_ref(request), connections, &progress);
    let processes = target.processes_with(provider);
    let watched = async {
        tokio::time::sleep(WARM_UP).await;
        progress.at_least(connections).await;
        let before = watch::read(processes.clone()).await?;
        let answers = progress.answers.load(Ordering::Relaxed);
        tokio::time::sleep(window).await;
        progress.at_least(answers + connections).await;
        anyhow::Ok((before, watch::read(processes).await?))
    };
    let (before, after) = tokio::select! {
        watched = watched => watched?,
        Some(ended) = senders.join_next() => {
            ended??;
            bail!("a sender ended before its time")
        }
    };
    progress.stop.store(true, Ordering::Relaxed);
    let samples = tokio::time::timeout(PATIENCE, senders.join_all()).await.context("an answer does not come")?;
    let samples = samples.into_iter().collect::<anyhow::Result<Vec<_>>>()?.concat();
    let answers = samples.len();
    let within = |it: &Sample| before.at <= it.last && it.last < after.at;
    let samples: Vec<Sample> = samples.into_iter().filter(within).collect();
    let (first_byte, total) = quantiles(&samples);
    let requests_per_s = samples.len() as f64 / (after.at - before.at).as_secs_f64();
    let cpu = after.since(&before, samples.len());
    Ok((answers, Figures { requests: samples.len(), requests_per_s, first_byte, total, cpu }))
}

/// Senders that take turns among the requests and go on until they are told to stop, or an answer is not as it must be.
pub fn senders(
    target: &Target,
    requests: &[Request],
    connections: usize,
    progress: &Arc<Progress>,
) -> JoinSet<anyhow::Result<Vec<Sample>>> {
    let mut senders = JoinSet::new();
    for request in requests.iter().cycle().take(connections) {
        senders.spawn(send(target.clone(), request.clone(), progress.clone()));
    }
    senders
}

async fn send(target: Target, request: Request, progress: Arc<Progress>) -> anyhow::Result<Vec<Sample>> {
    let mut connection = Connection::open(target.address).await?;
    let (mut samples, mut content) = (Vec::new(), Vec::new());
    while !progress.stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        let (status, times) = connection.exchange(request.bytes(), &mut content).await.context(target.name)?;
        request.check(status, &content).context(target.name)?;
        samples.push(Sample { began, first: times.first, last: times.last });
        progress.answers.fetch_add(1, Ordering::Relaxed);
    }
    Ok(samples)
}
