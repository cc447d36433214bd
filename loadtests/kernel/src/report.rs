//! One line of the results, for the table that people read and the file that programs read.

use comfy_table::Table;
use orrery_loadtest_bench::median;
use orrery_loadtest_bench::report::{round, table};
use serde::Serialize;

use crate::drive::Figures;

/// One line of the results: medians over the repetitions.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub system: &'static str,
    pub store: &'static str,
    pub concurrency: usize,
    pub steps_per_s: f64,
    pub step_p50_ms: Option<f64>,
    pub step_p99_ms: Option<f64>,
    pub workflow_p50_ms: Option<f64>,
    pub workflow_p99_ms: Option<f64>,
    pub fsyncs_per_step: Option<f64>,
    pub cpu_ms_per_step: f64,
}

impl Row {
    /// The medians of what was measured.
    pub fn of((system, store): (&'static str, &'static str), concurrency: usize, measured: &[Figures]) -> Self {
        let known = |take: &dyn Fn(&Figures) -> Option<f64>| median(measured.iter().filter_map(take).collect());
        let milliseconds = |take: &dyn Fn(&Figures) -> Option<f64>| known(take).map(|seconds| round(seconds * 1_000.0));
        Self {
            system,
            store,
            concurrency,
            steps_per_s: round(known(&|it| Some(it.steps_per_s)).unwrap_or(0.0)),
            step_p50_ms: milliseconds(&|it| it.step_p50),
            step_p99_ms: milliseconds(&|it| it.step_p99),
            workflow_p50_ms: milliseconds(&|it| it.workflow_p50),
            workflow_p99_ms: milliseconds(&|it| it.workflow_p99),
            fsyncs_per_step: known(&|it| it.syncs_per_step).map(round),
            cpu_ms_per_step: milliseconds(&|it| Some(it.cpu_per_step)).unwrap_or(0.0),
        }
    }
}

/// The rows as a table.
pub fn rows(rows: &[Row]) -> Table {
    let columns = [
        "system",
        "store",
        "at once",
        "steps/s",
        "step p50 ms",
        "p99",
        "workflow p50 ms",
        "p99",
        "fsyncs/step",
        "CPU ms/step",
    ];
    let unknown = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
    let line = |row: &Row| {
        vec![
            row.system.to_owned(),
            row.store.to_owned(),
            row.concurrency.to_string(),
            format!("{:.0}", row.steps_per_s),
            unknown(row.step_p50_ms),
            unknown(row.step_p99_ms),
            unknown(row.workflow_p50_ms),
            unknown(row.workflow_p99_ms),
            unknown(row.fsyncs_per_step),
            format!("{:.3}", row.cpu_ms_per_step),
        ]
    };
    table(&columns, 2, rows.iter().map(line))
}
