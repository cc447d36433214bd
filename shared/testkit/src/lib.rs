//! For tests only: real NATS, Redis and PostgreSQL on free loopback ports in throw-away folders, networks, disks and clocks
//! that fail when the test wants it, and waiting for a condition with a deadline instead of sleeping.

mod lost;
mod nats;
mod postgres;
mod postgres_wire;
mod process;
mod proxy;
mod redis;
mod shim;
mod wait;

pub use lost::LostAnswers;
pub use nats::NatsServer;
pub use postgres::PostgresServer;
pub use process::{Process, free_port};
pub use proxy::{Link, Proxy};
pub use redis::RedisServer;
pub use shim::{Clock, Disk};
pub use wait::{eventually, eventually_within};

/// What keeps a test from having its servers.
#[derive(Debug, thiserror::Error)]
pub enum TestkitError {
    /// A server program is not on this machine.
    #[error("cannot start {program}: {source}; run `make setup`")]
    Missing {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A server did not become ready.
    #[error("{program} did not become ready: {log}")]
    NotReady {
        /// The program.
        program: String,
        /// The end of what it printed.
        log: String,
    },
    /// Files could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The bus refused.
    #[error(transparent)]
    Bus(#[from] orrery_errors::Error),
}
