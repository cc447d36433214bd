//! Where wire messages end: calls in, and conversion between them and the router's own terms.

pub mod convert;
mod inbound;

pub use inbound::server;
