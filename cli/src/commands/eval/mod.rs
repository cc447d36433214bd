//! `orrery eval`: runs a workflow over packets whose truth is known, and scores it.

mod plan;
mod report;
mod runner;
mod score;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use futures::StreamExt as _;
use serde_json::Value;

use super::session::{self, Interrupts};
use crate::cli::Globals;
use crate::client::{self, Gateway};
use crate::error::usage;
use crate::output::{Output, Progress};
use crate::system::{Options, Profile};
pub use plan::{Plan, cases};
pub use report::Judged;
pub use runner::{Runner, Script};
pub use score::percentile;

/// Options of `eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// The workflow's file, or the folder of its workflow.yaml; the eval.yaml beside it says how outcomes are compared.
    workflow: PathBuf,
    /// Packets: a folder for each, with its attachments and truth.json.
    packets: PathBuf,
    /// Where to write the JSON report.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Packets under way at once. Seconds are comparable only with one at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    concurrency: u16,
}

/// Runs it, on the system that --url names, else on one of its own.
pub async fn run(globals: &Globals, args: EvalArgs, output: Output) -> Result<()> {
    let plan = Plan::beside(&workflow_file(&args.workflow)?)?;
    let folders = cases(&args.packets, &plan)?;
    // The truth is read first: an hour of work must not end with a missing file.
    let truths: Vec<Value> = folders.iter().map(|folder| plan.truth(folder)).collect::<Result<_>>()?;
    let packets: Vec<(PathBuf, Value)> = folders.into_iter().zip(truths).collect();
    if globals.url.is_some() || orrery_config::env::read(orrery_config::env::URL).is_some() {
        return evaluate(&client::connect(globals)?, plan, packets, &args, output).await;
    }
    let data = tempfile::Builder::new().prefix("orrery-eval-").tempdir()?;
    let mut interrupts = Interrupts::listen()?;
    let system = session::start(&fresh(data.path()), &mut interrupts).await?;
    session::during(system, interrupts, output, async |system| {
        let file = system.file();
        evaluate(&Gateway::new(&file.gateway_url, &file.api_key)?, plan, packets, &args, output).await
    })
    .await
}

/// The definition: the file itself, or the one in the folder.
fn workflow_file(given: &Path) -> Result<PathBuf> {
    let file = if given.is_dir() { given.join("workflow.yaml") } else { given.to_owned() };
    if !file.is_file() {
        return Err(usage(format!("{} is no workflow file; give its path, not its name", file.display())));
    }
    Ok(file)
}

/// An embedded system in a folder of its own, on free ports.
pub fn fresh(data: &Path) -> Options {
    let http = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Options { profile: Profile::Embedded, data: data.to_owned(), http: Some(http) }
}

async fn evaluate(
    admin: &Gateway,
    plan: Plan,
    packets: Vec<(PathBuf, Value)>,
    args: &EvalArgs,
    output: Output,
) -> Result<()> {
    let roles = plan.reviewer().map(|reviewer| reviewer.roles.clone()).unwrap_or_default();
    let script = plan
        .reviewer()
        .cloned()
        .map(|reviewer| -> Script { Box::new(move |_review| (reviewer.decision.clone(), reviewer.reason.clone())) });
    let runner = Runner::prepare(admin, plan, &roles, script).await?;
    let progress = Progress::bar(packets.len(), "packets");
    let judging = packets.iter().map(|(folder, truth)| {
        let (runner, progress) = (&runner, &progress);
        async move {
            progress.message(folder.file_name().unwrap_or_default().to_string_lossy());
            let case = runner.run(folder).await;
            progress.step();
            Judged::new(runner.plan(), case, truth)
        }
    });
    let judged: Vec<Judged> = futures::stream::iter(judging).buffered(usize::from(args.concurrency)).collect().await;
    progress.finish();
    let report = report::report(&args.workflow.display().to_string(), &judged);
    if let Some(path) = &args.report {
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text).with_context(|| format!("cannot write the report {}", path.display()))?;
    }
    output.show(&report, |report| report::human(&judged, report));
    Ok(())
}
