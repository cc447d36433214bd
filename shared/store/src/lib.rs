//! Connections to SQLite (embedded default) and PostgreSQL behind one type, transactions off the actors' threads,
//! migrations, and the transactional outbox. Knows no table but the outbox.

mod connection;
mod error;
pub mod outbox;
mod store;

pub use connection::{AnyConnection, Dialect};
pub use error::StoreError;
pub use store::{Migrations, Store};
