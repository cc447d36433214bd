//! What processes use, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// Clock ticks of `/proc` in a second, fixed by Linux's interface.
const TICKS_PER_S: u64 = 100;

/// One line of `/proc/<pid>/stat`.
#[derive(Debug, Clone, Copy)]
struct Stat {
    parent: u32,
    /// Of itself and of children that have ended.
    ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows the last one is fields by number, from the third.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).and_then(|it| it.parse::<u64>().ok());
    let ticks = (14..=17).map(field).sum::<Option<u64>>()?;
    Some(Stat { parent: u32::try_from(field(4)?).ok()?, ticks })
}

fn all() -> HashMap<u32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?))).collect()
}

/// These processes and everything that they started.
pub fn family(roots: &[u32]) -> Vec<u32> {
    let all = all();
    let mut family = roots.to_vec();
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        family.extend(all.iter().filter(|(_, it)| it.parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    family
}

/// Resident memory of a process, now and at its highest, in bytes.
pub fn memory(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    (field("VmRSS:").unwrap_or(0) * 1_024, field("VmHWM:").unwrap_or(0) * 1_024)
}

/// User and system time of these processes and everything that they started.
pub fn cpu_time(roots: &[u32]) -> Duration {
    let ticks: u64 = family(roots).into_iter().filter_map(stat).map(|it| it.ticks).sum();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_S)
}
