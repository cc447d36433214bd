//! Closed-loop load: so many senders, each starting its next workflow when its last is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use orrery_loadtest_bench::{percentile, processes};
use parking_lot::Mutex;

use crate::syncs::Syncs;
use crate::systems::Shared;

const WARM_UP: Duration = Duration::from_secs(1);
/// A window is prolonged up to this much until each sender has seen a workflow through.
const STRETCH_MAX: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(50);

/// What one measurement gave; times in seconds.
#[derive(Debug, Clone)]
pub struct Figures {
    pub steps_per_s: f64,
    pub step_p50: Option<f64>,
    pub step_p99: Option<f64>,
    pub workflow_p50: Option<f64>,
    pub workflow_p99: Option<f64>,
    pub syncs_per_step: Option<f64>,
    pub cpu_per_step: f64,
    pub lag: f64,
}

/// How long each workflow took, in the order in which they ended.
type Ended = Arc<Mutex<Vec<Duration>>>;

/// Measures a system under so many workflows at a time.
pub async fn measure(system: &Shared, concurrency: usize, window: Duration) -> anyhow::Result<Figures> {
    let stop = Arc::new(AtomicBool::new(false));
    let ended: Ended = Arc::default();
    let senders: Vec<_> =
        (0..concurrency).map(|_| tokio::spawn(send(system.clone(), stop.clone(), ended.clone()))).collect();
    tokio::time::sleep(WARM_UP).await;
    at_least(&ended, concurrency).await;
    let figures = watch(system, concurrency, window, &ended).await;
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await??;
    }
    let over = Instant::now();
    system.settle().await?;
    Ok(Figures { lag: over.elapsed().as_secs_f64(), ..figures? })
}

async fn send(system: Shared, stop: Arc<AtomicBool>, ended: Ended) -> anyhow::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        system.workflow().await.with_context(|| format!("{:?}", system.name()))?;
        ended.lock().push(began.elapsed());
    }
    Ok(())
}

async fn at_least(ended: &Ended, count: usize) {
    let deadline = Instant::now() + STRETCH_MAX;
    while ended.lock().len() < count && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
}

async fn watch(system: &Shared, concurrency: usize, window: Duration, ended: &Ended) -> anyhow::Result<Figures> {
    let processes = system.processes();
    let syncs = Syncs::count(&processes::family(&processes)).await;
    let (began, cpu, steps) = (Instant::now(), processes::cpu_time(&processes), system.steps().await?);
    let first = ended.lock().len();
    tokio::time::sleep(window).await;
    at_least(ended, first + concurrency).await;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = processes::cpu_time(&processes).saturating_sub(cpu);
    let steps = system.steps().await?.since(&steps);
    let mut workflows = ended.lock().get(first..).unwrap_or_default().to_vec();
    workflows.sort_unstable();
    let syncs = match syncs {
        Some(syncs) => syncs.per_second().await,
        None => None,
    };
    let count = steps.count().max(1) as f64;
    Ok(Figures {
        steps_per_s: steps.count() as f64 / seconds,
        step_p50: steps.percentile(0.5),
        step_p99: steps.percentile(0.99),
        workflow_p50: percentile(&workflows, 0.5),
        workflow_p99: percentile(&workflows, 0.99),
        syncs_per_step: syncs.map(|per_s| per_s * seconds / count),
        cpu_per_step: cpu.as_secs_f64() / count,
        lag: 0.0,
    })
}
