//! The calls of OpenAI's interface, such that its own packages work unchanged. What cannot be done is refused by name,
//! never ignored in silence; what changes nothing about an answer may be sent and is not used.

pub mod chat;
pub mod completions;
pub mod embeddings;
pub mod images;
pub mod models;
pub mod moderations;
mod parameters;
pub mod rerank;
pub mod responses;
mod subtitles;
mod tokens;
pub mod transcriptions;

use orrery_types::UnixMillis;

fn unix_seconds() -> u64 {
    UnixMillis::now().0 / 1000
}
