//! `orrery workflow`: deploy, list, pause and resume on a running system; run, test, validate and draw without one.

mod elsewhere;
mod graph;
mod library;
mod remedy;
mod run;
mod source;
mod test;
mod validate;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::control::pauses;
use crate::cli::Globals;
use crate::client::{self, Gateway};
use crate::output::{Output, Table, text};

/// What to do with workflows.
#[derive(Debug, Subcommand)]
pub enum WorkflowCommand {
    /// Check a definition and make it available.
    Deploy { file: PathBuf },
    /// List what is deployed.
    List,
    /// Pause every task of a workflow; new ones are accepted and wait.
    Pause {
        name: String,
        /// Why; kept on the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Go on with the tasks of a workflow.
    Resume { name: String },
    /// Run one definition in this process, without a system, and print what came of it as JSON.
    Run(run::RunArgs),
    /// Run a definition against scripted answers, on a clock that skips, and compare what comes of it.
    Test(test::TestArgs),
    /// Explain every fault of definitions.
    Validate(validate::ValidateArgs),
    /// Draw a definition as a Mermaid flowchart.
    Graph(graph::GraphArgs),
}

/// Runs it.
pub async fn run(globals: &Globals, command: WorkflowCommand, output: Output) -> Result<()> {
    match command {
        WorkflowCommand::Deploy { file } => {
            let gateway = client::connect(globals)?;
            let deployed = deploy(&gateway, &file).await?;
            output.show(&deployed, |found| text::fields(found, &["namespace", "name", "version", "hash", "created"]));
        }
        WorkflowCommand::Pause { name, reason } => {
            let body = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
            let paused = client::connect(globals)?.post(&["workflows", &name, "pause"], &body).await?;
            output.show(&paused, pauses);
        }
        WorkflowCommand::Resume { name } => {
            let resumed = client::connect(globals)?.post(&["workflows", &name, "resume"], &json!({})).await?;
            output.show(&resumed, pauses);
        }
        WorkflowCommand::List => {
            output.show(&client::connect(globals)?.get(&["workflows"], &[]).await?, many);
        }
        WorkflowCommand::Run(args) => run::run(args, output).await?,
        WorkflowCommand::Test(args) => test::run(&args, output).await?,
        WorkflowCommand::Validate(args) => validate::run(&args, output)?,
        WorkflowCommand::Graph(args) => graph::run(&args, output)?,
    }
    Ok(())
}

/// Sends a definition; deploying the same one again changes nothing.
pub async fn deploy(gateway: &Gateway, file: &Path) -> Result<Value> {
    let content = std::fs::read(file).with_context(|| format!("cannot read the workflow {}", file.display()))?;
    let json = file.extension().is_some_and(|extension| extension == "json");
    let media_type = if json { "application/json" } else { "application/yaml" };
    let sent = gateway.send_bytes(Method::POST, &["workflows"], media_type, content).await;
    sent.with_context(|| format!("{} was not deployed", file.display()))
}

fn many(workflows: &Value) -> String {
    let columns = ["namespace", "name", "version", "title", "hash"];
    let mut table = Table::new(&columns);
    for workflow in text::rows(workflows) {
        table.row(columns.map(|name| text::field(workflow, name)));
    }
    table.or("no workflows; deploy one with `orrery workflow deploy FILE`")
}
