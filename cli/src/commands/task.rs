//! `orrery task`: submit, get, watch, list, cancel.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::batch::{self, BatchCommand};
use super::control::{self, ControlCommand};
use super::task_filter::TaskFilter;
use crate::cli::Globals;
use crate::client::{self, Attachment, Event, Gateway, Submission};
use crate::error::usage;
use crate::output::{Output, Progress, Table, text};

/// What to do with tasks.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// Start a workflow.
    Submit(SubmitArgs),
    /// Show one task.
    Get { task: String },
    /// Follow a task until it ends.
    Watch { task: String },
    /// List tasks, newest first.
    List(ListArgs),
    /// Stop a task; what it did is undone where its workflow says how.
    Cancel {
        task: String,
        /// Why; kept on the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Do one thing to every task that a filter meets, at a rate.
    #[command(subcommand)]
    Batch(BatchCommand),
    /// Send signals, ask, pause, run anew.
    #[command(flatten)]
    Control(ControlCommand),
}

/// Options of `task submit`.
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// `name`, `name:version` or `name@sha256:…`.
    workflow: String,
    /// The workflow's input as JSON; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// A file to send along, under the name that the workflow knows it by.
    #[arg(long, value_name = "NAME=PATH")]
    attach: Vec<Attachment>,
    /// Sending again with the same key starts nothing new.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Wait until the task ends and show its output.
    #[arg(long)]
    wait: bool,
}

/// Options of `task list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// `pending`, `running`, `waiting`, `completed`, `faulted`, `cancelled`, `terminated`; several with commas.
    #[arg(long)]
    status: Option<String>,
    #[command(flatten)]
    filter: TaskFilter,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

/// Runs it.
pub async fn run(globals: &Globals, command: TaskCommand, output: Output) -> Result<()> {
    let gateway = client::connect(globals)?;
    match command {
        TaskCommand::Submit(args) => submit(&gateway, args, output).await,
        TaskCommand::Get { task } => {
            output.show(&gateway.get(&["tasks", &task], &[]).await?, one);
            Ok(())
        }
        TaskCommand::Watch { task } => {
            gateway
                .follow(&task, |event| {
                    output.show_line(&event.data, |_| line(event));
                    false
                })
                .await
        }
        TaskCommand::List(args) => {
            let attributes = Some(args.filter.attribute.join(",")).filter(|text| !text.is_empty());
            let lists = [("status", args.status.as_deref()), ("attributes", attributes.as_deref())];
            let lists = lists.into_iter().filter_map(|(name, list)| Some((name, list?)));
            let query: Vec<(&str, &str)> = args.filter.texts().chain(lists).collect();
            output.show(&gateway.list(&["tasks"], &query, args.limit).await?, many);
            Ok(())
        }
        TaskCommand::Batch(command) => batch::create(&gateway, command, output).await,
        TaskCommand::Control(command) => control::run(&gateway, command, output).await,
        TaskCommand::Cancel { task, reason } => {
            let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
            output.show(&gateway.post(&["tasks", &task, "cancel"], &body).await?, one);
            Ok(())
        }
    }
}

async fn submit(gateway: &Gateway, args: SubmitArgs, output: Output) -> Result<()> {
    let input = args.input.map(|path| read_input(&path)).transpose()?;
    let submission =
        Submission { workflow: args.workflow, input, attachments: args.attach, idempotency_key: args.idempotency_key };
    let mut task = gateway.submit(&submission).await?;
    if args.wait {
        let id = text::field(&task, "id");
        let progress = Progress::spinner(&id);
        gateway
            .follow(&id, |event| {
                progress.message(line(event));
                false
            })
            .await?;
        progress.finish();
        task = gateway.get(&["tasks", &id], &[]).await?;
    }
    output.show(&task, one);
    match text::field(&task, "status").as_str() {
        "faulted" => bail!("{}; `orrery audit explain {}` tells more", fault(&task), text::field(&task, "id")),
        _ => Ok(()),
    }
}

/// How a task failed, in one line.
fn fault(task: &Value) -> String {
    let part = |name: &str| task.pointer(&format!("/error/{name}")).and_then(Value::as_str);
    let parts: Vec<&str> = [part("title"), part("detail")].into_iter().flatten().collect();
    let place = part("instance").map(|pointer| format!(" at {pointer}")).unwrap_or_default();
    format!("the task has failed{place}: {}", parts.join(": "))
}

pub(super) fn read_input(path: &PathBuf) -> Result<Value> {
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(path).with_context(|| format!("cannot read the input {}", path.display()))?
    };
    serde_json::from_str(&text).map_err(|error| usage(format!("the input {} is not JSON: {error}", path.display())))
}

pub(super) fn one(task: &Value) -> String {
    let mut shown = text::fields(
        task,
        &["id", "status", "workflow", "submitted_by", "created_at", "finished_at", "active", "duplicate", "archived"],
    );
    for part in ["output", "error"] {
        if let Some(value) = task.get(part).filter(|value| !value.is_null()) {
            shown.push_str(&format!("\n{part}\n{}", text::indented(value)));
        }
    }
    shown
}

fn many(tasks: &Value) -> String {
    let mut table = Table::new(&["task", "workflow", "status", "submitted by", "created"]);
    for task in text::rows(tasks) {
        let created = text::time(task.get("created_at").unwrap_or(&Value::Null));
        let cells = ["id", "workflow", "status", "submitted_by"].map(|name| text::field(task, name));
        table.row(cells.into_iter().chain([created]));
    }
    table.or("no tasks")
}

fn line(event: &Event) -> String {
    let at = text::time(event.data.get("at").unwrap_or(&Value::Null));
    format!("{at}  {:18}  {}", event.kind, text::field(&event.data, "pointer"))
}
