//! Open loop: requests are sent when they are due, on as many connections as it takes, and their time counts from when
//! they were due.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::samples::{Sample, quantiles};
use super::schedule::Schedule;
use super::{Figures, WARM_UP, watch};
use crate::http::Connection;
use crate::request::Request;
use crate::systems::Target;
use crate::systems::provider::Provider;

/// Requests under way at once; more wait, and their waiting counts.
const UNDER_WAY_MAX: usize = 512;
/// For answers after the last request was due.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections without a request, the one that rested longest first.
type Idle = Arc<Mutex<VecDeque<Connection>>>;

/// Measures; returns how many answers there were in all, and what came of the requests that were due within the window.
pub async fn measure(
    target: &Target,
    request: &Request,
    rate: u32,
    window: Duration,
    provider: &Provider,
) -> anyhow::Result<(usize, Figures)> {
    let schedule = Schedule { start: Instant::now(), rate };
    let begin = schedule.start + WARM_UP;
    let end = begin + window;
    let (due, came_due) = mpsc::unbounded_channel();
    let pacer = std::thread::spawn(move || pace(schedule, end, &due));
    let processes = target.processes_with(provider);
    let warm = async {
        tokio::time::sleep_until(begin.into()).await;
        watch::read(processes.clone()).await
    };
    let (samples, before) = tokio::join!(dispatch(target, request, came_due), warm);
    let (samples, before, after) = (samples?, before?, watch::read(processes).await?);
    pacer.join().map_err(|_| anyhow::anyhow!("the schedule's thread panicked"))?;
    let answers = samples.len();
    // Processor time and rate are of what was done until the last answer; latency is of what was due.
    let done = samples.iter().filter(|it| before.at <= it.last).count();
    let samples: Vec<Sample> = samples.into_iter().filter(|it| begin <= it.began).collect();
    let (first_byte, total) = quantiles(&samples);
    let requests_per_s = done as f64 / (after.at - before.at).as_secs_f64();
    let cpu = after.since(&before, done);
    Ok((answers, Figures { requests: samples.len(), requests_per_s, first_byte, total, cpu }))
}

/// Says when each request is due. A thread of its own, since the runtime's timers are a millisecond apart.
fn pace(schedule: Schedule, end: Instant, due: &mpsc::UnboundedSender<Instant>) {
    for at in schedule.until(end) {
        std::thread::sleep(at.saturating_duration_since(Instant::now()));
        if due.send(at).is_err() {
            return;
        }
    }
}

async fn dispatch(
    target: &Target,
    request: &Request,
    mut came_due: mpsc::UnboundedReceiver<Instant>,
) -> anyhow::Result<Vec<Sample>> {
    let (idle, places) = (Idle::default(), Arc::new(Semaphore::new(UNDER_WAY_MAX)));
    let mut under_way = JoinSet::new();
    let (mut samples, mut open) = (Vec::new(), true);
    while open || !under_way.is_empty() {
        tokio::select! {
            due = came_due.recv(), if open => match due {
                None => open = false,
                Some(began) => {
                    let place = places.clone().acquire_owned().await?;
                    let (target, request, idle) = (target.clone(), request.clone(), idle.clone());
                    under_way.spawn(async move {
                        let sample = send(&target, &request, &idle, began).await.context(target.name);
                        drop(place);
                        sample
                    });
                }
            },
            Some(ended) = under_way.join_next(), if !under_way.is_empty() => samples.push(ended??),
            () = tokio::time::sleep(PATIENCE), if !open => anyhow::bail!("an answer does not come"),
        }
    }
    Ok(samples)
}

async fn send(target: &Target, request: &Request, idle: &Idle, began: Instant) -> anyhow::Result<Sample> {
    let rested = idle.lock().pop_front();
    let mut connection = match rested {
        Some(connection) => connection,
        None => Connection::open(target.address).await?,
    };
    let mut content = Vec::new();
    let (status, times) = connection.exchange(request.bytes(), &mut content).await?;
    request.check(status, &content)?;
    idle.lock().push_back(connection);
    Ok(Sample { began, first: times.first, last: times.last })
}
