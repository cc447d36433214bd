//! One file for each group of commands: what is asked of the system, and how the answer is shown.

pub mod audit;
pub mod batch;
mod control;
pub mod demo;
pub mod eval;
pub mod key;
pub mod knowledge;
pub mod model;
pub mod retention;
pub mod review;
pub mod secret;
mod session;
pub mod spend;
pub mod status;
pub mod task;
mod task_filter;
pub mod up;
pub mod workflow;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::output::Output;

/// Runs the command that was given.
pub async fn run(cli: Cli, output: Output) -> Result<()> {
    let globals = &cli.globals;
    match cli.command {
        Command::Up(args) => up::run(globals, args, output).await,
        Command::Status(args) => status::run(globals, &args, output).await,
        Command::Demo(args) => demo::run(globals, args, output).await,
        Command::Task(command) => task::run(globals, *command, output).await,
        Command::Batch(command) => batch::run(globals, command, output).await,
        Command::Retention(command) => retention::run(globals, command, output).await,
        Command::Archive(command) => retention::run_archive(globals, command, output).await,
        Command::Review(command) => review::run(globals, command, output).await,
        Command::Knowledge(command) => knowledge::run(globals, command, output).await,
        Command::Workflow(command) => workflow::run(globals, command, output).await,
        Command::Model(command) => model::run(globals, command, output).await,
        Command::Spend(args) => spend::run(globals, &args, output).await,
        Command::Audit(command) => audit::run(globals, command, output).await,
        Command::Secret(command) => secret::run(globals, command, output).await,
        Command::Key(command) => key::run(globals, command, output).await,
        Command::Eval(args) => eval::run(globals, args, output).await,
    }
}
