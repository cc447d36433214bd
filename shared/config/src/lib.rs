//! Configuration: one optional TOML file, overlaid by the environment, checked once when a process starts.
//!
//! Every environment name of the project stands in [`env`]; no other crate reads the environment.

pub mod env;
mod paths;
mod service;

pub use paths::{Paths, program_on_path};
pub use service::{ConfigError, NatsConfig, Secret, ServiceConfig, TelemetryConfig};
