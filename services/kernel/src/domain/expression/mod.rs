//! Runtime expressions: jq as the DSL uses it, evaluated by `jaq` inside hard bounds.
//!
//! K-7: evaluation is deterministic and bounded. It sees no clock, no environment and no files, takes at most
//! [`budget::STEPS_MAX`] steps, and no value in it weighs more than [`budget::WEIGHT_MAX`].

mod arithmetic;
mod budget;
mod calls;
mod natives;
mod program;
mod rewrite;
mod sealed;
mod template;
mod value;
mod written;

pub use budget::{Exhausted, STEPS_MAX, WEIGHT_MAX};
pub use program::{CompileError, EvaluationError, Program, Variables};
pub use sealed::{AUTHORIZATION, SECRETS, Sealed, SealedExpression, seal};
pub use template::Template;
pub use written::{Piece, pieces, quoted, strip, written};
