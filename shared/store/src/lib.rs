//! Connections to SQLite (embedded default) and PostgreSQL behind one type, transactions off the actors' threads,
//! migrations, rows by column, and the transactional outbox. Knows no table but the outbox.

mod checkpoint;
pub mod columns;
mod connection;
mod error;
mod lane;
pub mod outbox;
mod store;

pub use connection::{AnyConnection, Dialect};
pub use error::StoreError;
pub use store::{Migrations, Store};
