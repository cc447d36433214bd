//! `orrery demo`: the claims example end to end on a fresh system, every proof verified.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use orrery_proof::NoteVerifier;
use serde_json::{Value, json};

use super::eval::{self, Judged, Plan, Runner, Script, cases, percentile};
use super::session::{self, Interrupts};
use super::{audit, key};
use crate::cli::Globals;
use crate::client::Gateway;
use crate::output::{Output, Progress, Table, text};
use crate::system::System;
use crate::system::memory::Peak;

/// Where the example lies in the checkout.
const EXAMPLE: &str = "examples/claims";
/// Where it lay when this program was built, for when it is started elsewhere.
const BUILT_FROM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/claims");

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder with workflow.yaml, eval.yaml, knowledge and packets [default: examples/claims].
    #[arg(long, value_name = "DIR")]
    example: Option<PathBuf>,
}

/// Runs it. With a terminal the system then stays up until Ctrl-C.
pub async fn run(globals: &Globals, args: DemoArgs, output: Output) -> Result<()> {
    let here = PathBuf::from(EXAMPLE);
    let default = if here.is_dir() { here } else { PathBuf::from(BUILT_FROM) };
    let example = args.example.unwrap_or(default);
    ensure!(example.is_dir(), "{} is not there: run this in the checkout, or give --example", example.display());
    let plan = Plan::beside(&example.join("workflow.yaml"))?;
    let temporary = tempfile::Builder::new().prefix("orrery-demo-").tempdir()?;
    // Fresh each time, so that the second run shows the same as the first.
    let data = globals.data.as_ref().map_or_else(|| temporary.path().to_owned(), |data| data.join("demo"));
    if globals.data.is_some() && data.exists() {
        std::fs::remove_dir_all(&data).with_context(|| format!("cannot clear {}", data.display()))?;
    }
    let mut interrupts = Interrupts::listen()?;
    let system = session::start(&eval::fresh(&data), &mut interrupts).await?;
    let stay = output.is_terminal() && !output.is_json();
    let shown = session::during(system, interrupts, output, async |system| {
        let finished = show(system, plan, &example, &data, output).await;
        if stay && finished.is_ok() {
            output.note("\nThe system stays up; Ctrl-C stops it.");
            let mut stopped = Interrupts::listen()?;
            stopped.next().await;
        }
        finished
    })
    .await;
    if shown.is_err() {
        // The logs say why; whoever reads the error must find them.
        let _kept = temporary.keep();
    }
    shown
}

async fn show(system: &System, plan: Plan, example: &Path, data: &Path, output: Output) -> Result<()> {
    let own = std::process::id();
    let file = system.file();
    let pids: Vec<u32> = file.processes.iter().filter_map(|process| process.pid).chain([own]).collect();
    let peak = Peak::watch(move || pids.clone());
    let admin = Gateway::new(&file.gateway_url, &file.api_key)?;
    let roles = plan.reviewer().map(|reviewer| reviewer.roles.clone()).unwrap_or_default();
    let runner = Runner::prepare(&admin, plan, &roles, Some(script())).await?;
    let auditor = admin.acting_as(&key::create(&admin, "auditor", &["auditor".to_owned()]).await?);

    let folders = cases(&example.join("packets"), runner.plan())?;
    let progress = Progress::bar(folders.len(), "packets");
    let mut judged = Vec::new();
    for folder in &folders {
        progress.message(folder.file_name().unwrap_or_default().to_string_lossy());
        let truth = runner.plan().truth(folder)?;
        judged.push(Judged::new(runner.plan(), runner.run(folder).await, &truth));
        progress.step();
    }
    progress.message("verifying proofs");
    let trusted = NoteVerifier::parse(&auditor.verifier_key().await?).context("the log's key is damaged")?;
    let mut proofs = Vec::new();
    for one in &judged {
        proofs.push(match one.case.task.as_str() {
            "" => Err(anyhow::anyhow!("nothing was started")),
            task => audit::fetch_and_verify(&auditor, task, &trusted).await,
        });
    }
    progress.finish();
    let faults: Vec<Option<String>> =
        proofs.iter().map(|proof| proof.as_ref().err().map(|error| format!("{error:#}"))).collect();
    let summary = summarise(&judged, &faults, peak.bytes());
    output.show(&summary, |summary| human(summary, &judged, data));
    let complete = judged.iter().filter(|one| one.case.error.is_none() && one.case.status == "completed").count();
    let verified = faults.iter().filter(|fault| fault.is_none()).count();
    let all = judged.len();
    if complete < all || verified < all {
        bail!(
            "{complete} of {all} packets completed and {verified} proofs verified; the logs are in {}/logs",
            data.display()
        );
    }
    Ok(())
}

/// The reviewer of the demonstration: follows the clause that the workflow cites, and refers what has none.
fn script() -> Script {
    Box::new(|review| {
        let subject = review.get("subject").cloned().unwrap_or_default();
        let clause = text::field(&subject, "clause");
        match subject.get("covered").and_then(Value::as_bool) {
            Some(true) => ("settle".to_owned(), format!("documents checked; clause {clause} covers it")),
            Some(false) => ("decline".to_owned(), format!("documents checked; clause {clause} excludes it")),
            None => ("refer".to_owned(), "no clause was found; an engineer should look at it".to_owned()),
        }
    })
}

fn summarise(judged: &[Judged], faults: &[Option<String>], peak_bytes: u64) -> Value {
    let seconds: Vec<f64> = judged.iter().map(|one| one.case.seconds).collect();
    let packets: Vec<Value> = judged.iter().zip(faults).map(|(one, fault)| packet(one, fault.as_deref())).collect();
    json!({
        "packets": packets,
        "proofs_verified": faults.iter().filter(|fault| fault.is_none()).count(),
        "seconds_p50": percentile(&seconds, 0.5),
        "memory_peak_bytes": peak_bytes,
    })
}

fn packet(one: &Judged, fault: Option<&str>) -> Value {
    let (case, fields) = (&one.case, one.fields());
    json!({
        "packet": case.name, "task": case.task, "status": case.status,
        "fields_right": fields.right, "fields_total": fields.total,
        "clause": case.outcome.get("clause"), "decision": case.outcome.get("decision"),
        "decided_by": case.outcome.get("decided_by"), "cost_nanos": case.cost_nanos, "seconds": case.seconds,
        "proof": if fault.is_none() { "verified" } else { "failed" }, "proof_error": fault, "error": case.error,
    })
}

fn human(summary: &Value, judged: &[Judged], data: &Path) -> String {
    let columns = ["packet", "fields", "clause", "decision", "decided by", "cost", "seconds", "proof"];
    let mut table = Table::new(&columns).right(&[5, 6]);
    for packet in summary.get("packets").and_then(Value::as_array).into_iter().flatten() {
        let fault = format!("{}{}", text::field(packet, "error"), text::field(packet, "proof_error"));
        table.row([
            text::field(packet, "packet"),
            format!("{}/{}", text::field(packet, "fields_right"), text::field(packet, "fields_total")),
            text::field(packet, "clause"),
            text::field(packet, "decision"),
            text::field(packet, "decided_by"),
            text::money(text::number(packet, "cost_nanos")),
            format!("{:.2}", packet.get("seconds").and_then(Value::as_f64).unwrap_or_default()),
            if fault.is_empty() { text::field(packet, "proof") } else { text::short(&fault, 60) },
        ]);
    }
    let task = judged.first().map_or("TASK", |one| one.case.task.as_str());
    let here = format!("--data {}", data.display());
    format!(
        "{}\n\n{} proofs verified; half of the packets took at most {:.2} s; memory of the whole system at its peak {}\n\n\
         To look further while it runs:\n  orrery audit explain {task} {here}\n  orrery audit proof {task} {here} -o claim.proof && \
         orrery audit verify claim.proof\n  orrery task watch {task} {here}\n  orrery status {here}\n  orrery spend {here}",
        table.or("no packets"),
        text::field(summary, "proofs_verified"),
        summary.get("seconds_p50").and_then(Value::as_f64).unwrap_or_default(),
        text::bytes(text::number(summary, "memory_peak_bytes")),
    )
}
