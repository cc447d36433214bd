//! The router's database: the ledger, limits and what was used of them, the replies of keyed calls, what decisions are made
//! again from, and sealed secrets. The only place with SQL.

mod accounts;
mod alerts;
mod decisions;
mod ledger;
mod limits;
mod replies;
mod schema;
mod secrets;
mod spend;

pub use secrets::{ChangeError, SecretChange, StoredSecret};
pub use spend::SpendLine;

use diesel_migrations::embed_migrations;
use orrery_store::outbox::Pump;
use orrery_store::{Migrations, Store, StoreError};

const MIGRATIONS: Migrations =
    Migrations { sqlite: embed_migrations!("migrations/sqlite"), postgres: embed_migrations!("migrations/postgres") };

/// The database and what publishes from it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ledger {
    store: Store,
    pump: Pump,
}

impl Ledger {
    /// Opens the database and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Store::open(url, "router", MIGRATIONS).await?;
        Ok(Self { pump: Pump::new(store.clone()), store })
    }

    /// What carries audit records and events to the bus.
    pub fn pump(&self) -> &Pump {
        &self.pump
    }
}

/// Unsigned amounts and counts as the signed columns hold them.
fn column(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// And back; nothing here is negative.
fn count(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
