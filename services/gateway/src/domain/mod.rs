//! Who may do what, decided on values alone: key texts, roles, and the snapshot of all keys that admission reads.

pub mod api_key;
pub mod directory;
pub mod role;
