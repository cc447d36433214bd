//! `orrery task batch`: one operation on every task that a filter meets; `orrery batch`: what became of it.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::task::read_input;
use super::task_filter::TaskFilter;
use crate::cli::Globals;
use crate::client::{self, Gateway};
use crate::error::usage;
use crate::output::{Output, Table, text};

/// What to do to the tasks.
#[derive(Debug, Subcommand)]
pub enum BatchCommand {
    /// Begin failed tasks anew from the step that failed; each waits for its turn like any other task.
    Retry(BatchArgs),
    /// Stop tasks; what they did is undone where their workflow says how.
    Cancel(BatchArgs),
    /// End tasks at once; nothing is undone.
    Terminate(BatchArgs),
    /// Send tasks a signal.
    Signal {
        /// Its name.
        name: String,
        /// What it says, as JSON; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        payload: Option<PathBuf>,
        #[command(flatten)]
        args: BatchArgs,
    },
    /// Begin tasks anew from a step, in place of the old ones.
    Reset {
        /// The step's pointer, for example `/do/2/pay`.
        #[arg(long, value_name = "POINTER")]
        step: String,
        /// Which of its visits, from 0; left out: the last.
        #[arg(long)]
        iteration: Option<u32>,
        #[command(flatten)]
        args: BatchArgs,
    },
    /// Move tasks to another version of their workflow.
    Migrate {
        /// `name:version` or `name@sha256:…`.
        #[arg(long, value_name = "WORKFLOW")]
        to: String,
        #[command(flatten)]
        args: BatchArgs,
    },
}

/// Which tasks, and how fast. All that is given must fit; something must be.
#[derive(Debug, Args)]
pub struct BatchArgs {
    #[command(flatten)]
    filter: TaskFilter,
    /// `pending`, `running`, `waiting`, `completed`, `faulted`, `cancelled`, `terminated`; several with commas [default: all that it is for].
    #[arg(long, visible_alias = "state", value_delimiter = ',')]
    status: Vec<String>,
    /// Over then or later.
    #[arg(long, value_name = "TIME")]
    finished_since: Option<String>,
    /// Over before.
    #[arg(long, value_name = "TIME")]
    finished_until: Option<String>,
    /// Tasks a second, 0.01 to 1000 [default: 10].
    #[arg(long)]
    rate: Option<f64>,
    /// Why; kept on the record of each task.
    #[arg(long)]
    reason: Option<String>,
    /// Only tell how many tasks it would meet.
    #[arg(long)]
    dry_run: bool,
    /// Sending again with the same key makes nothing new.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// What to do with batches.
#[derive(Debug, Subcommand)]
pub enum BatchesCommand {
    /// List batches, newest first.
    List {
        /// `running`, `paused`, `cancelled`, `finished`; several with commas.
        #[arg(long)]
        state: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show how far a batch is, and what it could not do.
    Show { batch: String },
    /// Begin nothing more of a batch until it is resumed.
    Pause { batch: String },
    /// Go on with a batch.
    Resume { batch: String },
    /// End a batch; what it has done stays done.
    Cancel { batch: String },
}

/// Looks at and stops batches.
pub async fn run(globals: &Globals, command: BatchesCommand, output: Output) -> Result<()> {
    let gateway = client::connect(globals)?;
    match command {
        BatchesCommand::List { state, limit } => {
            let query: Vec<(&str, &str)> = state.iter().map(|state| ("state", state.as_str())).collect();
            output.show(&gateway.list(&["task-batches"], &query, limit).await?, many);
        }
        BatchesCommand::Show { batch } => output.show(&gateway.get(&["task-batches", &batch], &[]).await?, one),
        BatchesCommand::Pause { batch } => change(&gateway, &batch, "pause", output).await?,
        BatchesCommand::Resume { batch } => change(&gateway, &batch, "resume", output).await?,
        BatchesCommand::Cancel { batch } => change(&gateway, &batch, "cancel", output).await?,
    }
    Ok(())
}

async fn change(gateway: &Gateway, batch: &str, how: &str, output: Output) -> Result<()> {
    output.show(&gateway.post(&["task-batches", batch, how], &json!({})).await?, one);
    Ok(())
}

/// Makes one.
pub async fn create(gateway: &Gateway, command: BatchCommand, output: Output) -> Result<()> {
    let (args, body) = request(command)?;
    let batch = gateway.post_once(&["task-batches"], &body, args.idempotency_key.as_deref()).await?;
    output.show(&batch, one);
    Ok(())
}

/// The request of a command.
fn request(command: BatchCommand) -> Result<(BatchArgs, Value)> {
    let (operation, own, args) = match command {
        BatchCommand::Retry(args) => ("retry", json!({}), args),
        BatchCommand::Cancel(args) => ("cancel", json!({}), args),
        BatchCommand::Terminate(args) => ("terminate", json!({}), args),
        BatchCommand::Signal { name, payload, args } => {
            let payload = payload.map(|path| read_input(&path)).transpose()?;
            ("signal", json!({ "signal": name, "payload": payload }), args)
        }
        BatchCommand::Reset { step, iteration, args } => {
            ("reset", json!({ "pointer": step, "iteration": iteration }), args)
        }
        BatchCommand::Migrate { to, args } => ("migrate", json!({ "workflow": to }), args),
    };
    let mut body = json!({ "operation": operation, "filter": filter(&args)?, "dry_run": args.dry_run });
    let common = json!({ "rate": args.rate, "reason": args.reason });
    if let Some(body) = body.as_object_mut() {
        let given = |value: Value| value.as_object().cloned().unwrap_or_default();
        let fields = given(own).into_iter().chain(given(common));
        body.extend(fields.filter(|(_, value)| !value.is_null()));
    }
    Ok((args, body))
}

fn filter(args: &BatchArgs) -> Result<Value> {
    let finished = [("finished_from", &args.finished_since), ("finished_before", &args.finished_until)];
    let finished = finished.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
    let texts = args.filter.texts().chain(finished);
    let mut filter: Map<String, Value> = texts.map(|(name, text)| (name.to_owned(), json!(text))).collect();
    if !args.status.is_empty() {
        filter.insert("status".to_owned(), json!(args.status));
    }
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), json!(value))),
        _ => Err(usage(format!("the attribute {text:?} is no NAME=VALUE"))),
    };
    let attributes = args.filter.attribute.iter().map(pair).collect::<Result<Map<String, Value>>>()?;
    if !attributes.is_empty() {
        filter.insert("attributes".to_owned(), Value::Object(attributes));
    }
    Ok(Value::Object(filter))
}

fn one(batch: &Value) -> String {
    if batch.get("id").is_none_or(Value::is_null) {
        return format!("{} tasks would be met; nothing was done", text::number(batch, "total"));
    }
    let names = [
        "id",
        "state",
        "operation",
        "arguments",
        "rate",
        "total",
        "done",
        "failed",
        "skipped",
        "created_by",
        "created_at",
        "finished_at",
    ];
    let mut shown = text::fields(batch, &names);
    for failure in batch.get("failures").and_then(Value::as_array).into_iter().flatten() {
        let parts = ["task_id", "code", "reason"].map(|name| text::field(failure, name));
        shown.push_str(&format!("\n  {}", parts.join("  ")));
    }
    shown
}

fn many(batches: &Value) -> String {
    let mut table =
        Table::new(&["batch", "operation", "state", "total", "done", "failed", "skipped", "created by", "created"]);
    for batch in text::rows(batches) {
        let created = text::time(batch.get("created_at").unwrap_or(&Value::Null));
        let names = ["id", "operation", "state", "total", "done", "failed", "skipped", "created_by"];
        table.row(names.map(|name| text::field(batch, name)).into_iter().chain([created]));
    }
    table.or("no batches")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: BatchCommand,
    }

    fn body(line: &str) -> Value {
        let line = Line::try_parse_from(["batch"].into_iter().chain(line.split(' '))).unwrap();
        request(line.command).unwrap().1
    }

    #[test]
    fn a_command_becomes_the_request_that_it_says() {
        assert_eq!(
            body("retry --workflow claims --state faulted --rate 20 --attribute plate=A=1 --dry-run"),
            json!({"operation": "retry", "rate": 20.0, "dry_run": true,
                "filter": {"workflow": "claims", "status": ["faulted"], "attributes": {"plate": "A=1"}}})
        );
        assert_eq!(
            body("signal go --since 2027-01-31T12:00:00Z --reason now"),
            json!({"operation": "signal", "signal": "go", "reason": "now", "dry_run": false,
                "filter": {"created_from": "2027-01-31T12:00:00Z"}})
        );
        assert_eq!(
            body("reset --step /do/0/a --iteration 1 --status waiting,running"),
            json!({"operation": "reset", "pointer": "/do/0/a", "iteration": 1, "dry_run": false,
                "filter": {"status": ["waiting", "running"]}})
        );
        assert!(Line::try_parse_from(["batch", "migrate", "--workflow", "claims"]).is_err(), "where to is missing");
        let wrong = Line::try_parse_from(["batch", "cancel", "--attribute", "plate"]).unwrap();
        assert!(request(wrong.command).is_err());
    }
}
