//! Cedar: the schema of what policies may speak of, bundles loaded from folders, and decisions that name the policies
//! which made them. Decides only; what follows from a decision is its caller's business. Reads files at load and
//! nothing after.

mod bundle;
mod decision;
mod error;
mod model_access;
mod schema;

pub use bundle::Bundle;
pub use decision::Verdict;
pub use error::{Fault, PolicyError};
pub use model_access::{ModelAccess, ModelFacts};
