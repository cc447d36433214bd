//! The command line's shape. Knows names and help texts, never what a command does.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    audit, batch, demo, eval, key, knowledge, model, retention, review, secret, spend, status, task, up, workflow,
};

/// Orrery: a multi-modal AI operating system.
#[derive(Debug, Parser)]
#[command(name = "orrery", version, about, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// Print JSON instead of tables.
    #[arg(long, global = true)]
    pub json: bool,
    /// Data folder of the system [default: ORRERY_DATA, else ~/.local/share/orrery].
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Gateway of the system to speak to [default: ORRERY_URL, else the one that runs on the data folder].
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// API key [default: ORRERY_API_KEY, else the admin key of the data folder].
    #[arg(long, global = true, value_name = "KEY", hide_default_value = true)]
    pub api_key: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole system on this machine until Ctrl-C.
    Up(up::UpArgs),
    /// Show every service's actor tree, and the servers.
    Status(status::StatusArgs),
    /// Run the claims example end to end on a fresh system and verify every proof.
    Demo(demo::DemoArgs),
    /// Submit tasks and follow them.
    #[command(subcommand)]
    Task(Box<task::TaskCommand>),
    /// Look at and stop what `task batch` began.
    #[command(subcommand)]
    Batch(batch::BatchesCommand),
    /// Set how long tasks are kept after their end.
    #[command(subcommand)]
    Retention(retention::RetentionCommand),
    /// Fetch and read what is left of tasks that were removed.
    #[command(subcommand)]
    Archive(retention::ArchiveCommand),
    /// Decide what the workflows leave to people.
    #[command(subcommand)]
    Review(review::ReviewCommand),
    /// Add and search documents.
    #[command(subcommand)]
    Knowledge(knowledge::KnowledgeCommand),
    /// Deploy and list workflows.
    #[command(subcommand)]
    Workflow(workflow::WorkflowCommand),
    /// List, sign and verify the models of this machine.
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// What the model calls of this month have cost.
    Spend(spend::SpendArgs),
    /// Explain outcomes, fetch and check their proofs.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Create, list and revoke API keys.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Set, list and remove the secrets of models' providers.
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Run a workflow over packets with known truth and score it.
    Eval(eval::EvalArgs),
}
