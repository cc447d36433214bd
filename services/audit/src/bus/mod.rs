//! Where wire messages end: calls in, and conversion between them and the log's own types.

pub mod convert;
pub mod inbound;
