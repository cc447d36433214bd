//! The shell around the rules: what runs beside the calls. An actor per model keeps its health; tasks carry audit records
//! to the bus and forget old replies.

mod board;
mod housekeeping;
mod model_health;

pub use board::{Board, Permit};
pub use housekeeping::{outbox, replies};
pub use model_health::{CallEnded, ModelHealth};
