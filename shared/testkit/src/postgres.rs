//! A PostgreSQL cluster on a free port. PostgreSQL refuses to run as root, so root steps down to `postgres`.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::{User, chown};
use tempfile::TempDir;

use crate::process::free_port;
use crate::{Disk, Process, TestkitError, eventually};

/// Where Debian puts the programs, newest first.
const DEBIAN: &str = "/usr/lib/postgresql";
/// How long it may take to end at once.
const STOP: Duration = Duration::from_secs(10);

/// A server in a folder of its own, with one empty database.
#[derive(Debug)]
pub struct PostgresServer {
    process: Process,
    port: u16,
    folder: TempDir,
    disk: Option<Disk>,
}

impl PostgresServer {
    /// Creates a cluster and starts it.
    pub async fn start() -> Result<Self, TestkitError> {
        Self::launch(None).await
    }

    /// The same on a disk that can be made slow or full.
    pub async fn start_on(disk: Disk) -> Result<Self, TestkitError> {
        Self::launch(Some(disk)).await
    }

    async fn launch(disk: Option<Disk>) -> Result<Self, TestkitError> {
        let folder = tempfile::tempdir()?;
        let owner = owner();
        if let Some(user) = &owner {
            chown(folder.path(), Some(user.uid), Some(user.gid)).map_err(|errno| TestkitError::Io(errno.into()))?;
        }
        let data = folder.path().join("data");
        let mut initdb = command("initdb", owner.as_ref());
        initdb.args(["--auth=trust", "--username=orrery", "--encoding=UTF8", "--no-sync", "-D"]).arg(&data);
        initdb.current_dir(folder.path());
        let output =
            initdb.output().map_err(|source| TestkitError::Missing { program: "initdb".to_owned(), source })?;
        if !output.status.success() {
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(TestkitError::NotReady { program: "initdb".to_owned(), log });
        }
        let port = free_port()?;
        let command = server(&data, port, owner.as_ref(), disk.as_ref());
        let process = Process::start(command, &folder.path().join("postgres.log"))?;
        let server = Self { process, port, folder, disk };
        server.ready().await?;
        Ok(server)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        Self::url_at(self.port)
    }

    /// Its URL through something that listens on another port for it.
    pub fn url_at(port: u16) -> String {
        format!("postgres://orrery@127.0.0.1:{port}/postgres")
    }

    /// The loopback port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its disk, if it was given one.
    pub fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// Where its tables lie.
    pub fn tables(&self) -> PathBuf {
        self.folder.path().join("data/base")
    }

    /// Ends it as `pg_ctl stop -m immediate` does: all its processes at once, with nothing written.
    pub async fn abort(&mut self) -> Result<(), TestkitError> {
        self.process.signal(Signal::SIGQUIT)?;
        let deadline = Instant::now() + STOP;
        while self.process.is_running() {
            if Instant::now() > deadline {
                return Err(self.process.not_ready());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The process that starts all others of the server.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills the server; what was committed stays.
    pub fn kill(&mut self) -> Result<(), TestkitError> {
        self.process.kill()
    }

    /// Starts it again on the same port.
    pub async fn restart(&mut self) -> Result<(), TestkitError> {
        let command = server(&self.folder.path().join("data"), self.port, owner().as_ref(), self.disk.as_ref());
        self.process = Process::start(command, &self.folder.path().join("postgres.log"))?;
        self.ready().await
    }

    async fn ready(&self) -> Result<(), TestkitError> {
        let log = &self.process;
        let probe = || async move { log.log().contains("ready to accept connections").then_some(()) };
        eventually(probe).await.ok_or_else(|| self.process.not_ready())
    }
}

/// The user to step down to; none when this process is not root.
fn owner() -> Option<User> {
    let root = nix::unistd::geteuid().is_root();
    User::from_name("postgres").ok().flatten().filter(|_| root)
}

fn server(data: &Path, port: u16, owner: Option<&User>, disk: Option<&Disk>) -> Command {
    let mut command = command("postgres", owner);
    if let Some(disk) = disk {
        disk.of(&mut command);
    }
    command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-p", &port.to_string(), "-D"]);
    command.arg(data).current_dir(data);
    command
}

fn command(program: &str, owner: Option<&User>) -> Command {
    let mut command = Command::new(program_path(program));
    if let Some(user) = owner {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

fn program_path(program: &str) -> PathBuf {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let found = versions.map(|entry| entry.path().join("bin").join(program)).filter(|path| path.is_file()).max();
    found.unwrap_or_else(|| program.into())
}
