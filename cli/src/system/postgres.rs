//! The cluster profile's database: PostgreSQL as Debian packages it. It refuses to run as root, so root steps down to
//! the user `postgres`.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use nix::sys::signal::Signal;
use nix::unistd::{User, chown, geteuid};
use orrery_config::{Paths, env};

use super::child::{ChildProcess, Probe};
use super::{secret, write_private};

/// Where Debian puts the programs, a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The server and how to reach it.
pub struct Postgres {
    pub child: ChildProcess,
    pub url: String,
}

/// Describes the server, after creating its files at the first start; none when the environment names a database.
pub fn server(paths: &Paths, port: u16) -> Result<Option<Postgres>> {
    if env::read(env::DATABASE_URL).is_some() {
        return Ok(None);
    }
    let owner = if geteuid().is_root() { Some(unprivileged()?) } else { None };
    let folder = paths.data.join("postgres");
    let data = folder.join("data");
    let password_file = paths.data.join("db/postgres.password");
    if !data.join("PG_VERSION").is_file() {
        create(paths, &folder, &data, &password_file, owner.as_ref())?;
    }
    let password = std::fs::read_to_string(&password_file)
        .with_context(|| format!("cannot read the database's password from {}", password_file.display()))?;
    let text = |value: &str| std::ffi::OsString::from(value);
    let mut args = vec![text("-c"), text("listen_addresses=127.0.0.1"), text("-c"), text("unix_socket_directories=")];
    args.extend([text("-p"), text(&port.to_string()), text("-D"), data.into()]);
    let isready = program("pg_isready")?;
    let ready: Probe = Arc::new(move || accepts(isready.clone(), port).boxed());
    let child = ChildProcess {
        name: "postgres",
        program: program("postgres")?,
        args,
        env: Vec::new(),
        owner,
        listen: format!("postgres://127.0.0.1:{port}"),
        log: paths.data.join("logs/postgres.log"),
        alive: ready.clone(),
        ready,
        start_within: Duration::from_secs(60),
        // A fast shutdown: sessions end, nothing that was committed is lost.
        stop_signal: Signal::SIGINT,
        stop_within: Duration::from_secs(20),
    };
    let url = format!("postgres://orrery:{}@127.0.0.1:{port}/postgres", password.trim());
    Ok(Some(Postgres { child, url }))
}

async fn accepts(isready: PathBuf, port: u16) -> Result<(), String> {
    let mut command = tokio::process::Command::new(isready);
    let output = command.args(["-h", "127.0.0.1", "-p", &port.to_string()]).output().await;
    let output = output.map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stdout).trim().to_owned()) }
}

fn create(paths: &Paths, folder: &Path, data: &Path, password_file: &Path, owner: Option<&User>) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    write_private(password_file, &secret())?;
    let handed_over = folder.join("password");
    write_private(&handed_over, &std::fs::read_to_string(password_file)?)?;
    let mut initdb = Command::new(program("initdb")?);
    if let Some(user) = owner {
        for path in [folder, &handed_over] {
            chown(path, Some(user.uid), Some(user.gid))?;
        }
        // Others may pass through the data folder, not look into it.
        std::fs::set_permissions(&paths.data, std::fs::Permissions::from_mode(0o711))?;
        initdb.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    initdb.args(["--auth=scram-sha-256", "--username=orrery", "--encoding=UTF8", "--pwfile"]).arg(&handed_over);
    initdb.arg("-D").arg(data).current_dir("/");
    let output = initdb.output().context("cannot start initdb; run `make setup`")?;
    std::fs::remove_file(&handed_over)?;
    ensure!(
        output.status.success(),
        "PostgreSQL cannot create its files in {}: {}; the user it runs as must be able to reach that folder, so choose \
         one outside a private home with --data",
        data.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn unprivileged() -> Result<User> {
    User::from_name("postgres")?
        .context("PostgreSQL does not run as root and there is no user postgres; run `make setup`")
}

fn program(name: &str) -> Result<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let found = versions.map(|entry| entry.path().join("bin").join(name)).filter(|path| path.is_file()).max();
    found.with_context(|| format!("PostgreSQL is not installed: no {name} under {DEBIAN}; run `make setup`"))
}
