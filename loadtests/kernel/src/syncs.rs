//! Counts how often processes sync to disk, with `perf` on the kernel's tracepoints: it costs the processes nothing that
//! one could measure, unlike `strace`, which stops them at each call.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

const EVENTS: &str = "syscalls:sys_enter_fsync,syscalls:sys_enter_fdatasync,syscalls:sys_enter_sync_file_range";

/// A count under way.
#[derive(Debug)]
pub struct Syncs {
    child: Child,
    began: Instant,
}

impl Syncs {
    /// Begins to count; none when this machine has no `perf`, or does not let this user count.
    pub async fn count(processes: &[u32]) -> Option<Self> {
        let pids: Vec<String> = processes.iter().map(ToString::to_string).collect();
        let mut command = Command::new("perf");
        command.args(["stat", "-x", ",", "-e", EVENTS, "-p", &pids.join(",")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().ok()?;
        // Attaching to all threads takes a moment; one that may not count ends at once.
        tokio::time::sleep(Duration::from_millis(150)).await;
        match child.try_wait() {
            Ok(None) => Some(Self { child, began: Instant::now() }),
            _ => None,
        }
    }

    /// Syncs in a second since the count began.
    pub async fn per_second(self) -> Option<f64> {
        let seconds = self.began.elapsed().as_secs_f64();
        let pid = Pid::from_raw(i32::try_from(self.child.id()?).ok()?);
        kill(pid, Signal::SIGINT).ok()?;
        let output = self.child.wait_with_output().await.ok()?;
        Some(counted(&String::from_utf8_lossy(&output.stderr))? as f64 / seconds)
    }
}

/// The sum of the first column; none when an event was not counted.
fn counted(text: &str) -> Option<u64> {
    let lines = text.lines().filter(|line| line.contains("sys_enter_"));
    let counts: Vec<u64> = lines.map(|line| line.split(',').next()?.parse().ok()).collect::<Option<_>>()?;
    (!counts.is_empty()).then(|| counts.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn what_was_not_counted_is_not_zero() {
        let line = |count: &str| format!("{count},,syscalls:sys_enter_fsync,100,100.00,,\n");
        assert_eq!(counted(&(line("12") + &line("3"))), Some(15));
        assert_eq!(counted(&(line("12") + &line("<not counted>"))), None);
        assert_eq!(counted("event syntax error"), None);
    }
}
