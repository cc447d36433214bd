//! On what the figures were taken.

use std::fs;

use serde::Serialize;

/// The machine.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Of processors.
    cores: usize,
    processor: String,
    memory_gib: f64,
    linux: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let value = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name)).map(str::to_owned);
            line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned())).unwrap_or_default()
        };
        let memory = value("/proc/meminfo", "MemTotal");
        let kib: f64 = memory.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0.0);
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: value("/proc/cpuinfo", "model name"),
            memory_gib: (kib / 1_048_576.0 * 10.0).round() / 10.0,
            linux: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cores, processor, memory_gib, linux } = self;
        write!(f, "{cores} cores ({processor}), {memory_gib} GiB, Linux {linux}")
    }
}
