//! The `orrery` command: runs the system on one machine and speaks to a running one over HTTP.

mod cli;
mod client;
mod commands;
mod error;
mod output;
mod system;
mod yaml;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;
use crate::output::Output;

/// Something failed; the message says what to do.
pub const FAILED: u8 = 1;
/// The command was given wrongly, as clap reports it, too.
pub const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.globals.json);
    // One thread for the command itself; the supervised tree of `up` brings its own.
    let outcome = actix_rt::System::new().block_on(Box::pin(commands::run(cli, output)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let Some(error::Exit(code)) = error.downcast_ref() {
                return ExitCode::from(*code);
            }
            output.error(&error);
            ExitCode::from(if error.is::<error::Usage>() { USAGE } else { FAILED })
        }
    }
}
