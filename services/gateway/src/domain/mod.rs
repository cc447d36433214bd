//! What is decided on values alone: who may do what (key texts, roles, the snapshot of all keys that admission reads), and
//! what batches of calls to models are made of.

pub mod api_key;
pub mod batch;
pub mod directory;
pub mod role;
