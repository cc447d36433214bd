//! One tenant has very many runs queued; another starts a few, one after the other. How long the second waits, beside how
//! long it waits when nobody else is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::try_join_all;
use orrery_bus::{CallContext, verbs};
use orrery_kernel::domain::command::Command;
use orrery_loadtest_bench::report::{say, table, write};
use orrery_loadtest_bench::{Machine, percentile};
use orrery_proto::v1::{ListTasksRequest, TaskStatus};
use serde::Serialize;

use crate::Options;
use crate::fill::fill;
use crate::systems::System as _;
use crate::systems::orrery::{Database, Orrery, TENANT, caller};

const RUNS: u64 = 100_000;
/// The tenant that is to be left alone.
const OTHER: &str = "quiet";
const SENDERS: usize = 4;
const WORKFLOW: &str = "one-step";

#[derive(Debug, Serialize)]
struct Row {
    store: &'static str,
    queued: u64,
    idle: Latency,
    beside_backlog: Latency,
    /// At which the other tenant's work goes on meanwhile.
    backlog_steps_per_s: f64,
    /// Whether the other tenant still had work queued when the measurement ended: without it the figures say nothing.
    backlog_lasted: bool,
}

/// Milliseconds from the request until the start is durable, and until the run's one step is done.
#[derive(Debug, Clone, Copy, Serialize)]
struct Latency {
    runs: usize,
    start_p50_ms: f64,
    start_p99_ms: f64,
    done_p50_ms: f64,
    done_p99_ms: f64,
}

#[derive(Debug, Serialize)]
struct Results {
    machine: Machine,
    rows: Vec<Row>,
}

/// Measures, prints and writes.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::this();
    say(&machine);
    let mut rows = Vec::new();
    for database in options.databases() {
        rows.push(measure(options, database).await?);
    }
    let columns =
        ["store", "other's queue", "its steps/s", "runs", "start p50 ms", "p99", "of idle", "done p50 ms", "p99"];
    let line = |row: &Row, queued: String, steps_per_s: f64, it: Latency| {
        let ms = |value: f64| format!("{value:.1}");
        vec![
            row.store.to_owned(),
            queued,
            format!("{steps_per_s:.0}"),
            it.runs.to_string(),
            ms(it.start_p50_ms),
            ms(it.start_p99_ms),
            format!("{:.2}×", it.start_p99_ms / row.idle.start_p99_ms),
            ms(it.done_p50_ms),
            ms(it.done_p99_ms),
        ]
    };
    let lines = rows.iter().flat_map(|row| {
        let lasted = if row.backlog_lasted { "" } else { " (worked off meanwhile)" };
        let beside = format!("{}{lasted}", row.queued);
        [line(row, "0".to_owned(), 0.0, row.idle), line(row, beside, row.backlog_steps_per_s, row.beside_backlog)]
    });
    say(table(&columns, 2, lines));
    write(&options.out, &Results { machine, rows })
}

async fn measure(options: &Options, database: Database) -> anyhow::Result<Row> {
    let system = Arc::new(Orrery::start(database).await?);
    let backlog = steps("queued", 10);
    system.deploy(TENANT, &backlog).await?;
    system.deploy(OTHER, &steps(WORKFLOW, 1)).await?;
    let window = Duration::from_secs(options.seconds);
    send(&system, window / 4).await?;
    let idle = send(&system, window).await?;
    system.stop()?;
    let queued = options.runs.unwrap_or(RUNS);
    fill(system.database_url(), TENANT, &[backlog], queued, &Command::Accept).await?;
    system.launch().await?;
    // The first ones also wait for the recovery, which is not what is measured.
    send(&system, window / 4).await?;
    let (began, before) = (Instant::now(), system.steps().await?);
    let beside_backlog = send(&system, window).await?;
    let steps = system.steps().await?.since(&before).count();
    // One step of each run was the quiet tenant's.
    let backlog_steps_per_s = steps.saturating_sub(beside_backlog.runs as u64) as f64 / began.elapsed().as_secs_f64();
    let backlog_lasted = has_work(&system).await?;
    Ok(Row { store: system.name().1, queued, idle, beside_backlog, backlog_steps_per_s, backlog_lasted })
}

fn steps(name: &str, count: usize) -> String {
    let steps: String = (0..count).map(|step| format!("  - step{step}: {{call: orrery.uuid}}\n")).collect();
    format!("document: {{dsl: 1.0.0, namespace: bench, name: {name}, version: 1.0.0}}\ndo:\n{steps}")
}

/// Starts runs of the quiet tenant, a few at a time.
async fn send(system: &Arc<Orrery>, window: Duration) -> anyhow::Result<Latency> {
    let until = Instant::now() + window;
    let senders = (0..SENDERS).map(|_| async {
        let mut taken = Vec::new();
        while taken.is_empty() || Instant::now() < until {
            taken.push(system.run(OTHER, WORKFLOW).await?);
        }
        anyhow::Ok(taken)
    });
    let taken = try_join_all(senders).await?.concat();
    let (mut starts, mut ends): (Vec<Duration>, Vec<Duration>) = taken.into_iter().unzip();
    starts.sort_unstable();
    ends.sort_unstable();
    let ms = |sorted: &[Duration], share| percentile(sorted, share).map(|it| it * 1_000.0).context("no run ended");
    Ok(Latency {
        runs: ends.len(),
        start_p50_ms: ms(&starts, 0.5)?,
        start_p99_ms: ms(&starts, 0.99)?,
        done_p50_ms: ms(&ends, 0.5)?,
        done_p99_ms: ms(&ends, 0.99)?,
    })
}

async fn has_work(system: &Orrery) -> anyhow::Result<bool> {
    let statuses = vec![TaskStatus::Pending.into()];
    let request = ListTasksRequest { caller: Some(caller(TENANT)), statuses, limit: 1, ..ListTasksRequest::default() };
    let context = CallContext::within(Duration::from_secs(60));
    Ok(!system.bus().call(verbs::kernel::LIST, &context, &request).await?.tasks.is_empty())
}
