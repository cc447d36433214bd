//! `orrery workflow graph`: a definition as a Mermaid flowchart.
//!
//! Drawn from the definition's own text, task by task: names of nodes are numbers, so that no name of a task can break the
//! syntax, and every label is quoted and escaped.

mod chart;
mod label;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::source;
use crate::output::Output;

/// Options of `workflow graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// The definition, YAML or JSON; `-` reads standard input.
    file: PathBuf,
}

/// Draws it.
pub fn run(args: &GraphArgs, output: Output) -> Result<()> {
    let definition = match source::read_definition(&args.file) {
        Ok(definition) => definition,
        Err(invalid) => return Err(invalid.report(output)),
    };
    let graph = chart::draw(&definition.source);
    output.show(&json!({ "format": "mermaid", "graph": graph }), |_| graph.clone());
    Ok(())
}
