//! Why a bundle did not load or a question could not be asked. Faults carry file, line, column and reason.

use std::fmt;
use std::path::PathBuf;

/// One fault in a policy file. Lines and columns count from 1; 0 when the fault concerns the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File name within the bundle.
    pub file: String,
    /// Line of the fault.
    pub line: usize,
    /// Column of the fault, in characters.
    pub column: usize,
    /// What is wrong and, where known, what to do.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, reason } = self;
        write!(f, "{file}:{line}:{column}: {reason}")
    }
}

/// What can go wrong with policies.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read policies at {}: {source}", path.display())]
    Unreadable {
        /// Folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder holds no policy. An empty set would deny everything, which is never what a folder is for.
    #[error("no policies at {}: put at least one *.cedar file there", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// Policies that do not parse or do not fit the schema.
    #[error("{} fault(s) in policies: {}", .0.len(), joined(.0))]
    Invalid(Vec<Fault>),
    /// The built-in schema does not parse: a bug.
    #[error("policy schema does not parse: {0}")]
    Schema(String),
    /// A question that does not fit the schema: a bug in its caller.
    #[error("policy question does not fit the schema: {0}")]
    Question(String),
}

fn joined(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")
}
