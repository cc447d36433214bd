//! Load on the real kernel process. Starts every server itself, on loopback and in throw-away folders, and stops them.

mod drive;
mod histogram;
mod machine;
mod processes;
mod report;
mod scenarios;
mod syncs;
mod systems;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// What to measure.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scenario {
    /// Workflows of ten durable steps at rising concurrency, on both databases and on Restate.
    Steps,
}

/// Load on the kernel.
#[derive(Debug, Parser)]
struct Options {
    /// What to measure.
    #[arg(long, value_enum, default_value = "steps")]
    scenario: Scenario,
    /// File for the results, as JSON.
    #[arg(long)]
    out: PathBuf,
    /// Folder in which Restate is installed; without it, Restate is left out.
    #[arg(long)]
    restate: Option<PathBuf>,
    /// Seconds that each figure is measured for, after the warm-up.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often each figure is measured; the medians are reported.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Workflows under way at a time.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64, 256])]
    concurrency: Vec<usize>,
    /// Only these databases and systems: sqlite, postgresql, restate.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    match options.scenario {
        Scenario::Steps => scenarios::steps::run(&options).await,
    }
}
