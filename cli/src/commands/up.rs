//! `orrery up`: the whole system on one machine until Ctrl-C.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::session::{self, Interrupts};
use crate::cli::Globals;
use crate::output::{Output, text};
use crate::system::{Options, Profile, SystemFile, data_folder};

/// Options of `up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// SQLite in files, or PostgreSQL (a child, unless ORRERY_DATABASE_URL names one).
    #[arg(long, value_enum, default_value_t = Profile::Embedded)]
    profile: Profile,
    /// Address of the HTTP interface [default: 127.0.0.1:8080, or a free port when that is taken].
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
}

/// Runs it.
pub async fn run(globals: &Globals, args: UpArgs, output: Output) -> Result<()> {
    let mut interrupts = Interrupts::listen()?;
    let http =
        args.http.or(orrery_config::env::read(orrery_config::env::HTTP_LISTEN).and_then(|text| text.parse().ok()));
    let options = Options { profile: args.profile, data: data_folder(globals), http };
    let system = session::start(&options, &mut interrupts).await?;
    let file = system.file();
    // The admin key stays in its file: a terminal's scrollback is no place for it.
    let shown = json!({
        "gateway_url": file.gateway_url, "data": file.data, "profile": file.profile, "processes": file.processes,
    });
    output.show(&shown, |_| welcome(&file));
    let failure = tokio::select! {
        failure = system.failed() => Some(failure),
        () = interrupts.next() => None,
    };
    output.note("stopping; Ctrl-C again kills");
    session::stop(system, &mut interrupts, output).await?;
    match failure {
        Some(failure) => bail!("the system gave up: {failure}; the logs are in {}", file.data.join("logs").display()),
        None => Ok(()),
    }
}

fn welcome(file: &SystemFile) -> String {
    let lines = json!({
        "http": file.gateway_url,
        "admin key": file.data.join("admin.key"),
        "data": file.data,
        "logs": file.data.join("logs"),
    });
    format!(
        "Orrery is up; Ctrl-C stops it.\n\n{}\n\nIn another terminal: orrery status --data {}",
        text::fields(&lines, &["http", "admin key", "data", "logs"]),
        file.data.display()
    )
}
