//! `orrery workflow validate`: every fault of definitions, with its place and what to do about it.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::source;
use crate::FAILED;
use crate::error::Exit;
use crate::output::Output;

/// Options of `workflow validate`.
#[derive(Debug, Args)]
#[command(after_help = "Exit code 0: all are valid; 1: at least one is not.")]
pub struct ValidateArgs {
    /// Definitions, YAML or JSON; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks them.
pub fn run(args: &ValidateArgs, output: Output) -> Result<()> {
    let mut answers = Vec::new();
    let mut texts = Vec::new();
    for path in &args.files {
        let file = path.display().to_string();
        match source::read_definition(path) {
            Ok(definition) => {
                let document = &definition.document;
                let workflow = format!("{}/{}:{}", document.namespace, document.name, document.version);
                texts.push(format!("{file}: valid, {workflow}"));
                answers.push(json!({"file": file, "valid": true, "workflow": workflow, "hash": definition.hash}));
            }
            Err(invalid) => {
                texts.push(invalid.render());
                let problems: Vec<_> = invalid.file_problems().collect();
                answers.push(json!({"file": file, "valid": false, "problems": problems}));
            }
        }
    }
    let valid = answers.iter().all(|answer| answer["valid"] == true);
    output.show(&json!({ "valid": valid, "files": answers }), |_| texts.join("\n"));
    if valid { Ok(()) } else { Err(Exit(FAILED).into()) }
}
