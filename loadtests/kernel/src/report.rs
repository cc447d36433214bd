//! The table that people read and the file that programs read.

use std::path::Path;

use anyhow::Context as _;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, LineStyle, Table};
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

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(high), 0) => values.get(middle - 1).map(|low| f64::midpoint(*low, *high)),
        (value, _) => value.copied(),
    }
}

/// Three decimals say all that can be known.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// A table with numbers to the right of `names` columns of names.
pub fn table(columns: &[&str], names: usize, rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none()));
    table.set_header(columns.to_vec());
    for column in table.column_iter_mut().skip(names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in rows {
        table.add_row(row);
    }
    table
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

/// Writes the results.
pub fn write(path: &Path, results: &impl Serialize) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let text = serde_json::to_string_pretty(results)? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Prints for people.
#[allow(clippy::print_stdout)] // this program's output is its purpose
pub fn say(text: impl std::fmt::Display) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_numbers_of_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }
}
