//! Workflow definitions: from text to a checked, compiled model with a canonical hash.
//!
//! K-8: a definition that is accepted runs. Unknown fields, targets, functions and variables, and parts of the DSL that
//! this kernel does not run, are refused with line and reason when it is deployed, not when it runs.

mod agents;
mod authentication;
mod build;
mod calls;
pub mod duration;
mod evaluate;
mod extension;
mod external;
mod flow;
mod function;
mod hash;
mod kinds;
mod listen;
mod metadata;
mod model;
mod number;
mod problem;
mod schedule;
mod schema;
mod source;
mod target;
mod uri;

use std::sync::Arc;

pub use extension::{Extended, Extension};
pub use external::{External, put, wanted};
pub use function::Function;
pub use hash::digest;
pub use listen::{Consumption, Correlation, Each, EventFilter, Listen, Matcher, Read, Strategy, Until};
pub use metadata::STEP;
pub use model::{
    Backoff, Branch, Call, Case, Catch, Compensation, Definition, Directive, Document, ErrorFilter, ErrorTemplate, For,
    FunctionCall, Intake, Kind, Outcome, ParentClose, RetryPolicy, SubWorkflow, Task, Transform, Update,
};
pub use number::first_inexact;
pub use problem::{Problem, Problems};
pub use schedule::Schedule;
pub use schema::violations;
pub use source::{SOURCE_BYTES_MAX, Source, escape};
pub use target::{Outward, POLICIES, Target};

/// Parses, validates and compiles a definition.
pub fn parse(text: &str) -> Result<Definition, Problems> {
    compile(&source::parse(text)?)
}

/// Validates and compiles a definition that has been read.
pub fn compile(source: &Source) -> Result<Definition, Problems> {
    let mut problems = schema::check(source);
    if problems.is_empty() {
        match build::build(source) {
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

/// A problem at a pointer of a text, with its line and column.
pub fn problem_at(text: &str, pointer: &str, reason: &str) -> Result<Problem, Problems> {
    source::parse(text).map(|source| source.problem(pointer, reason))
}

/// A pointer into a definition, shared by everything that names the place.
pub type Pointer = Arc<str>;

#[cfg(test)]
mod bounds_tests;
#[cfg(test)]
mod tests;
