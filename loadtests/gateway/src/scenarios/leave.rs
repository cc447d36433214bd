//! Callers that leave before they have their answer: how long until the provider sees its connection closed, so that it can
//! stop computing, and charging.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use orrery_loadtest_bench::report::{round, say, table, write};
use orrery_loadtest_bench::{Machine, percentile};
use serde::Serialize;

use super::{peers, versions};
use crate::Options;
use crate::http::Connection;
use crate::provider::{LEAVER, now_us};
use crate::request::Request;
use crate::systems::orrery;
use crate::systems::provider::{Manner, Provider};
use crate::systems::{System, Target};

/// Callers under way at once.
const ROUND: usize = 16;
/// Between two that leave.
const APART: Duration = Duration::from_millis(5);
/// Who was not seen to leave by then is not seen at all.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);
/// Of an answer that has begun: more than the chunk that gives the role.
const BEGUN_BYTES: usize = 1_000;

/// Streams a word every 20 ms for an hour.
const TALKS: Manner = Manner { words: 180_000, delay: Duration::ZERO, pause: Duration::from_millis(20) };
/// Says nothing for an hour.
const THINKS: Manner = Manner { words: 1, delay: Duration::from_secs(3_600), pause: Duration::ZERO };

/// How they leave: the name, the number of the provider, streamed, and whether the answer has begun.
const WAYS: [(&str, usize, bool, bool); 3] = [
    ("in mid-stream", 0, true, true),
    ("before the first token", 1, true, false),
    ("before a plain answer", 1, false, false),
];

#[derive(Debug, Serialize)]
struct Row {
    system: &'static str,
    way: &'static str,
    leavers: usize,
    /// Of whom the provider did not see within ten seconds that they left.
    unseen: usize,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Results {
    machine: Machine,
    versions: BTreeMap<&'static str, String>,
    rows: Vec<Row>,
}

/// Measures, prints and writes.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let started = [Provider::start("talks", TALKS), Provider::start("thinks", THINKS)];
    let mut providers = futures::future::try_join_all(started).await?;
    // Tells when a system is ready.
    providers.push(Provider::start("bench", options.manner()).await?);
    let mut systems = vec![System::direct(&providers)];
    if options.wants("orrery") {
        systems.push(orrery::start(&providers).await?.0);
    }
    systems.extend(peers(options, &providers).await);
    let machine = Machine::this();
    say(&machine);
    let (mut rows, mut number) = (Vec::new(), 0);
    for (way, index, streamed, begun) in WAYS {
        let provider = providers.get(index).context("no such provider")?;
        for target in systems.iter().filter_map(|system| system.targets.get(index)) {
            match leave_all(target, provider, options.leavers, &mut number, (streamed, begun)).await {
                Ok((left, unseen)) => rows.push(row(target.name, way, left, unseen)),
                // Another gateway's faults are not ours to mend, but they are told.
                Err(error) if !matches!(target.name, "orrery" | "direct") => {
                    say(format!("without {}, {way}: {error:#}", target.name));
                }
                Err(error) => return Err(error.context(format!("{}, {way}", target.name))),
            }
        }
    }
    let columns = ["who leaves", "through", "leavers", "unseen", "p50 ms", "p99", "max"];
    let line = |row: &Row| {
        let ms = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        let counts = [row.leavers, row.unseen].map(|it| it.to_string());
        let names = [row.way.to_owned(), row.system.to_owned()];
        names.into_iter().chain(counts).chain([ms(row.p50_ms), ms(row.p99_ms), ms(row.max_ms)]).collect()
    };
    say(table(&columns, 2, rows.iter().map(line)));
    write(&options.out, &Results { machine, versions: versions(&systems), rows })?;
    say(format!("written to {}", options.out.display()));
    Ok(())
}

/// How long the provider took to see each leaver that it saw, and how many it did not see.
async fn leave_all(
    target: &Target,
    provider: &Provider,
    leavers: usize,
    number: &mut u64,
    way: (bool, bool),
) -> anyhow::Result<(Vec<Duration>, usize)> {
    let (mut left, mut unseen) = (Vec::new(), 0);
    while left.len() + unseen < leavers {
        let count = ROUND.min(leavers - left.len() - unseen);
        let seen = leave(target, provider, *number..*number + count as u64, way).await?;
        *number += count as u64;
        unseen += count - seen.len();
        left.extend(seen);
    }
    Ok((left, unseen))
}

/// One round: all send, then leave one after the other. How long the provider took to see each that it saw leave.
async fn leave(
    target: &Target,
    provider: &Provider,
    numbers: std::ops::Range<u64>,
    (streamed, begun): (bool, bool),
) -> anyhow::Result<Vec<Duration>> {
    let before = provider.facts().await?.calls;
    let mut callers = Vec::new();
    for number in numbers.clone() {
        let request = Request::new(target, &format!("{LEAVER}{number} tell me a story"), streamed);
        let mut connection = Connection::open(target.address).await?;
        connection.send(request.bytes()).await?;
        callers.push((number, connection));
    }
    let wanted = before + callers.len() as u64;
    let until = Instant::now() + PATIENCE;
    while provider.facts().await?.calls < wanted {
        ensure!(Instant::now() < until, "the provider is not called");
        tokio::time::sleep(POLL).await;
    }
    let mut left_at = HashMap::new();
    for (number, mut connection) in callers {
        if begun {
            let (status, content) = connection.begin(BEGUN_BYTES).await?;
            ensure!(status == 200, "answered {status}: {}", String::from_utf8_lossy(&content));
        }
        left_at.insert(number, now_us());
        drop(connection);
        tokio::time::sleep(APART).await;
    }
    let until = Instant::now() + PATIENCE;
    loop {
        let facts = provider.facts().await?;
        let seen = facts.left.iter().filter_map(|it| Some(it.at_us.saturating_sub(*left_at.get(&it.number)?)));
        let seen: Vec<Duration> = seen.map(Duration::from_micros).collect();
        if seen.len() >= left_at.len() || Instant::now() > until {
            return Ok(seen);
        }
        tokio::time::sleep(POLL).await;
    }
}

fn row(system: &'static str, way: &'static str, mut left: Vec<Duration>, unseen: usize) -> Row {
    left.sort_unstable();
    let ms = |share| percentile(&left, share).map(|seconds| round(seconds * 1_000.0));
    Row { system, way, leavers: left.len() + unseen, unseen, p50_ms: ms(0.5), p99_ms: ms(0.99), max_ms: ms(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_never_seen_to_leave_is_counted_apart() {
        let seen = (1..=10).rev().map(Duration::from_millis).collect();
        let row = row("orrery", "in mid-stream", seen, 2);
        assert_eq!((row.leavers, row.unseen), (12, 2));
        assert_eq!((row.p50_ms, row.p99_ms, row.max_ms), (Some(5.0), Some(10.0), Some(10.0)));
    }
}
