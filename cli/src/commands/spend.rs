//! `orrery spend`: what model calls have cost.

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use crate::cli::Globals;
use crate::client;
use crate::output::{Output, Table, text};

/// Options of `spend`.
#[derive(Debug, Args)]
pub struct SpendArgs {
    /// Of one task only.
    #[arg(long)]
    task: Option<String>,
}

/// Runs it.
pub async fn run(globals: &Globals, args: &SpendArgs, output: Output) -> Result<()> {
    let query: Vec<(&str, &str)> = args.task.as_deref().map(|task| ("task", task)).into_iter().collect();
    let spend = client::connect(globals)?.get(&["spend"], &query).await?;
    output.show(&spend, human);
    Ok(())
}

fn human(spend: &Value) -> String {
    let currency = text::field(spend, "currency");
    let mut table = Table::new(&["model", "provider", "calls", "tokens in", "tokens out", "cost", "p50 ms"]);
    table = table.right(&[2, 3, 4, 5, 6]);
    for row in spend.get("rows").and_then(Value::as_array).into_iter().flatten() {
        table.row([
            text::field(row, "model"),
            text::field(row, "provider"),
            text::field(row, "calls"),
            text::field(row, "input_tokens"),
            text::field(row, "output_tokens"),
            format!("{} {currency}", text::money(text::number(row, "cost_nanos"))),
            text::field(row, "latency_ms_p50"),
        ]);
    }
    let limit = match text::number(spend, "limit_nanos") {
        0 => "no limit".to_owned(),
        nanos => format!("limit {} {currency}", text::money(nanos)),
    };
    let (spent, held) = (text::number(spend, "spent_nanos"), text::number(spend, "reserved_nanos"));
    let month = text::field(spend, "window");
    let sums = format!("{month}: spent {} {currency}, reserved {}, {limit}", text::money(spent), text::money(held));
    format!("{}\n\n{sums}", table.or("no model was called"))
}
