//! The rows of the results, for the tables that people read and the file that programs read.

use std::collections::BTreeMap;
use std::fmt;

use orrery_loadtest_bench::report::{round, table};
use orrery_loadtest_bench::{median, processes};
use serde::Serialize;

use crate::load::{Figures, Load, Quantiles};
use crate::systems::provider;

const MIB: f64 = 1_048_576.0;

/// What is measured again and again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    pub system: &'static str,
    pub streamed: bool,
    pub load: Load,
}

/// One line of the results: medians over the repetitions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub system: &'static str,
    pub streamed: bool,
    /// `closed` or `open`.
    pub load: String,
    /// Of a closed loop: connections. Of an open one: requests a second.
    pub size: u64,
    /// Answered in all windows.
    pub requests: usize,
    pub requests_per_s: f64,
    pub first_byte_ms: Quantiles,
    pub total_ms: Quantiles,
    /// Over the provider asked directly under the same load: the difference of the quantiles.
    pub added_first_byte_ms: Option<Quantiles>,
    pub added_total_ms: Option<Quantiles>,
    /// Processor time of each process, and of all but the provider.
    pub cpu_us_per_request: BTreeMap<&'static str, f64>,
    pub cpu_us_per_request_own: f64,
}

/// What a process holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Held {
    pub system: &'static str,
    pub process: &'static str,
    pub idle_mib: f64,
    pub resident_mib: f64,
    pub peak_mib: f64,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(connections) => write!(f, "{connections} connections"),
            Self::Open(rate) => write!(f, "{rate}/s due"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.streamed { "streamed" } else { "plain" };
        write!(f, "{}, {kind}, {}", self.system, self.load)
    }
}

impl Held {
    /// Of each process of a system.
    pub fn of(system: &'static str, processes: &[(&'static str, u32)]) -> Vec<Self> {
        let held = |(process, pid): &(&'static str, u32)| {
            let usage = processes::usage(*pid);
            let mib = |bytes: u64| round(bytes as f64 / MIB);
            let resident_mib = mib(usage.resident_bytes);
            Self { system, process, idle_mib: resident_mib, resident_mib, peak_mib: mib(usage.peak_bytes) }
        };
        processes.iter().map(held).collect()
    }
}

/// What is held after the load, with what was held before it; and the sums of systems of several processes.
pub fn after(idle: Vec<Held>, now: impl Iterator<Item = Held>) -> Vec<Held> {
    let mut held: Vec<Held> = Vec::new();
    for (before, now) in idle.into_iter().zip(now) {
        held.push(Held { idle_mib: before.idle_mib, ..now });
    }
    let mut systems: Vec<&'static str> = held.iter().map(|it| it.system).collect();
    systems.dedup();
    for system in systems {
        let own: Vec<&Held> = held.iter().filter(|it| it.system == system).collect();
        if own.len() > 1 {
            let sum = |take: fn(&Held) -> f64| round(own.iter().map(|it| take(it)).sum());
            let (idle_mib, resident_mib, peak_mib) =
                (sum(|it| it.idle_mib), sum(|it| it.resident_mib), sum(|it| it.peak_mib));
            held.push(Held { system, process: "all", idle_mib, resident_mib, peak_mib });
        }
    }
    held
}

/// The medians of what was measured; a cell that was not measured has no row.
pub fn rows(measured: &[(Cell, Vec<Figures>)]) -> Vec<Row> {
    let rows: Vec<(Cell, Row)> =
        measured.iter().filter(|(_, it)| !it.is_empty()).map(|(cell, it)| (*cell, row(*cell, it))).collect();
    let direct = |cell: &Cell| {
        let same = |it: &&(Cell, Row)| it.0 == Cell { system: "direct", ..*cell };
        rows.iter().find(same).map(|(_, row)| row).filter(|_| cell.system != "direct")
    };
    let added = |(cell, row): &(Cell, Row)| {
        let minus = |mine: Quantiles, theirs: Quantiles| mine.zip(theirs, |mine, theirs| round(mine - theirs));
        Row {
            added_first_byte_ms: direct(cell).map(|it| minus(row.first_byte_ms, it.first_byte_ms)),
            added_total_ms: direct(cell).map(|it| minus(row.total_ms, it.total_ms)),
            ..row.clone()
        }
    };
    rows.iter().map(added).collect()
}

fn row(cell: Cell, measured: &[Figures]) -> Row {
    let mid = |take: &dyn Fn(&Figures) -> f64| median(measured.iter().map(take).collect()).unwrap_or(0.0);
    let quantiles = |take: &dyn Fn(&Figures) -> Quantiles| {
        let medians =
            Quantiles { p50: mid(&|it| take(it).p50), p99: mid(&|it| take(it).p99), p99_9: mid(&|it| take(it).p99_9) };
        medians.map(|seconds| round(seconds * 1_000.0))
    };
    let names: Vec<&'static str> =
        measured.first().map(|it| it.cpu.iter().map(|(name, _)| *name).collect()).unwrap_or_default();
    let used = |name: &str, it: &Figures| it.cpu.iter().filter(|(of, _)| *of == name).map(|(_, used)| *used).sum();
    let micros = |name: &str| round(mid(&|it| used(name, it)) * 1_000_000.0);
    let cpu_us_per_request: BTreeMap<_, _> = names.iter().map(|name| (*name, micros(name))).collect();
    // The sum of nothing would be a negative zero.
    let own = cpu_us_per_request.iter().filter(|(name, _)| **name != provider::NAME).fold(0.0, |sum, it| sum + it.1);
    let (load, size) = match cell.load {
        Load::Closed(connections) => ("closed", connections as u64),
        Load::Open(rate) => ("open", u64::from(rate)),
    };
    Row {
        system: cell.system,
        streamed: cell.streamed,
        load: load.to_owned(),
        size,
        requests: measured.iter().map(|it| it.requests).sum(),
        requests_per_s: round(mid(&|it| it.requests_per_s)),
        first_byte_ms: quantiles(&|it| it.first_byte),
        total_ms: quantiles(&|it| it.total),
        added_first_byte_ms: None,
        added_total_ms: None,
        cpu_us_per_request,
        cpu_us_per_request_own: round(own),
    }
}

/// All tables.
pub fn tables(rows: &[Row], memory: &[Held]) -> String {
    let titles = [(false, false, "plain calls, ms"), (true, false, "streamed calls, ms to the last byte")];
    let latency = titles.into_iter().chain([(true, true, "streamed calls, ms to the first byte")]);
    let mut text = String::new();
    for (streamed, first, title) in latency {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.streamed == streamed).collect();
        text += &format!("\n{}\n", latencies(&rows, title, first));
    }
    text + &format!("\n{}\n\n{}", cpu(rows), held(memory))
}

fn latencies(rows: &[&Row], title: &str, first: bool) -> comfy_table::Table {
    let columns = [title, "load", "requests/s", "p50", "p99", "p99.9", "added p50", "p99", "p99.9"];
    let line = |row: &&Row| {
        let (own, added) =
            if first { (row.first_byte_ms, row.added_first_byte_ms) } else { (row.total_ms, row.added_total_ms) };
        let own = [own.p50, own.p99, own.p99_9].map(|it| format!("{it:.2}"));
        let added = added
            .map_or_else(|| ["–"; 3].map(str::to_owned), |it| [it.p50, it.p99, it.p99_9].map(|it| format!("{it:+.2}")));
        let names = [row.system.to_owned(), loaded(row), format!("{:.0}", row.requests_per_s)];
        names.into_iter().chain(own).chain(added).collect()
    };
    table(&columns, 2, rows.iter().map(line))
}

fn loaded(row: &Row) -> String {
    if row.load == "open" { format!("{}/s due", row.size) } else { format!("{} at once", row.size) }
}

fn cpu(rows: &[Row]) -> comfy_table::Table {
    let columns = ["processor time", "call", "load", "µs a request", "of each process"];
    let line = |row: &Row| {
        let each = row.cpu_us_per_request.iter().map(|(name, used)| format!("{name} {used:.0}"));
        let kind = if row.streamed { "streamed" } else { "plain" };
        let own = format!("{:.0}", row.cpu_us_per_request_own);
        vec![row.system.to_owned(), kind.to_owned(), loaded(row), own, each.collect::<Vec<_>>().join(", ")]
    };
    table(&columns, 3, rows.iter().map(line))
}

fn held(memory: &[Held]) -> comfy_table::Table {
    let columns = ["memory", "process", "idle MiB", "after MiB", "peak MiB"];
    let line = |held: &Held| {
        let mib = [held.idle_mib, held.resident_mib, held.peak_mib].map(|it| format!("{it:.1}"));
        [held.system.to_owned(), held.process.to_owned()].into_iter().chain(mib).collect()
    };
    table(&columns, 2, memory.iter().map(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(seconds: f64) -> Figures {
        let quantiles = Quantiles { p50: seconds, p99: 2.0 * seconds, p99_9: 3.0 * seconds };
        Figures {
            requests: 10,
            requests_per_s: 1.0 / seconds,
            first_byte: quantiles,
            total: quantiles.map(|it| it * 2.0),
            cpu: vec![("gateway", seconds / 10.0), ("nats", seconds / 10.0), ("provider", seconds)],
        }
    }

    fn cell(system: &'static str, load: Load) -> Cell {
        Cell { system, streamed: true, load }
    }

    #[test]
    fn added_latency_is_over_the_provider_under_the_same_load() {
        let measured = [
            (cell("direct", Load::Closed(1)), vec![figures(0.001)]),
            (cell("direct", Load::Closed(2)), vec![figures(0.002)]),
            (cell("orrery", Load::Closed(2)), [0.009, 0.004, 0.005].map(figures).to_vec()),
            (cell("peer", Load::Closed(2)), Vec::new()),
        ];
        let rows = rows(&measured);
        assert_eq!(rows.len(), 3, "a cell without figures has no row");
        assert_eq!(rows[0].added_total_ms, None);
        let row = &rows[2];
        assert_eq!((row.requests, row.requests_per_s, row.total_ms.p50), (30, 200.0, 10.0));
        assert_eq!(row.added_first_byte_ms, Some(Quantiles { p50: 3.0, p99: 6.0, p99_9: 9.0 }));
        assert_eq!(row.added_total_ms.map(|it| it.p50), Some(6.0));
        assert_eq!(row.cpu_us_per_request_own, 1_000.0, "the provider's is not its own");
        let text = tables(&rows, &[]);
        assert!(text.contains("+6.00") && text.contains("2 at once"), "{text}");
    }

    #[test]
    fn memory_is_summed_over_the_processes_of_a_system() {
        let held =
            |system, process, mib| Held { system, process, idle_mib: mib, resident_mib: mib, peak_mib: 2.0 * mib };
        let idle = vec![held("orrery", "gateway", 1.0), held("orrery", "nats", 2.0), held("smg", "smg", 3.0)];
        let now = vec![held("orrery", "gateway", 5.0), held("orrery", "nats", 6.0), held("smg", "smg", 7.0)];
        let memory = after(idle, now.into_iter());
        assert_eq!(memory.len(), 4);
        assert_eq!(memory[0], Held { idle_mib: 1.0, ..held("orrery", "gateway", 5.0) });
        assert_eq!(memory[3], Held { idle_mib: 3.0, ..held("orrery", "all", 11.0) });
    }
}
