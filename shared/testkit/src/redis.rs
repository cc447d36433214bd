//! A redis-server that keeps nothing unless asked to.

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
}

impl RedisServer {
    /// Starts one.
    pub async fn start() -> Result<Self, TestkitError> {
        let folder = tempfile::tempdir()?;
        let port = free_port()?;
        let server = Self { process: launch(&folder, port)?, port, folder };
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

    /// Kills the server. What it held is gone.
    pub fn kill(&mut self) -> Result<(), TestkitError> {
        self.process.kill()
    }

    /// Starts it again, empty, on the same port.
    pub async fn restart(&mut self) -> Result<(), TestkitError> {
        self.process = launch(&self.folder, self.port)?;
        self.ready().await
    }

    async fn ready(&self) -> Result<(), TestkitError> {
        let port = self.port;
        let probe = || async move { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() };
        eventually(probe).await.map(drop).ok_or_else(|| self.process.not_ready())
    }
}

fn launch(folder: &TempDir, port: u16) -> Result<Process, TestkitError> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"]);
    command.arg("--dir").arg(folder.path());
    Process::start(command, &folder.path().join("redis.log"))
}
