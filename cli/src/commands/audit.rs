//! `orrery audit`: explain, proof, verify, checkpoint, export. Checking a proof needs no running system.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use orrery_proof::{KeyTrust, NoteVerifier, PROOF_BYTES_MAX, Verified};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::cli::Globals;
use crate::client::{self, CALL_WITHIN, Gateway};
use crate::error::{ApiError, usage};
use crate::output::{Output, text};

/// Time for the records of an outcome to reach the log.
const PROOF_WITHIN: Duration = Duration::from_secs(30);
const PROOF_PAUSE: Duration = Duration::from_millis(500);
const EXPORT_PAGE: &str = "500";

/// What to do with the log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Say how an outcome came about: models, sources, policies, people, cost.
    Explain { task: String },
    /// Fetch the proof of an outcome.
    Proof {
        task: String,
        /// Where to write it [default: TASK.proof].
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check a proof offline.
    Verify {
        proof: PathBuf,
        /// The log's key as `name+hash+base64`, known from elsewhere; without it the proof's own key is used.
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
    },
    /// Show the newest signed checkpoint and the log's key.
    Checkpoint,
    /// Write all records, one JSON object a line.
    Export(ExportArgs),
}

/// Options of `audit export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Index of the last record that is known already.
    #[arg(long)]
    after: Option<u64>,
}

/// Runs it.
pub async fn run(globals: &Globals, command: AuditCommand, output: Output) -> Result<()> {
    match command {
        AuditCommand::Verify { proof, key } => verify_file(&proof, key.as_deref(), output),
        AuditCommand::Explain { task } => explain(&client::connect(globals)?, &task, output).await,
        AuditCommand::Proof { task, output: path } => {
            let path = path.unwrap_or_else(|| PathBuf::from(format!("{task}.proof")));
            let bytes = client::connect(globals)?.proof(&task).await?;
            std::fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
            let written = json!({ "task": task, "file": path, "size_bytes": bytes.len() });
            output.show(&written, |_| format!("wrote {0}; check it with `orrery audit verify {0}`", path.display()));
            Ok(())
        }
        AuditCommand::Checkpoint => {
            let gateway = client::connect(globals)?;
            let key = gateway.verifier_key().await?;
            let request = gateway.request(Method::GET, &["audit", "checkpoint"], &[]).timeout(CALL_WITHIN);
            let note = gateway.send(request).await?.text().await?;
            output.show(&json!({ "verifier_key": key, "checkpoint": note }), |_| format!("{note}\nkey  {key}"));
            Ok(())
        }
        AuditCommand::Export(args) => export(&client::connect(globals)?, args.after, output).await,
    }
}

async fn explain(gateway: &Gateway, task: &str, output: Output) -> Result<()> {
    let segments = ["audit", "tasks", task, "explain"];
    if output.is_json() {
        output.show(&gateway.get(&segments, &[]).await?, Value::to_string);
        return Ok(());
    }
    let request = gateway.request(Method::GET, &segments, &[]).header(reqwest::header::ACCEPT, "text/plain");
    output.print(&gateway.send(request.timeout(CALL_WITHIN)).await?.text().await?);
    Ok(())
}

async fn export(gateway: &Gateway, mut after: Option<u64>, output: Output) -> Result<()> {
    loop {
        let last = after.map(|index| index.to_string());
        let mut query = vec![("limit", EXPORT_PAGE)];
        query.extend(last.as_deref().map(|index| ("after", index)));
        let page = gateway.get(&["audit", "export"], &query).await?;
        let mut newest = None;
        for record in text::rows(&page) {
            output.print(&record.to_string());
            newest = record.get("index").and_then(Value::as_u64);
        }
        if newest.is_none() {
            return Ok(());
        }
        after = newest;
    }
}

/// Fetches the proof of a finished task and checks it, once its last records have reached the log.
pub async fn fetch_and_verify(gateway: &Gateway, task: &str, trusted: &NoteVerifier) -> Result<Verified> {
    let until = Instant::now() + PROOF_WITHIN;
    loop {
        match gateway.proof(task).await {
            Ok(bytes) => return orrery_proof::verify(&bytes, Some(trusted)).context("the proof does not hold"),
            Err(error) if is_early(&error) && Instant::now() < until => sleep(PROOF_PAUSE).await,
            Err(error) => return Err(error),
        }
    }
}

fn is_early(error: &anyhow::Error) -> bool {
    let api = error.downcast_ref::<ApiError>();
    api.is_some_and(|api| matches!(api.code.as_str(), "failed_precondition" | "not_found" | "unavailable"))
}

fn verify_file(path: &Path, key: Option<&str>, output: Output) -> Result<()> {
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > PROOF_BYTES_MAX as u64 {
        return Err(usage(format!("{} is too large for a proof", path.display())));
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let trusted = key.map(NoteVerifier::parse).transpose();
    let trusted = trusted.map_err(|error| usage(format!("--key is no key of a log: {error}")))?;
    let verified =
        orrery_proof::verify(&bytes, trusted.as_ref()).with_context(|| format!("{} does NOT hold", path.display()))?;
    let is_trusted = verified.key_trust == KeyTrust::Trusted;
    let shown = json!({
        "ok": true, "task_id": verified.outcome.task_id, "verifier_key": verified.verifier_key,
        "key_trusted": is_trusted, "tree_size": verified.checkpoint.size, "outcome": verified.outcome,
    });
    output.show(&shown, |_| {
        let advice = if is_trusted {
            "It is signed by the key that you gave."
        } else {
            "It is signed by the key that stands in it: compare that key with one from elsewhere, or give it with --key."
        };
        format!("The proof holds. {advice}\nkey  {}\n\n{}", verified.verifier_key, verified.outcome.plain())
    });
    Ok(())
}
