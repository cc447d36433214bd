//! The shell around the rules: what runs beside the calls. An actor per model keeps its health; a task forgets old
//! replies.

mod board;
mod housekeeping;
mod model_health;

pub use board::{Board, Permit};
pub use housekeeping::replies;
pub use model_health::{CallEnded, ModelHealth};
