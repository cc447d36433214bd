//! `orrery workflow run`: one definition on an embedded kernel.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use orrery_kernel::config::KernelConfig;
use orrery_kernel::domain::command::Command;
use orrery_kernel::embedded::{
    Connected, Embedded, EmbeddedError, Feed, Outcome, RunStatus, Start, Surroundings, SystemClock,
};
use serde_json::{Map, Value};

use super::library::Shelf;
use super::source::{self, Invalid, STDIN};
use crate::FAILED;
use crate::error::Exit;
use crate::output::Output;

/// Options of `workflow run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Prints one JSON object: `status` (completed, faulted, cancelled, waiting), `output`, `error` and \
`tasks`, the pointers of the tasks in the order in which they ran. Exit code 0: completed; 1: faulted, cancelled or \
waiting; 2: the definition or the input cannot be used, and `problems` says why.\n\nTimers are waited for in real time. \
A schedule in the definition is ignored: the run starts now. Calls by HTTP go to any host that this machine \
reaches; calls of the platform (orrery.*) need a running system and fail here; reviews are not decided here. Nothing is kept: a run ends with the command, and Ctrl-C cancels it."
)]
pub struct RunArgs {
    /// The definition, YAML or JSON; `-` reads standard input.
    file: PathBuf,
    /// The workflow's input, JSON or YAML; `-` reads standard input [default: {}].
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// A definition that it may run as a sub-workflow, besides those in its own folder. May be given several times.
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
    /// Folder with the secrets of the definition, as files `local/<name>`.
    #[arg(long, value_name = "FOLDER")]
    secrets: Option<PathBuf>,
    /// Run scripts and shells, each in a sandbox of its own, without network and without the files of this machine. Needs
    /// bubblewrap: the `bwrap` that is on PATH, or the one that is named.
    #[arg(long, value_name = "BWRAP", num_args = 0..=1, require_equals = true, default_missing_value = "bwrap")]
    sandbox: Option<PathBuf>,
    /// CloudEvents, one or a list, that come from outside; each is kept until the run listens for it. May be given several
    /// times.
    #[arg(long, value_name = "FILE")]
    event: Vec<PathBuf>,
    /// How long to wait for a due time or a timeout while nothing but a person or an event could move the run.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    idle_timeout: u64,
}

/// Runs it.
pub async fn run(args: RunArgs, output: Output) -> Result<()> {
    let (start, shelf, feed) = match prepare(&args, output) {
        Ok(prepared) => prepared,
        Err(invalid) => return Err(invalid.report(output)),
    };
    let bubblewrap = match args.sandbox.as_deref().map(bubblewrap).transpose() {
        Ok(bubblewrap) => bubblewrap,
        Err(invalid) => return Err(invalid.report(output)),
    };
    let around = Surroundings {
        clock: Arc::new(SystemClock::start()),
        outside: Arc::new(Connected::new(&KernelConfig::embedded(args.secrets.clone(), bubblewrap))?),
        library: Arc::new(shelf),
        feed,
        idle_max: Some(Duration::from_secs(args.idle_timeout)),
    };
    let mut embedded = match Embedded::new(start, around) {
        Ok(embedded) => embedded,
        Err(error @ EmbeddedError::InputTooLong { .. }) => {
            let path = args.input.unwrap_or_default();
            return Err(Invalid::whole(&path, error.to_string()).report(output));
        }
        Err(error) => return Err(error.into()),
    };
    let interrupted = tokio::select! {
        ended = embedded.run() => ended.map(|()| false)?,
        pressed = tokio::signal::ctrl_c() => pressed.map(|()| true).context("cannot listen for Ctrl-C")?,
    };
    if interrupted {
        embedded.cancel("Ctrl-C was pressed").await?;
    }
    show(&embedded.outcome(), output)
}

fn bubblewrap(named: &Path) -> Result<PathBuf, Invalid> {
    let absent = || Invalid::whole(named, "it cannot be read: there is no such program, on PATH or at that place");
    orrery_config::program_on_path(named).ok_or_else(absent)
}

fn prepare(args: &RunArgs, output: Output) -> Result<(Start, Shelf, Feed), Invalid> {
    let stdin = |path: &PathBuf| path.as_os_str() == STDIN;
    if stdin(&args.file) && args.input.as_ref().is_some_and(stdin) {
        return Err(Invalid::whole(&args.file, "standard input cannot be both the definition and the input"));
    }
    let definition = source::read_definition(&args.file)?;
    let input = match &args.input {
        Some(path) => source::read_value(path)?,
        None => Value::Object(Map::new()),
    };
    let mut given = vec![definition.clone()];
    for path in &args.with {
        given.push(source::read_definition(path)?);
    }
    let shelf = Shelf::new(given, source::folder(&args.file), output);
    let mut feed = Feed::default();
    for path in &args.event {
        let events = source::read_events(path)?.into_iter().map(|event| Command::Event { event: Arc::new(event) });
        feed.0.extend(events.map(|event| (Duration::ZERO, event)));
    }
    Ok((Start::new(definition, input), shelf, feed))
}

fn show(outcome: &Outcome, output: Output) -> Result<()> {
    output.print(&serde_json::to_string_pretty(&outcome.to_value())?);
    for refusal in &outcome.refusals {
        output.note(&format!("orrery: {refusal}"));
    }
    match outcome.status {
        RunStatus::Completed => return Ok(()),
        RunStatus::Cancelled => output.note("orrery: the run was cancelled"),
        RunStatus::Faulted => {
            let error = outcome.error.as_ref();
            let at = error.and_then(|it| it.instance.as_deref()).unwrap_or("/");
            let why = error.and_then(|it| it.detail.as_deref().or(it.title.as_deref())).unwrap_or("it raised an error");
            output.note(&format!("orrery: the run faulted at {at}: {why}"));
        }
        RunStatus::Waiting => {
            for wait in &outcome.waiting {
                output.note(&format!("orrery: {} at {} waits for {}", wait.workflow, wait.task, wait.detail));
            }
        }
    }
    Err(Exit(FAILED).into())
}
