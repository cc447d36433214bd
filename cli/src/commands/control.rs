//! Control of tasks: signals, updates, queries, pauses, and running them anew.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::task::{one, read_input};
use crate::client::Gateway;
use crate::output::{Output, text};

/// What to do with a task under way.
#[derive(Debug, Subcommand)]
pub enum ControlCommand {
    /// End a task at once; nothing is undone.
    Terminate {
        task: String,
        /// Why; kept on the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Send a signal; it is kept until a step asks for it.
    Signal(MessageArgs),
    /// Send an update, which the workflow checks and answers, or refuses.
    Update(MessageArgs),
    /// Ask one of the workflow's queries; without a name, for the state.
    Query {
        task: String,
        name: Option<String>,
        /// What the query is given, as JSON; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        payload: Option<PathBuf>,
    },
    /// Schedule nothing new of a task.
    Pause {
        task: String,
        /// Why; kept on the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Go on with a task.
    Resume { task: String },
    /// Begin a task anew from a step, in place of the old one.
    Reset(RestartArgs),
    /// Begin a second task from a step; the first goes on.
    Fork(RestartArgs),
    /// Begin a failed task anew from the step that failed.
    Retry {
        task: String,
        /// Why; kept on the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Move a task to another version of its workflow.
    Migrate {
        task: String,
        /// `name:version` or `name@sha256:…`.
        #[arg(long, value_name = "WORKFLOW")]
        to: String,
    },
}

/// A message to a task.
#[derive(Debug, Args)]
pub struct MessageArgs {
    task: String,
    name: String,
    /// What it says, as JSON; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// Sending again with the same key does nothing.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Where a task begins anew.
#[derive(Debug, Args)]
pub struct RestartArgs {
    task: String,
    /// The step's pointer, for example `/do/2/pay`.
    #[arg(long, value_name = "POINTER")]
    step: String,
    /// Which of its visits, from 0; left out: the last.
    #[arg(long)]
    iteration: Option<u32>,
    /// Why; kept on the record.
    #[arg(long)]
    reason: Option<String>,
}

/// Runs it.
pub async fn run(gateway: &Gateway, command: ControlCommand, output: Output) -> Result<()> {
    match command {
        ControlCommand::Terminate { task, reason } => {
            output.show(&gateway.post(&["tasks", &task, "terminate"], &because(reason)).await?, one);
        }
        ControlCommand::Signal(args) => output.show(&send(gateway, "signals", args).await?, one),
        ControlCommand::Update(args) => output.show(&send(gateway, "updates", args).await?, result),
        ControlCommand::Query { task, name: None, .. } => {
            output.show(&gateway.get(&["tasks", &task, "state"], &[]).await?, result);
        }
        ControlCommand::Query { task, name: Some(name), payload } => {
            let body = message(payload)?;
            output.show(&gateway.post(&["tasks", &task, "queries", &name], &body).await?, result);
        }
        ControlCommand::Pause { task, reason } => {
            output.show(&gateway.post(&["tasks", &task, "pause"], &because(reason)).await?, pauses);
        }
        ControlCommand::Resume { task } => {
            output.show(&gateway.post(&["tasks", &task, "resume"], &json!({})).await?, pauses);
        }
        ControlCommand::Reset(args) => output.show(&restart(gateway, "reset", args).await?, one),
        ControlCommand::Fork(args) => output.show(&restart(gateway, "fork", args).await?, one),
        ControlCommand::Retry { task, reason } => {
            output.show(&gateway.post(&["tasks", &task, "retry"], &because(reason)).await?, one);
        }
        ControlCommand::Migrate { task, to } => {
            output.show(&gateway.post(&["tasks", &task, "migrate"], &json!({ "workflow": to })).await?, one);
        }
    }
    Ok(())
}

fn because(reason: Option<String>) -> Value {
    reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }))
}

fn message(payload: Option<PathBuf>) -> Result<Value> {
    let payload = payload.map(|path| read_input(&path)).transpose()?;
    Ok(payload.map_or_else(|| json!({}), |payload| json!({ "payload": payload })))
}

async fn send(gateway: &Gateway, kind: &str, args: MessageArgs) -> Result<Value> {
    let segments = ["tasks", &args.task, kind, &args.name];
    gateway.post_once(&segments, &message(args.payload)?, args.idempotency_key.as_deref()).await
}

async fn restart(gateway: &Gateway, how: &str, args: RestartArgs) -> Result<Value> {
    let mut body = Map::from_iter([("pointer".to_owned(), json!(args.step))]);
    if let Some(iteration) = args.iteration {
        body.insert("iteration".to_owned(), json!(iteration));
    }
    if let Some(reason) = args.reason {
        body.insert("reason".to_owned(), json!(reason));
    }
    gateway.post(&["tasks", &args.task, how], &Value::Object(body)).await
}

fn result(answer: &Value) -> String {
    text::indented(answer.get("result").unwrap_or(&Value::Null))
}

/// What holds many tasks; shown with every pause, since resuming one task does not lift it.
pub(super) fn pauses(answer: &Value) -> String {
    let mut lines = vec![match answer.get("changed").and_then(Value::as_bool) {
        Some(false) => "it was so already".to_owned(),
        _ => "done".to_owned(),
    }];
    for pause in answer.get("pauses").and_then(Value::as_array).into_iter().flatten() {
        let what = pause.get("workflow").and_then(Value::as_str).unwrap_or("everything");
        lines.push(format!("paused: {what}, by {}", text::field(pause, "by")));
    }
    lines.join("\n")
}
