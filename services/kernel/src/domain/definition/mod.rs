//! Workflow definitions: from text to a checked, compiled model with a canonical hash.
//!
//! K-8: a definition that is accepted runs. Unknown fields, targets, functions and variables, and parts of the DSL that
//! this kernel does not run, are refused with line and reason when it is deployed, not when it runs.

mod build;
pub mod duration;
mod evaluate;
mod extension;
mod flow;
mod function;
mod hash;
mod kinds;
mod listen;
mod model;
mod problem;
mod schedule;
mod schema;
mod source;

use std::sync::Arc;

pub use extension::{Extended, Extension};
pub use function::Function;
pub use hash::digest;
pub use listen::{Consumption, Correlation, Each, EventFilter, Listen, Matcher, Read, Strategy, Until};
pub use model::{
    Backoff, Branch, Call, Case, Catch, Definition, Directive, Document, ErrorFilter, ErrorTemplate, For, Intake, Kind,
    Outcome, RetryPolicy, SubWorkflow, Task, Transform,
};
pub use problem::{Problem, Problems};
pub use schedule::Schedule;
pub use schema::violations;
pub use source::{SOURCE_BYTES_MAX, Source};

/// Parses, validates and compiles a definition.
pub fn parse(text: &str) -> Result<Definition, Problems> {
    let source = source::parse(text)?;
    let mut problems = schema::check(&source);
    if problems.is_empty() {
        match build::build(&source) {
            Ok(definition) => return Ok(definition),
            Err(found) => problems = found,
        }
    }
    problems.sort();
    Err(Problems(problems))
}

/// Reads a value, YAML or JSON, as strictly as a definition, with the places of its parts.
pub fn read(text: &str) -> Result<Source, Problems> {
    source::parse(text)
}

/// A pointer into a definition, shared by everything that names the place.
pub type Pointer = Arc<str>;

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod tests;
