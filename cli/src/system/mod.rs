//! The whole system on one machine: servers and services as supervised child processes. It owns the data folder while it
//! runs and must never leave a process behind.

mod board;
mod child;
mod disk;
mod lock;
pub mod memory;
pub mod models;
mod nats;
mod ports;
mod postgres;
mod redis;
mod services;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use orrery_config::{Paths, env};
use orrery_supervise::{DrainReport, Root, RootFailure, Strategy, SupervisorSpec};

use crate::cli::Globals;
use board::Board;
pub use board::{Notice, Report, SystemFile};
use lock::Lock;

/// More restarts than this within a minute, over all children, end the system.
const RESTARTS_MAX: usize = 6;
const RESTART_WINDOW: Duration = Duration::from_secs(60);
/// Time for all children together to end in order.
const DRAIN: Duration = Duration::from_secs(90);

/// Which database the services keep their tables in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// SQLite, one file a service.
    Embedded,
    /// PostgreSQL, one schema a service; the one that ORRERY_DATABASE_URL names, else a child.
    Cluster,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where tables are kept.
    pub profile: Profile,
    /// Folder of everything that must be kept.
    pub data: PathBuf,
    /// Address of the gateway; none: 127.0.0.1:8080 when it is free, else a free port.
    pub http: Option<SocketAddr>,
}

/// A running system. Dropping it kills every child.
#[derive(Debug)]
pub struct System {
    root: Root,
    board: Arc<Board>,
    _lock: Lock,
}

/// The data folder that a command works on.
pub fn data_folder(globals: &Globals) -> PathBuf {
    let folder = globals.data.clone().unwrap_or_else(|| Paths::from_env().data);
    std::path::absolute(&folder).unwrap_or(folder)
}

impl System {
    /// Starts everything in order and waits until all of it is ready.
    pub async fn start(options: &Options, report: Report) -> Result<Self> {
        let paths = Paths { data: options.data.clone(), ..Paths::from_env() };
        let lock = Lock::take(&options.data)?;
        disk::prepare(&options.data)?;
        let programs = services::programs()?;
        let models = paths.clone();
        tokio::task::spawn_blocking(move || models::sign_new(&models)).await??;

        prepare_sealing_key(&paths)?;

        let ports = ports::choose(options.http, services::COUNT)?;
        let api_key_file = options.data.join("admin.key");
        let board = Arc::new(Board::new(options, format!("http://{}", ports.http), report));
        let nats = nats::server(&paths, ports.nats)?;
        let redis = redis::server(&paths, ports.redis)?;
        let postgres = match options.profile {
            Profile::Embedded => None,
            Profile::Cluster => postgres::server(&paths, ports.postgres)?,
        };
        let database = services::Database::of(options.profile, &paths, postgres.as_ref())?;
        board.set_nats(&nats.url, &nats.operator_password);

        let setting = services::Setting { paths: &paths, nats: &nats, redis_url: &redis.url, database, ports: &ports };
        let services = setting.services(&programs, &api_key_file)?;
        let servers = [Some(nats.child), Some(redis.child), postgres.map(|postgres| postgres.child)];
        let mut tree =
            SupervisorSpec::new("orrery").strategy(Strategy::OneForOne).intensity(RESTARTS_MAX, RESTART_WINDOW);
        for child in servers.into_iter().flatten().chain(services) {
            tree = tree.child(child::supervised(child, board.clone()));
        }
        let root = tokio::select! {
            biased;
            // Nothing worked yet, so trying again would only hide the reason.
            fault = board.first_fault() => bail!("{fault}"),
            root = Root::start(tree) => root.context("the system did not start")?,
        };
        let key = std::fs::read_to_string(&api_key_file)
            .with_context(|| format!("the gateway left no admin key in {}", api_key_file.display()))?;
        board.all_ready(key.trim());
        Ok(Self { root, board, _lock: lock })
    }

    /// How to reach it.
    pub fn file(&self) -> SystemFile {
        self.board.file()
    }

    /// Resolves once the children have failed more often than the budget allows.
    pub async fn failed(&self) -> RootFailure {
        self.root.failed().await
    }

    /// Ends the children in reverse order, each with its own deadline. Dropping the future kills what is left.
    pub async fn stop(self) -> DrainReport {
        self.board.stopping();
        let report = self.root.drain(DRAIN).await;
        self.board.stopped();
        report
    }
}

/// The file of the keys that seal providers' secrets.
pub fn sealing_key_file(paths: &Paths) -> PathBuf {
    env::read(env::SECRETS_KEY_FILE).map_or_else(|| paths.data.join("secrets.key"), PathBuf::from)
}

/// Makes the key at the first start, unless the environment holds one.
fn prepare_sealing_key(paths: &Paths) -> Result<()> {
    let path = sealing_key_file(paths);
    if env::read(env::SECRETS_KEY).is_none() && !path.exists() {
        orrery_vault::add_key(&path)?;
    }
    Ok(())
}

/// Writes a file that only its owner reads; readers see the old content or the new one.
fn write_private(path: &Path, content: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let partial = path.with_extension("partial");
    let write = || -> std::io::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// 128 random bits for a password.
fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}
