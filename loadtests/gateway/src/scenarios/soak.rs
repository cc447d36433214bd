//! Load for a long time: half of the connections plain, half streamed. Whether memory stays flat.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use orrery_loadtest_bench::Machine;
use orrery_loadtest_bench::report::{round, say, table, write};
use serde::Serialize;

use super::{peers, versions};
use crate::Options;
use crate::load::{Progress, senders};
use crate::report::Held;
use crate::request::{PROMPT, Request};
use crate::systems::orrery;
use crate::systems::provider::Provider;
use crate::systems::{System, Target};

const LOOK: Duration = Duration::from_secs(10);

/// Resident memory by process at a time.
#[derive(Debug, Clone, Serialize)]
struct Look {
    at_s: f64,
    resident_mib: BTreeMap<&'static str, f64>,
}

#[derive(Debug, Serialize)]
struct Row {
    system: &'static str,
    process: &'static str,
    first_mib: f64,
    last_mib: f64,
    peak_mib: f64,
    /// By least squares over the second half, when what is filled once is filled.
    slope_mib_per_min: f64,
}

#[derive(Debug, Serialize)]
struct Soaked {
    system: &'static str,
    requests: usize,
    requests_per_s: f64,
    looks: Vec<Look>,
}

#[derive(Debug, Serialize)]
struct Results {
    machine: Machine,
    versions: BTreeMap<&'static str, String>,
    seconds: u64,
    connections: usize,
    rows: Vec<Row>,
    systems: Vec<Soaked>,
}

/// Measures, prints and writes.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let providers = [Provider::start("bench", options.manner()).await?];
    let mut systems = Vec::new();
    if options.wants("orrery") {
        systems.push(orrery::start(&providers).await?.0);
    }
    systems.extend(peers(options, &providers).await);
    let machine = Machine::this();
    let connections = options.connections.iter().copied().max().context("no connections are asked for")?;
    say(format!("{machine}; {connections} connections for {} s", options.soak_seconds));
    let (mut rows, mut soaked) = (Vec::new(), Vec::new());
    for target in systems.iter().flat_map(|system: &System| &system.targets) {
        let (it, own) = soak(target, connections, Duration::from_secs(options.soak_seconds)).await?;
        say(format!("  {}: {} requests, {:.0} a second", it.system, it.requests, it.requests_per_s));
        soaked.push(it);
        rows.extend(own);
    }
    let columns = ["soak", "process", "first MiB", "last MiB", "peak MiB", "slope MiB/min"];
    let line = |row: &Row| {
        let mib = [row.first_mib, row.last_mib, row.peak_mib].map(|it| format!("{it:.1}"));
        let names = [row.system.to_owned(), row.process.to_owned()];
        names.into_iter().chain(mib).chain([format!("{:+.3}", row.slope_mib_per_min)]).collect()
    };
    say(table(&columns, 2, rows.iter().map(line)));
    let (versions, seconds) = (versions(&systems), options.soak_seconds);
    write(&options.out, &Results { machine, versions, seconds, connections, rows, systems: soaked })?;
    say(format!("written to {}", options.out.display()));
    Ok(())
}

async fn soak(target: &Target, connections: usize, time: Duration) -> anyhow::Result<(Soaked, Vec<Row>)> {
    let progress = Arc::<Progress>::default();
    let requests = [false, true].map(|streamed| Request::new(target, PROMPT, streamed));
    let mut senders = senders(target, &requests, connections, &progress);
    let began = Instant::now();
    let watched = async {
        let mut looks = Vec::new();
        while began.elapsed() < time {
            tokio::time::sleep(LOOK.min(time)).await;
            let processes = target.processes.clone();
            let name = target.name;
            let held = tokio::task::spawn_blocking(move || Held::of(name, &processes)).await?;
            let look = Look { at_s: round(began.elapsed().as_secs_f64()), resident_mib: by_process(&held) };
            say(format!("  {} after {:.0} s: {:.1?}", target.name, look.at_s, look.resident_mib));
            looks.push(look);
        }
        anyhow::Ok(looks)
    };
    let looks = tokio::select! {
        looks = watched => looks?,
        Some(ended) = senders.join_next() => {
            ended??;
            bail!("a sender ended before its time")
        }
    };
    progress.stop.store(true, Ordering::Relaxed);
    let seconds = began.elapsed().as_secs_f64();
    let samples = senders.join_all().await.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let requests = samples.iter().map(Vec::len).sum();
    let rows = Held::of(target.name, &target.processes).iter().map(|held| row(held, &looks)).collect();
    let requests_per_s = round(requests as f64 / seconds);
    Ok((Soaked { system: target.name, requests, requests_per_s, looks }, rows))
}

fn by_process(held: &[Held]) -> BTreeMap<&'static str, f64> {
    held.iter().map(|it| (it.process, it.resident_mib)).collect()
}

fn row(held: &Held, looks: &[Look]) -> Row {
    let points: Vec<(f64, f64)> =
        looks.iter().filter_map(|look| Some((look.at_s, *look.resident_mib.get(held.process)?))).collect();
    let late = points.get(points.len() / 2..).unwrap_or_default();
    Row {
        system: held.system,
        process: held.process,
        first_mib: points.first().map_or(0.0, |it| it.1),
        last_mib: points.last().map_or(0.0, |it| it.1),
        peak_mib: held.peak_mib,
        slope_mib_per_min: round(slope(late) * 60.0),
    }
}

/// By least squares; 0 of fewer than two points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len().max(1) as f64;
    let mean = |take: fn(&(f64, f64)) -> f64| points.iter().map(take).sum::<f64>() / count;
    let (x, y) = (mean(|it| it.0), mean(|it| it.1));
    let (with, of) =
        points.iter().fold((0.0, 0.0), |(with, of), it| (with + (it.0 - x) * (it.1 - y), of + (it.0 - x).powi(2)));
    if of == 0.0 { 0.0 } else { with / of }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_of_the_second_half() {
        let look = |at_s: f64, mib: f64| Look { at_s, resident_mib: [("gateway", mib)].into() };
        let looks = [look(0.0, 0.0), look(10.0, 90.0), look(20.0, 100.0), look(30.0, 101.0), look(40.0, 102.0)];
        let held = Held { system: "orrery", process: "gateway", idle_mib: 0.0, resident_mib: 102.0, peak_mib: 110.0 };
        let row = row(&held, &looks);
        assert_eq!((row.first_mib, row.last_mib, row.peak_mib), (0.0, 102.0, 110.0));
        assert_eq!(row.slope_mib_per_min, 6.0);
        assert_eq!(slope(&[(1.0, 5.0)]), 0.0);
    }
}
