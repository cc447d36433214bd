//! What processes use, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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

/// What a process and everything that it started have used and hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Resident bytes; pages that several of them share count for each.
    pub resident_bytes: u64,
    /// The sum of what each held at its own highest.
    pub peak_bytes: u64,
}

/// Of a process and its children. Reads all of `/proc`, which takes milliseconds.
pub fn usage(root: u32) -> Usage {
    let family = family(&[root]);
    let memory = family.iter().map(|pid| memory(*pid));
    let (resident_bytes, peak_bytes) = memory.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    Usage { cpu: cpu_time(&[root]), resident_bytes, peak_bytes }
}

/// Kills what processes started, and what that started. They are stopped first, so that they start nothing anew; to kill
/// them is their owner's business.
pub fn kill_children(roots: &[u32]) {
    roots.iter().for_each(|pid| signal(*pid, Signal::SIGSTOP));
    family(roots).iter().filter(|pid| !roots.contains(pid)).for_each(|pid| signal(*pid, Signal::SIGKILL));
}

fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // One that has ended by itself is as good.
        let _ended = kill(Pid::from_raw(pid), signal);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_process_is_seen_with_what_it_started() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let own = std::process::id();
        assert!(family(&[own]).contains(&child.id()));
        let (whole, part) = (usage(own), usage(child.id()));
        assert!(part.resident_bytes > 0 && part.peak_bytes >= part.resident_bytes);
        assert!(whole.resident_bytes > part.resident_bytes, "the parent's own memory is missing");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!family(&[own]).contains(&child.id()));
    }

    #[test]
    fn what_a_process_started_is_killed_without_it() {
        let mut shell =
            std::process::Command::new("sh").args(["-c", "sleep 60 & wait; exec sleep 60"]).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        let child = loop {
            if let [_, child] = family(&[shell.id()])[..] {
                break child;
            }
            assert!(Instant::now() < until, "the shell starts nothing");
            std::thread::yield_now();
        };
        kill_children(&[shell.id()]);
        // Nobody has taken note of its end yet, but it holds nothing any more.
        while memory(child).0 > 0 {
            assert!(Instant::now() < until, "the child lives on");
            std::thread::yield_now();
        }
        assert!(shell.try_wait().unwrap().is_none(), "the process itself was killed");
        shell.kill().unwrap();
        shell.wait().unwrap();
    }
}
