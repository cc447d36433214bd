//! Restate's server with its defaults (it syncs each record), and the handler in Node.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use orrery_testkit::{Process, eventually, free_port};
use serde_json::json;
use tempfile::TempDir;

use super::System;
use crate::histogram::Histogram;

const SERVER: &str = "node_modules/@restatedev/restate-server-linux-x64/bin/restate-server";

/// A server with one handler.
#[derive(Debug)]
pub struct Restate {
    client: reqwest::Client,
    ingress: String,
    metrics: String,
    server: Process,
    handler: Process,
    _folder: TempDir,
}

impl Restate {
    /// Starts both from the folder into which `install.sh` laid them, and makes the service known.
    pub async fn start(installed: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let [node, ingress, admin, service, metrics] =
            [free_port()?, free_port()?, free_port()?, free_port()?, free_port()?];
        let config = format!(
            "node-name = \"bench\"\nlisten-mode = \"tcp\"\ndisable-telemetry = true\nbind-address = \"127.0.0.1:{node}\"\n\
             base-dir = {:?}\n[ingress]\nbind-address = \"127.0.0.1:{ingress}\"\n[admin]\nbind-address = \"127.0.0.1:{admin}\"\n",
            folder.path().join("data")
        );
        std::fs::write(folder.path().join("restate.toml"), config)?;
        let mut command = Command::new(installed.join(SERVER));
        command
            .arg("--no-logo")
            .arg("--config-file")
            .arg(folder.path().join("restate.toml"))
            .current_dir(folder.path());
        let server = Process::start(command, &folder.path().join("server.log"))?;
        let mut command = Command::new("node");
        command.arg("handler.mjs").arg(service.to_string()).arg(metrics.to_string()).current_dir(installed);
        command.env("NODE_ENV", "production");
        let handler = Process::start(command, &folder.path().join("handler.log"))?;
        let system = Self {
            client: reqwest::Client::new(),
            ingress: format!("http://127.0.0.1:{ingress}/Bench/run"),
            metrics: format!("http://127.0.0.1:{metrics}/"),
            server,
            handler,
            _folder: folder,
        };
        let register = || async {
            let request = system.client.post(format!("http://127.0.0.1:{admin}/deployments"));
            let sent = request.json(&json!({ "uri": format!("http://127.0.0.1:{service}/") })).send().await.ok()?;
            sent.status().is_success().then_some(())
        };
        let log = || format!("Restate did not start: {}{}", system.server.log(), system.handler.log());
        eventually(register).await.with_context(log)?;
        eventually(|| async { system.workflow().await.ok() }).await.with_context(log)?;
        Ok(system)
    }
}

#[async_trait]
impl System for Restate {
    fn name(&self) -> (&'static str, &'static str) {
        ("restate", "rocksdb")
    }

    async fn workflow(&self) -> anyhow::Result<()> {
        let answer = self.client.post(&self.ingress).json(&json!({})).send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        ensure!(status.is_success(), "Restate answered {status}: {body}");
        Ok(())
    }

    async fn steps(&self) -> anyhow::Result<Histogram> {
        Histogram::parse(&self.client.get(&self.metrics).send().await?.text().await?)
    }

    async fn settle(&self) -> anyhow::Result<()> {
        // Its answer is the last thing that a run does.
        Ok(())
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.server.id(), self.handler.id()]
    }
}
