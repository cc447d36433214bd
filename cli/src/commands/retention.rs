//! `orrery retention`: how long tasks are kept. `orrery archive`: what is left of those that were removed; reading an archive
//! needs no running system.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use orrery_kernel::domain::archive;
use orrery_kernel::store::RunRow;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::Globals;
use crate::client::{self, CALL_WITHIN};
use crate::output::{Output, Table, text};

/// What to do about how long tasks are kept.
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Show how long tasks are kept after their end.
    List,
    /// Set it for the tenant, or for one workflow.
    Set(SetArgs),
    /// Take a rule away; without a workflow, the tenant's own.
    Remove {
        #[arg(long)]
        workflow: Option<String>,
    },
}

/// Options of `retention set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// For how long after their end, such as `90d` or `P90D`.
    keep: String,
    /// Only for one workflow.
    #[arg(long)]
    workflow: Option<String>,
    /// Remove them without archiving them first.
    #[arg(long)]
    no_archive: bool,
}

/// What to do with archives.
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Fetch the archive of a task that was removed.
    Get {
        task: String,
        /// Where to write it [default: TASK.jsonl].
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check an archive offline, replay its history and show it.
    Show { archive: PathBuf },
}

/// Runs `orrery retention`.
pub async fn run(globals: &Globals, command: RetentionCommand, output: Output) -> Result<()> {
    let gateway = client::connect(globals)?;
    let request = match command {
        RetentionCommand::List => gateway.request(Method::GET, &["retention"], &[]),
        RetentionCommand::Set(args) => {
            let mut rule = json!({ "keep": args.keep, "archive": !args.no_archive });
            if let (Some(rule), Some(workflow)) = (rule.as_object_mut(), args.workflow) {
                rule.insert("workflow".to_owned(), json!(workflow));
            }
            gateway.request(Method::PUT, &["retention"], &[]).json(&rule)
        }
        RetentionCommand::Remove { workflow } => {
            let query: Vec<(&str, &str)> = workflow.iter().map(|name| ("workflow", name.as_str())).collect();
            gateway.request(Method::DELETE, &["retention"], &query)
        }
    };
    let response = gateway.send(request.timeout(CALL_WITHIN)).await?;
    let rules: Value =
        response.json().await.context("the gateway's answer is not JSON; is this URL an Orrery gateway?")?;
    output.show(&rules, rules_table);
    Ok(())
}

fn rules_table(answer: &Value) -> String {
    let mut table = Table::new(&["tasks of", "kept for", "archived"]);
    let rows = answer.get("rules").and_then(Value::as_array).into_iter().flatten().map(|rule| (rule, "the tenant"));
    for (rule, whose) in rows.chain(answer.get("system").map(|rule| (rule, "what has no rule"))) {
        let workflow = rule.get("workflow").and_then(Value::as_str).unwrap_or(whose);
        table.row([workflow.to_owned(), text::field(rule, "keep"), text::field(rule, "archive")]);
    }
    table.or("no rule: tasks are kept for good")
}

/// Runs `orrery archive`.
pub async fn run_archive(globals: &Globals, command: ArchiveCommand, output: Output) -> Result<()> {
    match command {
        ArchiveCommand::Get { task, output: path } => {
            let path = path.unwrap_or_else(|| PathBuf::from(format!("{task}.jsonl")));
            let gateway = client::connect(globals)?;
            let request = gateway.request(Method::GET, &["tasks", &task, "archive"], &[]).timeout(CALL_WITHIN);
            let bytes = gateway.send(request).await?.bytes().await.context("the archive did not arrive whole")?;
            let checked = shown(std::str::from_utf8(&bytes).context("the archive is no text")?)?;
            std::fs::write(&path, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
            let written = json!({
                "task": task, "file": path, "size_bytes": bytes.len(), "status": checked.get("status"),
                "sha256": checked.get("sha256"),
            });
            output.show(&written, |_| format!("wrote {0}; look at it with `orrery archive show {0}`", path.display()));
            Ok(())
        }
        ArchiveCommand::Show { archive } => show_file(&archive, output),
    }
}

fn show_file(path: &Path, output: Output) -> Result<()> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let archive = shown(&text).with_context(|| format!("{} does NOT hold", path.display()))?;
    output.show(&archive, |archive| {
        let names = ["task_id", "tenant", "workflow", "status", "definition_hash", "sha256"];
        let mut lines = vec![text::fields(archive, &names)];
        for event in archive.get("events").and_then(Value::as_array).into_iter().flatten() {
            let at = text::time(event.get("at").unwrap_or(&Value::Null));
            lines.push(format!("{at}  {:18}  {}", text::field(event, "kind"), text::field(event, "pointer")));
        }
        for part in ["output", "error"] {
            if let Some(value) = archive.pointer(&format!("/run/{part}")).filter(|value| !value.is_null()) {
                lines.push(format!("{part}\n{}", text::indented(value)));
            }
        }
        lines.join("\n")
    });
    Ok(())
}

/// What an archive says, once its digest holds and its history leads to the end that it names.
fn shown(text: &str) -> Result<Value> {
    let (header, contents) = archive::decode(text)?;
    let state = archive::replay(&contents)?;
    anyhow::ensure!(
        RunRow::status_of(&state) == header.subject.status,
        "the history does not lead to the end that it names"
    );
    let events = (1..).zip(&contents.events).map(|(seq, event): (u64, _)| {
        json!({
            "seq": seq, "at": event.at.to_string(), "kind": event.fact.kind(), "pointer": event.fact.pointer(),
        })
    });
    Ok(json!({
        "task_id": header.subject.task_id, "tenant": header.subject.tenant,
        "workflow": format!("{}:{}", header.subject.workflow, header.subject.version), "definition_hash": header.subject.definition_hash,
        "status": header.subject.status, "sha256": header.sha256, "run": contents.run, "events": events.collect::<Vec<_>>(),
        "reviews": contents.reviews, "attachments": contents.attachments,
        "attributes": contents.attributes.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    }))
}
