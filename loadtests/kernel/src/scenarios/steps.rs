//! Workflows of ten trivial durable steps. All systems run beside each other, idle while another is measured, and take
//! turns within each repetition, so that whatever else the machine does meets all of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orrery_loadtest_bench::Machine;
use orrery_loadtest_bench::report::{say, table, write};
use serde::Serialize;

use crate::Options;
use crate::drive;
use crate::report::{self, Row};
use crate::systems::Shared;
use crate::systems::orrery::Orrery;
use crate::systems::restate::Restate;

#[derive(Debug, Serialize)]
struct Results {
    machine: Machine,
    steps_per_workflow: u32,
    seconds: u64,
    repetitions: usize,
    rows: Vec<Row>,
    /// Longest, by store: how long events lagged behind when the load ended.
    publish_lag_s: BTreeMap<&'static str, f64>,
}

/// Measures, prints and writes.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let systems = start(options).await?;
    let machine = Machine::this();
    say(format!("{machine}; medians of {} repetitions of {} s", options.repetitions, options.seconds));
    let mut measured = vec![Vec::new(); systems.len() * options.concurrency.len()];
    for repetition in 0..options.repetitions {
        let cells = options.concurrency.iter().flat_map(|concurrency| systems.iter().map(move |it| (it, *concurrency)));
        for ((system, concurrency), measured) in cells.zip(&mut measured) {
            let figures = drive::measure(system, concurrency, Duration::from_secs(options.seconds)).await?;
            let (name, store) = system.name();
            say(format!("  {}. {name}/{store} at {concurrency}: {:.0} steps/s", repetition + 1, figures.steps_per_s));
            measured.push(figures);
        }
    }
    let cells = options.concurrency.iter().flat_map(|concurrency| systems.iter().map(move |it| (it, *concurrency)));
    let rows: Vec<Row> = cells.zip(&measured).map(|((it, at), measured)| Row::of(it.name(), at, measured)).collect();
    let mut publish_lag_s = BTreeMap::new();
    for (row, measured) in rows.iter().zip(&measured).filter(|(row, _)| row.system == "orrery") {
        let lag = publish_lag_s.entry(row.store).or_insert(0.0_f64);
        *lag = measured.iter().map(|it| it.lag).fold(*lag, f64::max);
    }
    say(report::rows(&rows));
    say(format!("events lagged behind by at most {publish_lag_s:.1?} s when a load ended"));
    compare(&rows);
    let (seconds, repetitions) = (options.seconds, options.repetitions);
    write(&options.out, &Results { machine, steps_per_workflow: 10, seconds, repetitions, rows, publish_lag_s })?;
    say(format!("written to {}", options.out.display()));
    Ok(())
}

async fn start(options: &Options) -> anyhow::Result<Vec<Shared>> {
    let mut systems: Vec<Shared> = Vec::new();
    for database in options.databases() {
        systems.push(Arc::new(Orrery::start(database).await?));
    }
    match &options.restate {
        Some(installed) if options.wants("restate") => match Restate::start(installed).await {
            Ok(restate) => systems.push(Arc::new(restate)),
            Err(error) => say(format!("without Restate: {error:#}")),
        },
        _ => say("without Restate: it is not installed here, or not asked for"),
    }
    Ok(systems)
}

/// How the kernel stands beside Restate in this run.
fn compare(rows: &[Row]) {
    let mut lines = Vec::new();
    for row in rows.iter().filter(|row| row.system == "orrery") {
        let beside = |it: &&Row| it.system == "restate" && it.concurrency == row.concurrency;
        let Some(other) = rows.iter().find(beside) else { continue };
        let ratio = |mine: Option<f64>, theirs: Option<f64>| match (mine, theirs) {
            (Some(mine), Some(theirs)) if theirs > 0.0 => format!("{:.2}×", mine / theirs),
            _ => "–".to_owned(),
        };
        lines.push(vec![
            row.store.to_owned(),
            row.concurrency.to_string(),
            ratio(Some(row.steps_per_s), Some(other.steps_per_s)),
            ratio(row.step_p50_ms, other.step_p50_ms),
            ratio(row.workflow_p50_ms, other.workflow_p50_ms),
            ratio(Some(row.cpu_ms_per_step), Some(other.cpu_ms_per_step)),
        ]);
    }
    if !lines.is_empty() {
        let columns = ["Orrery beside Restate", "at once", "steps/s", "step p50", "workflow p50", "CPU/step"];
        say(table(&columns, 1, lines));
    }
}
