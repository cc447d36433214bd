//! Where wire messages end: calls in, and conversion between them and the router's own terms.

mod budgets;
mod catalogue;
mod convert;
mod decisions;
mod holders;
mod inbound;
mod secrets;

pub use inbound::server;
