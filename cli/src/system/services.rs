//! The six services: their programs, order and environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use nix::sys::signal::Signal;
use orrery_config::{Paths, env};

use super::child::{ChildProcess, Probe};
use super::nats::{Nats, TENANT};
use super::ports::Ports;
use super::postgres::Postgres;
use super::{Profile, write_private};

/// In the order of starting: each after those that it calls.
const ORDER: [&str; COUNT] = ["audit", "inference", "router", "retrieval", "kernel", "gateway"];
/// How many there are.
pub const COUNT: usize = 6;
/// Services drain their trees within 25 seconds.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Where tables are kept.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file for each service in this folder.
    Files(PathBuf),
    /// One server for all; each service has its own schema.
    Server(String),
}

impl Database {
    /// By profile: the child's, or the one that the environment names.
    pub fn of(profile: Profile, paths: &Paths, postgres: Option<&Postgres>) -> Result<Self> {
        if profile == Profile::Embedded {
            return Ok(Self::Files(paths.data.join("db")));
        }
        let url = postgres.map(|postgres| postgres.url.clone()).or_else(|| env::read(env::DATABASE_URL));
        Ok(Self::Server(url.context("the cluster profile has no database")?))
    }

    fn url(&self, service: &str) -> String {
        match self {
            Self::Files(folder) => format!("sqlite://{}", folder.join(format!("{service}.db")).display()),
            Self::Server(url) => url.clone(),
        }
    }
}

/// Finds the programs, which lie beside this one.
pub fn programs() -> Result<Vec<PathBuf>> {
    let own = std::env::current_exe().context("cannot tell where this program lies")?;
    let folder = own.parent().unwrap_or(Path::new("/"));
    let paths: Vec<PathBuf> = ORDER.iter().map(|service| folder.join(format!("orrery-{service}"))).collect();
    let missing: Vec<String> =
        paths.iter().filter(|path| !path.is_file()).map(|path| path.display().to_string()).collect();
    ensure!(missing.is_empty(), "missing: {}; run `make build`", missing.join(", "));
    Ok(paths)
}

/// What the services' environment is made from.
pub struct Setting<'a> {
    pub paths: &'a Paths,
    pub nats: &'a Nats,
    pub redis_url: &'a str,
    pub database: Database,
    pub ports: &'a Ports,
}

impl Setting<'_> {
    /// All six, in order.
    pub fn services(&self, programs: &[PathBuf], api_key_file: &Path) -> Result<Vec<ChildProcess>> {
        let config = self.paths.data.join("orrery.toml");
        write_config(&config, api_key_file)?;
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        let each = ORDER.iter().zip(programs).zip(&self.ports.admin);
        Ok(each.map(|((name, program), port)| self.service(name, program, *port, &config, &client)).collect())
    }

    fn service(
        &self,
        name: &'static str,
        program: &Path,
        admin_port: u16,
        config: &Path,
        client: &reqwest::Client,
    ) -> ChildProcess {
        let admin = format!("127.0.0.1:{admin_port}");
        let mut environment = vec![
            (env::CACHE, self.paths.cache.display().to_string()),
            (env::DATA, self.paths.data.display().to_string()),
            (env::CONFIG, config.display().to_string()),
            (env::NATS_URL, self.nats.url.clone()),
            (env::NATS_USER, name.to_owned()),
            (env::NATS_PASSWORD, self.nats.password(name)),
            (env::DATABASE_URL, self.database.url(name)),
            (env::REDIS_URL, self.redis_url.to_owned()),
            (env::ADMIN_LISTEN, admin.clone()),
            (env::HTTP_LISTEN, self.ports.http.to_string()),
        ];
        if name == "inference" {
            // Threads that wait for the next operator would otherwise spin and take the cores from the others.
            environment.push((env::OMP_WAIT_POLICY, "PASSIVE".to_owned()));
        }
        let listen = if name == "gateway" { format!("http://{}", self.ports.http) } else { format!("http://{admin}") };
        let probe = |path: &str| -> Probe {
            let (client, url) = (client.clone(), format!("http://{admin}{path}"));
            Arc::new(move || healthy(client.clone(), url.clone()).boxed())
        };
        ChildProcess {
            name,
            program: program.to_owned(),
            args: Vec::new(),
            env: environment,
            owner: None,
            listen,
            log: self.paths.data.join("logs").join(format!("{name}.log")),
            ready: probe("/health/ready"),
            alive: probe("/health/live"),
            // Models are verified and loaded, which takes its time on a slow disk.
            start_within: Duration::from_secs(if name == "inference" { 180 } else { 60 }),
            stop_signal: Signal::SIGTERM,
            stop_within: STOP_WITHIN,
        }
    }
}

async fn healthy(client: reqwest::Client, url: String) -> Result<(), String> {
    let response = client.get(url).send().await.map_err(|error| {
        let reason =
            if error.is_timeout() { "it takes connections but does not answer" } else { "it does not listen yet" };
        reason.to_owned()
    })?;
    if response.status().is_success() {
        return Ok(());
    }
    let health: serde_json::Value = response.json().await.unwrap_or_default();
    Err(health.get("reasons").map(ToString::to_string).unwrap_or_default())
}

/// The user's own configuration, with what a first start needs added where the user says nothing of it.
fn write_config(path: &Path, api_key_file: &Path) -> Result<()> {
    let own = env::read(env::CONFIG).map(PathBuf::from);
    let text = match &own {
        None => String::new(),
        Some(own) => std::fs::read_to_string(own).with_context(|| format!("cannot read {}", own.display()))?,
    };
    let mut config: toml::Table = text.parse().with_context(|| format!("{own:?} is not valid TOML"))?;
    let gateway = config.entry("gateway").or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(gateway) = gateway.as_table_mut() {
        gateway.entry("bootstrap_tenant").or_insert_with(|| TENANT.into());
        gateway.entry("bootstrap_key_file").or_insert_with(|| api_key_file.display().to_string().into());
    }
    write_private(path, &toml::to_string(&config)?)
}
