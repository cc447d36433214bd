//! The bus: nats-server with one user for each service, and its streams and buckets.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::FutureExt as _;
use nix::sys::signal::Signal;
use orrery_bus::{Bus, BusOptions, Credentials, ProvisionOptions, access, provision, server_config};
use orrery_config::Paths;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;

use super::child::ChildProcess;
use super::write_private;

/// Tenant that exists from the first start on.
pub const TENANT: &str = "default";

/// The server and how to reach it.
pub struct Nats {
    pub child: ChildProcess,
    pub url: String,
    pub operator_password: String,
    credentials: Credentials,
}

impl Nats {
    /// The password of a service's user.
    pub fn password(&self, user: &str) -> String {
        self.credentials.password(user).unwrap_or_default().to_owned()
    }
}

/// Describes the server; its passwords are kept, so that a restart changes nothing for others.
pub fn server(paths: &Paths, port: u16) -> Result<Nats> {
    let folder = paths.data.join("nats");
    let credentials = credentials(&folder.join("passwords.json"))?;
    let config = folder.join("nats.conf");
    write_private(&config, &server_config(&credentials, i32::from(port), &folder.join("jetstream")))?;
    let url = format!("nats://127.0.0.1:{port}");
    let operator_password = credentials.password(access::OPERATOR).unwrap_or_default().to_owned();
    let operator =
        BusOptions { url: url.clone(), user: access::OPERATOR.to_owned(), password: operator_password.clone() };
    let child = ChildProcess {
        name: "nats",
        program: paths.program("nats-server").unwrap_or_else(|| "nats-server".into()),
        args: vec!["-c".into(), config.into()],
        env: Vec::new(),
        owner: None,
        listen: url.clone(),
        log: paths.data.join("logs/nats.log"),
        ready: Arc::new(move || provisioned(operator.clone()).boxed()),
        alive: Arc::new(move || greets(port).boxed()),
        start_within: Duration::from_secs(40),
        stop_signal: Signal::SIGTERM,
        stop_within: Duration::from_secs(10),
    };
    Ok(Nats { child, url, operator_password, credentials })
}

/// The bus works once its streams and buckets are there.
async fn provisioned(operator: BusOptions) -> Result<(), String> {
    let bus = Bus::connect(operator).await.map_err(|error| error.to_string())?;
    provision(&bus, ProvisionOptions::default()).await.map_err(|error| error.to_string())
}

/// The server speaks first, with a line of what it is.
async fn greets(port: u16) -> Result<(), String> {
    let ask = async {
        let mut line = String::new();
        BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?).read_line(&mut line).await?;
        Ok::<_, std::io::Error>(line)
    };
    match ask.await {
        Ok(line) if line.starts_with("INFO ") => Ok(()),
        Ok(line) => Err(format!("it says {:?}", line.trim())),
        Err(error) => Err(error.to_string()),
    }
}

fn credentials(path: &Path) -> Result<Credentials> {
    let kept: BTreeMap<String, String> = match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let credentials = Credentials::restore(kept, &[TENANT]);
    write_private(path, &serde_json::to_string_pretty(credentials.passwords())?)?;
    Ok(credentials)
}
