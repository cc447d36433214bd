//! A nats-server with JetStream and the users of the real system.

use std::path::Path;
use std::process::Command;

use orrery_bus::{Bus, BusOptions, Credentials, ProvisionOptions, access, provision, server_config};
use orrery_config::env;
use tempfile::TempDir;

use crate::process::free_port;
use crate::{Process, TestkitError, eventually};

/// Where in its folder it stores streams and buckets, and where a copy of them.
const STORE: &str = "jetstream";
const COPY: &str = "copy";

/// A server in a folder of its own, with the streams and buckets of the real system.
#[derive(Debug)]
pub struct NatsServer {
    process: Process,
    port: u16,
    credentials: Credentials,
    folder: TempDir,
}

impl NatsServer {
    /// Starts one and creates streams and buckets.
    pub async fn start() -> Result<Self, TestkitError> {
        let folder = tempfile::tempdir()?;
        let credentials = Credentials::generate(&["acme"]);
        let port = free_port()?;
        let config = server_config(&credentials, i32::from(port), &folder.path().join(STORE));
        std::fs::write(folder.path().join("nats.conf"), config)?;
        let process = launch(&folder)?;
        let server = Self { process, port, credentials, folder };
        server.ready().await?;
        provision(&server.connect(access::OPERATOR).await?, ProvisionOptions::default()).await?;
        Ok(server)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The loopback port on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The program of a service under its own name on the bus, with its data in `folder` and deaf to the environment's
    /// own system.
    pub fn service(&self, name: &str, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(program);
        for foreign in [env::CONFIG, env::DATABASE_URL, env::REDIS_URL, env::HTTP_LISTEN] {
            command.env_remove(foreign);
        }
        command
            .env(env::NATS_URL, self.url())
            .env(env::NATS_USER, name)
            .env(env::NATS_PASSWORD, self.password(name))
            .env(env::DATA, folder)
            .env(env::ADMIN_LISTEN, "127.0.0.1:0")
            .env(env::LOG_FORMAT, "text");
        command
    }

    /// The password of a user, for a service that the test starts as a process.
    pub fn password(&self, user: &str) -> String {
        self.credentials.password(user).unwrap_or_default().to_owned()
    }

    /// Connects as a user: a service's name, `operator`, or `tenant-acme`.
    pub async fn connect(&self, user: &str) -> Result<Bus, TestkitError> {
        let options = BusOptions { url: self.url(), user: user.to_owned(), password: self.password(user) };
        Ok(Bus::connect(options).await?)
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills the server; what it stored stays.
    pub fn kill(&mut self) -> Result<(), TestkitError> {
        self.process.kill()
    }

    /// Keeps a copy of what it has stored so far.
    pub fn remember(&self) -> Result<(), TestkitError> {
        copy(&self.folder.path().join(STORE), &self.folder.path().join(COPY))
    }

    /// Loses what it has stored since it was told to remember; only while it is killed.
    pub fn forget(&self) -> Result<(), TestkitError> {
        std::fs::remove_dir_all(self.folder.path().join(STORE))?;
        copy(&self.folder.path().join(COPY), &self.folder.path().join(STORE))
    }

    /// Starts it again on the same port with what it had stored.
    pub async fn restart(&mut self) -> Result<(), TestkitError> {
        self.process = launch(&self.folder)?;
        self.ready().await
    }

    async fn ready(&self) -> Result<(), TestkitError> {
        let port = self.port;
        let probe = || async move { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() };
        eventually(probe).await.map(drop).ok_or_else(|| self.process.not_ready())
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), TestkitError> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn launch(folder: &TempDir) -> Result<Process, TestkitError> {
    let program = orrery_config::Paths::from_env().program("nats-server");
    let mut command = Command::new(program.unwrap_or_else(|| "nats-server".into()));
    command.arg("-c").arg(folder.path().join("nats.conf"));
    Process::start(command, &folder.path().join("nats.log"))
}
