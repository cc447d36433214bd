//! Load on the real kernel process. Starts every server itself, on loopback and in throw-away folders, and stops them.

mod drive;
mod fill;
mod histogram;
mod report;
mod scenarios;
mod syncs;
mod systems;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::systems::orrery::Database;

/// What to measure.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scenario {
    /// Workflows of ten durable steps at rising concurrency, on both databases and on Restate.
    Steps,
    /// Memory, recovery and speed with very many waiting runs.
    Waiting,
    /// One tenant's backlog against another's latency.
    Fairness,
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
    /// Runs that wait, or are queued. Default: 1,000,000 waiting, 100,000 queued.
    #[arg(long)]
    runs: Option<u64>,
}

impl Options {
    /// The databases that are asked for.
    fn databases(&self) -> Vec<Database> {
        let all = [("sqlite", Database::Sqlite), ("postgresql", Database::Postgresql)];
        all.into_iter().filter(|(name, _)| self.wants(name)).map(|(_, database)| database).collect()
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|it| it == name)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    match options.scenario {
        Scenario::Steps => scenarios::steps::run(&options).await,
        Scenario::Waiting => scenarios::waiting::run(&options).await,
        Scenario::Fairness => scenarios::fairness::run(&options).await,
    }
}
