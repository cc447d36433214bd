//! A redis-server that keeps nothing, or appends every change to a file as the real system's does.

use std::process::Command;

use tempfile::TempDir;

use crate::process::free_port;
use crate::{Process, TestkitError, eventually};

/// A server in a folder of its own.
#[derive(Debug)]
pub struct RedisServer {
    process: Process,
    port: u16,
    folder: TempDir,
    appends: bool,
}

impl RedisServer {
    /// Starts one that keeps nothing.
    pub async fn start() -> Result<Self, TestkitError> {
        Self::launched(false).await
    }

    /// Starts one that appends every change to a file, which costs what it costs the real system.
    pub async fn start_appending() -> Result<Self, TestkitError> {
        Self::launched(true).await
    }

    async fn launched(appends: bool) -> Result<Self, TestkitError> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let server = Self { process: launch(&folder, port, appends)?, port, folder, appends };
        server.ready().await?;
        Ok(server)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, to pause it with SIGSTOP and continue it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills the server. What it held is gone, unless it appends to a file.
    pub fn kill(&mut self) -> Result<(), TestkitError> {
        self.process.kill()
    }

    /// Starts it again on the same port, with what it kept.
    pub async fn restart(&mut self) -> Result<(), TestkitError> {
        self.process = launch(&self.folder, self.port, self.appends)?;
        self.ready().await
    }

    async fn ready(&self) -> Result<(), TestkitError> {
        let port = self.port;
        let probe = || async move { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() };
        eventually(probe).await.map(drop).ok_or_else(|| self.process.not_ready())
    }
}

fn launch(folder: &TempDir, port: u16, appends: bool) -> Result<Process, TestkitError> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly"]);
    command.arg(if appends { "yes" } else { "no" });
    command.arg("--dir").arg(folder.path());
    Process::start(command, &folder.path().join("redis.log"))
}
