//! What retrieval knows without a database, a bus or a model: how documents fall into chunks, and how chunks are ranked.

pub mod chunk;
pub mod clause;
pub mod index;
pub mod lexical;
pub mod parse;
pub mod passage;
pub mod vector;
