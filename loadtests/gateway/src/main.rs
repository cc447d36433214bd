//! Load on the real gateway and what stands behind it, beside a provider stand-in asked directly and other gateways. Starts every
//! server itself, on loopback and in throw-away folders, and stops them.

mod http;
mod load;
mod provider;
mod report;
mod request;
mod scenarios;
mod systems;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

/// The load generator and the stand-in must cost as little as they can.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What to measure.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scenario {
    /// Rates, added latency, processor time and memory of chat calls, plain and streamed.
    Calls,
    /// Memory over a long time under load.
    Soak,
    /// How soon the provider sees that a caller left.
    Leave,
}

/// Load on the gateway.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The stand-in for a provider; started by the load test itself.
    Provider(provider::ProviderOptions),
}

#[derive(Debug, clap::Args)]
struct Options {
    /// What to measure.
    #[arg(long, value_enum, default_value = "calls")]
    scenario: Scenario,
    /// File for the results, as JSON.
    #[arg(long, default_value = "loadtests/results/gateway.json")]
    out: PathBuf,
    /// Folder in which other gateways are installed; without it, they are left out.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Only these systems: orrery, litellm, smg. The provider itself is always asked, too.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Seconds that each figure is measured for, after half a second of warm-up.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often each figure is measured; the medians are reported.
    #[arg(long, default_value_t = 3)]
    repetitions: usize,
    /// Connections of closed loops.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 16, 64])]
    connections: Vec<usize>,
    /// Requests a second of open loops.
    #[arg(long, value_delimiter = ',', default_values_t = [200])]
    rates: Vec<u32>,
    /// Words, output tokens and streamed chunks of an answer.
    #[arg(long, default_value_t = 16)]
    words: usize,
    /// Milliseconds before the provider's answer begins.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Seconds of a soak.
    #[arg(long, default_value_t = 600)]
    soak_seconds: u64,
    /// Callers that leave, for each way of leaving.
    #[arg(long, default_value_t = 200)]
    leavers: usize,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|it| it == name)
    }

    fn manner(&self) -> systems::provider::Manner {
        let delay = Duration::from_millis(self.delay_ms);
        systems::provider::Manner { words: self.words, delay, pause: Duration::ZERO }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(Command::Provider(options)) = cli.command {
        return provider::run(options).await;
    }
    let options = cli.options;
    match options.scenario {
        Scenario::Calls => scenarios::calls::run(&options).await,
        Scenario::Soak => scenarios::soak::run(&options).await,
        Scenario::Leave => scenarios::leave::run(&options).await,
    }
}
