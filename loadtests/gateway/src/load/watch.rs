//! What a target's processes use while a load is on.

use std::time::{Duration, Instant};

use orrery_loadtest_bench::processes;

/// The processor time of named processes at a moment.
#[derive(Debug)]
pub struct Reading {
    pub at: Instant,
    cpu: Vec<(&'static str, Duration)>,
}

/// Reads beside the load generator's thread, which must not wait for it.
pub async fn read(processes: Vec<(&'static str, u32)>) -> anyhow::Result<Reading> {
    let read = move || {
        let cpu = processes.iter().map(|(name, pid)| (*name, processes::cpu_time(&[*pid]))).collect();
        Reading { at: Instant::now(), cpu }
    };
    Ok(tokio::task::spawn_blocking(read).await?)
}

impl Reading {
    /// Seconds that each process used since an earlier reading, for each of so many requests.
    pub fn since(&self, earlier: &Self, requests: usize) -> Vec<(&'static str, f64)> {
        let pairs = self.cpu.iter().zip(&earlier.cpu);
        let each = |used: Duration| used.as_secs_f64() / requests.max(1) as f64;
        pairs.map(|((name, now), (_, before))| (*name, each(now.saturating_sub(*before)))).collect()
    }
}
