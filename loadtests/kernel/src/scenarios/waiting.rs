//! Very many runs that wait, half for a timer and half for a person: what they cost the kernel in memory, how long a cold
//! start takes, and whether new work goes as fast as in an empty kernel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::join_all;
use orrery_bus::{CallContext, verbs};
use orrery_kernel::domain::command::Command;
use orrery_loadtest_bench::report::{say, table, write};
use orrery_loadtest_bench::{Machine, processes};
use orrery_proto::v1::{DecideReviewRequest, ListReviewsRequest};
use orrery_testkit::eventually_within;
use serde::Serialize;

use crate::Options;
use crate::drive;
use crate::fill::fill;
use crate::systems::orrery::{Database, Orrery, TENANT, caller};
use crate::systems::{Shared, System as _};

const RUNS: u64 = 1_000_000;
/// At which the rate of new work is compared.
const CONCURRENCY: usize = 64;
/// Enough runs that each partition is met.
const PROBES: usize = 512;
const PATIENCE: Duration = Duration::from_secs(300);
const MIB: f64 = 1_048_576.0;

#[derive(Debug, Serialize)]
struct Row {
    store: &'static str,
    waiting: u64,
    fill_s: f64,
    /// From the start of the process until a new run has ended in every partition.
    recovery_s: f64,
    memory_mib_empty: f64,
    memory_mib: f64,
    memory_mib_peak: f64,
    steps_per_s_empty: f64,
    steps_per_s: f64,
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
    let columns = [
        "store",
        "waiting",
        "filled in s",
        "recovered in s",
        "MiB empty",
        "MiB",
        "MiB peak",
        "steps/s empty",
        "steps/s",
        "of empty",
    ];
    let line = |row: &Row| {
        let whole = |value: f64| format!("{value:.0}");
        vec![
            row.store.to_owned(),
            row.waiting.to_string(),
            whole(row.fill_s),
            format!("{:.1}", row.recovery_s),
            whole(row.memory_mib_empty),
            whole(row.memory_mib),
            whole(row.memory_mib_peak),
            whole(row.steps_per_s_empty),
            whole(row.steps_per_s),
            format!("{:.0} %", row.steps_per_s / row.steps_per_s_empty * 100.0),
        ]
    };
    say(table(&columns, 1, rows.iter().map(line)));
    write(&options.out, &Results { machine, rows })
}

async fn measure(options: &Options, database: Database) -> anyhow::Result<Row> {
    let system = Arc::new(Orrery::start(database).await?);
    let shared: Shared = system.clone();
    let window = Duration::from_secs(options.seconds);
    let empty = drive::measure(&shared, CONCURRENCY, window).await?;
    let (empty_bytes, _) = processes::memory(system.kernel());
    let sources = [
        definition("sleeper", "sleep: {wait: P30D}"),
        definition("asker", "ask: {call: orrery.human, with: {title: Go on?, roles: [adjuster]}}"),
    ];
    for source in &sources {
        system.deploy(TENANT, source).await?;
    }
    system.stop()?;
    let waiting = options.runs.unwrap_or(RUNS);
    let began = Instant::now();
    fill(system.database_url(), TENANT, &sources, waiting, &Command::Start).await?;
    let fill_s = began.elapsed().as_secs_f64();
    let began = Instant::now();
    system.launch().await?;
    probe(&system).await?;
    let recovery_s = began.elapsed().as_secs_f64();
    decide_one(&system).await?;
    system.settle().await?;
    let full = drive::measure(&shared, CONCURRENCY, window).await?;
    let (bytes, peak_bytes) = processes::memory(system.kernel());
    Ok(Row {
        store: system.name().1,
        waiting,
        fill_s,
        recovery_s,
        memory_mib_empty: empty_bytes as f64 / MIB,
        memory_mib: bytes as f64 / MIB,
        memory_mib_peak: peak_bytes as f64 / MIB,
        steps_per_s_empty: empty.steps_per_s,
        steps_per_s: full.steps_per_s,
    })
}

fn definition(name: &str, step: &str) -> String {
    format!("document: {{dsl: 1.0.0, namespace: bench, name: {name}, version: 1.0.0}}\ndo:\n  - {step}\n")
}

/// Runs new work to its end in every partition.
async fn probe(system: &Orrery) -> anyhow::Result<()> {
    let probes = (0..PROBES).map(|_| eventually_within(PATIENCE, || async { system.workflow().await.ok() }));
    let ended = join_all(probes).await.into_iter().collect::<Option<Vec<()>>>();
    ended.map(drop).context("new work does not end after the recovery")
}

/// What was filled in is alive: somebody decides one of the reviews, and its run ends.
async fn decide_one(system: &Orrery) -> anyhow::Result<()> {
    let person =
        orrery_proto::v1::Caller { principal: "bob".to_owned(), roles: vec!["adjuster".to_owned()], ..caller(TENANT) };
    let request = ListReviewsRequest { caller: Some(person.clone()), limit: 1, ..ListReviewsRequest::default() };
    let context = || CallContext::within(Duration::from_secs(60));
    let reviews = system.bus().call(verbs::kernel::REVIEWS, &context(), &request).await?.reviews;
    let review = reviews.into_iter().next().context("there is no review")?;
    let request = DecideReviewRequest {
        caller: Some(person),
        review_id: review.id,
        decision: "approve".to_owned(),
        reason: "fine".to_owned(),
        ..DecideReviewRequest::default()
    };
    let decided = system.bus().call(verbs::kernel::DECIDE, &context(), &request).await?;
    system.wait(TENANT, &decided.task_id).await
}
