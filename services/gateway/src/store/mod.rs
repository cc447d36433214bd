//! The gateway's tables: tenants and API keys, files, batches of calls to models, and the outbox of audit records. The only
//! place with SQL.

mod audit;
mod files;
mod keys;
mod model_batches;
mod schema;
mod tenants;

pub use audit::Fact;
pub use files::{FileRow, Slice};
pub use keys::{KeyRow, NewKey};
pub use model_batches::{BatchRow, Ending};
pub use tenants::TenantRow;

use diesel::prelude::*;
use diesel_migrations::embed_migrations;
use orrery_errors::{Error, ErrorCode};
use orrery_store::outbox::Pump;
use orrery_store::{AnyConnection, Migrations, Store, StoreError};
use orrery_types::TenantId;

/// A number as its column holds it.
pub fn integer(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// The tenant that a row names.
pub fn tenant_of(stored: &str) -> Result<TenantId, Error> {
    TenantId::new(stored).map_err(|error| Error::new(ErrorCode::Internal, error.to_string()))
}

const MIGRATIONS: Migrations =
    Migrations { sqlite: embed_migrations!("migrations/sqlite"), postgres: embed_migrations!("migrations/postgres") };

/// A rule of the control plane that was broken, or the database's own fault.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the caller is told.
    #[error(transparent)]
    Rule(#[from] Error),
}

impl From<diesel::result::Error> for ControlError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<ControlError> for Error {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Store(error) => error.into(),
            ControlError::Rule(error) => error,
        }
    }
}

/// The database and what publishes from it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    store: Store,
    pump: Pump,
}

impl ControlPlane {
    /// Opens the database and brings its schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let store = Store::open(url, "gateway", MIGRATIONS).await?;
        Ok(Self { pump: Pump::new(store.clone()), store })
    }

    /// What carries audit records to the bus.
    pub fn pump(&self) -> &Pump {
        &self.pump
    }

    /// The number of changes so far.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        self.store.read(|connection| Ok(revision(connection)?)).await
    }
}

fn revision(connection: &mut AnyConnection) -> QueryResult<i64> {
    use schema::control_revision::dsl;
    dsl::control_revision.find(1).select(dsl::revision).first(connection)
}

/// Marks a change. Comes first in a transaction, because the lock on the row makes changes wait for each other.
fn bump(connection: &mut AnyConnection) -> QueryResult<()> {
    use schema::control_revision::dsl;
    let next = dsl::revision.eq(dsl::revision + 1_i64);
    diesel::update(dsl::control_revision.find(1)).set(next).execute(connection).map(drop)
}
