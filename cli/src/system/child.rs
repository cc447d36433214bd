//! One child process under supervision: started, waited for until it works, watched, and ended gently.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use orrery_supervise::{TaskContext, TaskSpec};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::board::Board;

/// Asked again and again until it works; the error says what is still missing.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// How often a running child is asked whether it is alive.
const WATCH_PERIOD: Duration = Duration::from_secs(5);
/// One answer may take so long.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A child that does not answer so many times in a row hangs: long enough for a machine that is short of time.
const UNANSWERED_MAX: u32 = 5;
const PROBE_PAUSE: Duration = Duration::from_millis(50);
/// A log larger than this is put aside when its process starts.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes at the end of a log that are searched for its last line.
const LOG_TAIL_BYTES: u64 = 4096;

/// What to run and how to tell that it works.
pub struct ChildProcess {
    pub name: &'static str,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    pub env: Vec<(&'static str, String)>,
    /// User to step down to.
    pub owner: Option<User>,
    /// Where it listens, for people.
    pub listen: String,
    pub log: PathBuf,
    pub ready: Probe,
    /// Works for as long as it answers at all, also while it waits for something else.
    pub alive: Probe,
    /// Time from start to working.
    pub start_within: Duration,
    /// Asks it to end.
    pub stop_signal: Signal,
    /// Time to end after being asked.
    pub stop_within: Duration,
}

/// How a child ended that should have gone on.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("cannot start {name} ({program}): {source}; run `make setup`, and `make build` for the services", program = program.display())]
    Start { name: &'static str, program: PathBuf, source: std::io::Error },
    #[error("cannot write the log {path}: {source}", path = path.display())]
    Log { path: PathBuf, source: std::io::Error },
    #[error("{name} was not ready within {seconds} s ({reason}); its log is {log}{last_line}", log = log.display())]
    NotReady { name: &'static str, seconds: u64, reason: String, log: PathBuf, last_line: String },
    #[error("{name} hangs: it has not answered {times} times in a row ({reason}); its log is {log}{last_line}", log = log.display())]
    Hung { name: &'static str, times: u32, reason: String, log: PathBuf, last_line: String },
    #[error("{name} ended ({how}); its log is {log}{last_line}", log = log.display())]
    Ended { name: &'static str, how: String, log: PathBuf, last_line: String },
}

/// The child as a part of the system's tree.
pub(super) fn supervised(process: ChildProcess, board: Arc<Board>) -> TaskSpec {
    let process = Arc::new(process);
    // Slightly longer than the child's own limits, so that those speak first.
    let margin = Duration::from_secs(5);
    let (start, stop) = (process.start_within + margin, process.stop_within + margin);
    TaskSpec::new(process.name, move |task| {
        let (process, board) = (process.clone(), board.clone());
        async move {
            let outcome = run(&process, &board, &task).await;
            match &outcome {
                Err(fault) => board.ended(process.name, &fault.to_string()),
                Ok(()) => board.child_stopped(process.name),
            }
            outcome
        }
    })
    .wait_ready()
    .start_timeout(start)
    .drain_deadline(stop)
}

async fn run(process: &ChildProcess, board: &Board, task: &TaskContext) -> Result<(), Fault> {
    let mut child = spawn(process)?;
    board.starting(process.name, &process.listen, &process.log, child.id());
    tokio::select! {
        status = child.wait() => return Err(ended(process, status)),
        () = task.draining() => return stop(process, board, child).await,
        ready = until_ready(process) => if let Err(reason) = ready {
            let seconds = process.start_within.as_secs();
            let (name, log, last_line) = (process.name, process.log.clone(), last_line(&process.log));
            return Err(Fault::NotReady { name, seconds, reason, log, last_line });
        },
    }
    board.ready(process.name);
    task.ready();
    tokio::select! {
        status = child.wait() => Err(ended(process, status)),
        () = task.draining() => stop(process, board, child).await,
        reason = until_hung(process) => {
            // Nothing gentle reaches a process that does not answer.
            let _gone = child.kill().await;
            let (name, log, last_line) = (process.name, process.log.clone(), last_line(&process.log));
            Err(Fault::Hung { name, times: UNANSWERED_MAX, reason, log, last_line })
        }
    }
}

#[allow(unsafe_code)] // the only way to tie a child's life to ours is a system call between fork and exec
fn spawn(process: &ChildProcess) -> Result<Child, Fault> {
    let log_fault = |source| Fault::Log { path: process.log.clone(), source };
    let log = open_log(&process.log).map_err(log_fault)?;
    let mut command = Command::new(&process.program);
    command.args(&process.args).envs(process.env.iter().map(|(name, value)| (name, value)));
    command.env_remove(orrery_config::env::API_KEY).env_remove(orrery_config::env::URL);
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(log_fault)?).stderr(log);
    // A Ctrl-C reaches the whole group of a terminal's process: children stand outside it and are drained in order.
    command.process_group(0).kill_on_drop(true);
    if let Some(user) = &process.owner {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let last_will = || nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).map_err(std::io::Error::from);
    // SAFETY: between fork and exec only async-signal-safe calls are allowed; this is one prctl system call, which
    // neither allocates nor locks.
    unsafe { command.pre_exec(last_will) };
    let fault = |source| Fault::Start { name: process.name, program: process.program.clone(), source };
    command.spawn().map_err(fault)
}

async fn until_ready(process: &ChildProcess) -> Result<(), String> {
    let mut reason = "no answer yet".to_owned();
    let polling = async {
        while let Err(missing) = (process.ready)().await {
            reason = missing;
            sleep(PROBE_PAUSE).await;
        }
    };
    let in_time = timeout(process.start_within, polling).await;
    in_time.map_err(|_elapsed| reason)
}

/// Resolves once the child has stopped answering.
async fn until_hung(process: &ChildProcess) -> String {
    let mut unanswered = 0;
    loop {
        sleep(WATCH_PERIOD).await;
        let answer = timeout(ANSWER_WITHIN, (process.alive)()).await;
        match answer.unwrap_or_else(|_elapsed| Err("no answer".to_owned())) {
            Ok(()) => unanswered = 0,
            Err(reason) => {
                unanswered += 1;
                if unanswered >= UNANSWERED_MAX {
                    return reason;
                }
            }
        }
    }
}

async fn stop(process: &ChildProcess, board: &Board, mut child: Child) -> Result<(), Fault> {
    board.child_stopping(process.name);
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        // One that has just ended by itself needs no signal.
        let _ended = kill(Pid::from_raw(pid), process.stop_signal);
    }
    if timeout(process.stop_within, child.wait()).await.is_err() {
        // Dropping would do the same, but without waiting until it is gone.
        let _gone = child.kill().await;
        board.ended(process.name, &format!("{} did not end in time and was killed", process.name));
    }
    Ok(())
}

fn ended(process: &ChildProcess, status: std::io::Result<ExitStatus>) -> Fault {
    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    Fault::Ended { name: process.name, how, log: process.log.clone(), last_line: last_line(&process.log) }
}

fn open_log(path: &Path) -> std::io::Result<std::fs::File> {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > LOG_BYTES_MAX) {
        std::fs::rename(path, path.with_extension("log.1"))?;
    }
    std::fs::OpenOptions::new().create(true).append(true).open(path)
}

/// The last line of a log that says something, as the end of a sentence.
fn last_line(path: &Path) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(String::from_utf8_lossy(&tail).into_owned())
    };
    let tail = read().unwrap_or_default();
    let line = tail.lines().rev().find(|line| !line.trim().is_empty());
    line.map(|line| format!("; it ends with: {}", line.trim())).unwrap_or_default()
}
