//! A child process that dies with the test, and free ports.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::TestkitError;

/// A started server or service. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    program: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`, with its output in `log`.
    pub fn start(mut command: Command, log: &Path) -> Result<Self, TestkitError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let out = std::fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().map_err(|source| TestkitError::Missing { program: program.clone(), source })?;
        Ok(Self { program, child, log: log.to_owned() })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<(), TestkitError> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX));
        kill(pid, signal).map_err(|errno| TestkitError::Io(errno.into()))
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) -> Result<(), TestkitError> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn not_ready(&self) -> TestkitError {
        TestkitError::NotReady { program: self.program.clone(), log: self.log() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is just as good.
        let _ended = self.kill();
    }
}

/// A loopback port that was free a moment ago.
pub fn free_port() -> Result<u16, TestkitError> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
