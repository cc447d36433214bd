//! A stand-in for a provider as a process of its own.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use orrery_testkit::{Process, eventually, free_port};
use tempfile::TempDir;

use crate::http::Connection;
use crate::provider::{FACTS_PATH, Facts};

/// Of its process.
pub const NAME: &str = "provider";

/// A whole answer within this is one to wait for.
const PROMPT: Duration = Duration::from_secs(5);

/// How it answers; see `ProviderOptions`.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub words: usize,
    pub delay: Duration,
    pub pause: Duration,
}

/// A running stand-in.
#[derive(Debug)]
pub struct Provider {
    port: u16,
    model: &'static str,
    manner: Manner,
    process: Process,
    _folder: TempDir,
}

impl Provider {
    /// Starts one.
    pub async fn start(model: &'static str, manner: Manner) -> anyhow::Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let mut command = Command::new(std::env::current_exe()?);
        let milliseconds = |time: Duration| time.as_millis().to_string();
        command.args(["provider", "--model", model]).arg(format!("--port={port}"));
        command.arg(format!("--words={}", manner.words));
        command.arg(format!("--delay-ms={}", milliseconds(manner.delay)));
        command.arg(format!("--pause-ms={}", milliseconds(manner.pause)));
        let process = Process::start(command, &folder.path().join("provider.log"))?;
        let provider = Self { port, model, manner, process, _folder: folder };
        let ready = eventually(|| async { provider.facts().await.ok() }).await;
        ready.with_context(|| format!("the stand-in did not start: {}", provider.process.log()))?;
        Ok(provider)
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its base URL, as configurations of gateways want it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn model(&self) -> &'static str {
        self.model
    }

    pub fn words(&self) -> usize {
        self.manner.words
    }

    /// Whether one waits for its whole answer.
    pub fn is_prompt(&self) -> bool {
        let pauses = self.manner.pause * u32::try_from(self.manner.words).unwrap_or(u32::MAX);
        self.manner.delay + pauses < PROMPT
    }

    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// What it saw so far.
    pub async fn facts(&self) -> anyhow::Result<Facts> {
        let request = format!("GET {FACTS_PATH} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address());
        let mut content = Vec::new();
        let (status, _) = Connection::open(self.address()).await?.exchange(request.as_bytes(), &mut content).await?;
        ensure!(status == 200, "the stand-in answered {status}");
        Ok(serde_json::from_slice(&content)?)
    }
}
