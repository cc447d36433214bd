//! What every service does around its own actor tree: read the configuration, start telemetry, connect to the bus,
//! start the tree, report its health over HTTP and on the bus, drain on a signal, and exit with an error when the tree
//! has failed, so that whoever supervises the process starts it again.

mod endpoint;
mod error;
mod health;
mod process;

pub use endpoint::bus_endpoint;
pub use error::ServiceError;
pub use process::{ServiceContext, main};
