//! Memory of a group of processes, each shared page counted once among those that share it (Linux's PSS).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(1);

/// Watches a group and remembers the most that it ever held together. Ends when dropped.
#[derive(Debug)]
pub struct Peak {
    bytes: Arc<AtomicU64>,
    sampling: tokio::task::JoinHandle<()>,
}

impl Peak {
    /// Starts watching what `processes` names at each moment, their own children included.
    pub fn watch(processes: impl Fn() -> Vec<u32> + 'static) -> Self {
        let bytes = Arc::new(AtomicU64::new(0));
        let peak = bytes.clone();
        let sampling = actix_rt::spawn(async move {
            loop {
                let group = processes();
                let held = tokio::task::spawn_blocking(move || total_bytes(&group)).await.unwrap_or_default();
                peak.fetch_max(held, Ordering::Relaxed);
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Self { bytes, sampling }
    }

    /// The most so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Peak {
    fn drop(&mut self) {
        self.sampling.abort();
    }
}

fn total_bytes(processes: &[u32]) -> u64 {
    processes.iter().map(|pid| own_bytes(*pid) + children(*pid).into_iter().map(own_bytes).sum::<u64>()).sum()
}

fn own_bytes(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}

fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_something() {
        assert!(total_bytes(&[std::process::id()]) > 64 * 1024);
        assert_eq!(total_bytes(&[u32::MAX]), 0);
    }
}
