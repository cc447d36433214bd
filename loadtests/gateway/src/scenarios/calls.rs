//! Chat calls, plain and streamed, in closed and open loops. All systems run beside each other, idle while another is
//! measured, and take turns within each repetition, so that whatever else the machine does meets all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use orrery_loadtest_bench::Machine;
use orrery_loadtest_bench::report::{say, write};
use serde::Serialize;

use super::{peers, versions};
use crate::Options;
use crate::load::{Figures, Load, measure};
use crate::report::{self, Cell, Held, Row};
use crate::request::{PROMPT, Request};
use crate::systems::orrery::{self, Books, Spent};
use crate::systems::provider::Provider;
use crate::systems::{System, Target};

const MODEL: &str = "bench";
/// No call within this, and none comes any more.
const QUIET: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize)]
struct Results {
    machine: Machine,
    versions: BTreeMap<&'static str, String>,
    seconds: u64,
    repetitions: usize,
    words: usize,
    delay_ms: u64,
    rows: Vec<Row>,
    memory: Vec<Held>,
    /// Calls that Orrery's ledger holds of this run: as many as were answered, with every token.
    ledger_calls: Option<u64>,
}

/// Measures, prints and writes.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let providers = [Provider::start(MODEL, options.manner()).await?];
    let [provider] = &providers;
    let mut systems = vec![System::direct(&providers)];
    let mut books = None;
    if options.wants("orrery") {
        let (system, opened) = orrery::start(&providers).await?;
        systems.push(system);
        books = Some((opened.settled().await?, opened));
    }
    systems.extend(peers(options, &providers).await);
    let machine = Machine::this();
    say(format!("{machine}; medians of {} repetitions of {} s", options.repetitions, options.seconds));
    let idle: Vec<Held> = systems.iter().flat_map(held).collect();
    let (measured, answered) = turns(options, &systems, provider).await?;
    let memory = report::after(idle, systems.iter().flat_map(held));
    let rows = report::rows(&measured);
    say(report::tables(&rows, &memory));
    let ledger_calls = match &books {
        Some((before, books)) => Some(audit(books, *before, answered, options.words).await?),
        None => None,
    };
    let results = Results {
        machine,
        versions: versions(&systems),
        seconds: options.seconds,
        repetitions: options.repetitions,
        words: options.words,
        delay_ms: options.delay_ms,
        rows,
        memory,
        ledger_calls,
    };
    write(&options.out, &results)?;
    say(format!("written to {}", options.out.display()));
    Ok(())
}

fn held(system: &System) -> Vec<Held> {
    let target = system.targets.first();
    target.map(|target| Held::of(system.name, &target.processes)).unwrap_or_default()
}

async fn audit(books: &Books, before: Spent, answered: u64, words: usize) -> anyhow::Result<u64> {
    books.audit(before, answered, words).await?;
    say(format!(
        "Orrery's ledger holds all {answered} calls that it answered, with every token, and nothing is reserved"
    ));
    Ok(answered)
}

/// Waits until no call comes any more of those that were given up: they would be counted as another system's.
async fn quiet(provider: &Provider) -> anyhow::Result<()> {
    let mut calls = None;
    while calls != Some(provider.facts().await?.calls) {
        calls = Some(provider.facts().await?.calls);
        tokio::time::sleep(QUIET).await;
    }
    Ok(())
}

/// Measures everything in turns; also how many calls Orrery answered.
async fn turns(
    options: &Options,
    systems: &[System],
    provider: &Provider,
) -> anyhow::Result<(Vec<(Cell, Vec<Figures>)>, u64)> {
    let closed = options.connections.iter().map(|connections| Load::Closed(*connections));
    let loads: Vec<Load> = closed.chain(options.rates.iter().map(|rate| Load::Open(*rate))).collect();
    let kinds = [false, true];
    let cells = kinds.iter().flat_map(|streamed| loads.iter().map(move |load| (*streamed, *load)));
    let cells = cells.flat_map(|(streamed, load)| {
        let targets = systems.iter().flat_map(|system| &system.targets);
        targets.map(move |target| (Cell { system: target.name, streamed, load }, target))
    });
    let mut measured: Vec<(Cell, &Target, Vec<Figures>)> =
        cells.map(|(cell, target)| (cell, target, Vec::new())).collect();
    let (mut answered, mut failed) = (0, BTreeSet::new());
    for repetition in 1..=options.repetitions {
        for (cell, target, figures) in &mut measured {
            if failed.contains(cell.system) {
                continue;
            }
            let request = Request::new(target, PROMPT, cell.streamed);
            let window = Duration::from_secs(options.seconds);
            let before = provider.facts().await?.calls;
            match measure(target, &request, cell.load, window, provider).await {
                Ok(it) => {
                    say(format!("  {repetition}. {cell}: {:.0} requests/s", it.requests_per_s));
                    figures.push(it);
                }
                // Another gateway's faults are not ours to mend, but they are told.
                Err(error) if !matches!(cell.system, "orrery" | "direct") => {
                    say(format!("without {} from here on: {cell}: {error:#}", cell.system));
                    failed.insert(cell.system);
                    quiet(provider).await?;
                }
                Err(error) => return Err(error.context(cell.to_string())),
            }
            if cell.system == "orrery" {
                answered += provider.facts().await?.calls - before;
            }
        }
    }
    Ok((measured.into_iter().map(|(cell, _, figures)| (cell, figures)).collect(), answered))
}
