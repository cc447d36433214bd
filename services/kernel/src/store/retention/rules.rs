//! The rules as rows, and what is published when one changes.

use diesel::prelude::*;
use orrery_store::outbox::{self, Message};
use orrery_store::{AnyConnection, StoreError};

use super::super::KernelStore;
use super::super::schema::retention;

/// How long runs that are over are kept; no workflow: all of the tenant that have no rule of their own.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable, Selectable)]
#[diesel(table_name = retention)]
#[allow(missing_docs)]
pub struct RetentionRow {
    pub tenant: String,
    pub workflow: String,
    pub keep_ms: i64,
    pub archive: bool,
}

/// Rules of one tenant.
pub const RULES_MAX: i64 = 1_000;

impl KernelStore {
    /// All rules.
    pub async fn retention(&self) -> Result<Vec<RetentionRow>, StoreError> {
        self.store
            .read(|connection: &mut AnyConnection| {
                Ok(retention::table.order((retention::tenant, retention::workflow)).load(connection)?)
            })
            .await
    }

    /// Sets a rule, new or in place of the one that was there. False: the tenant has as many as it may.
    pub async fn set_retention(&self, row: RetentionRow, messages: Vec<Message>) -> Result<bool, StoreError> {
        self.store
            .write(move |connection| {
                let key = retention::table.find((&row.tenant, &row.workflow));
                let set = (retention::keep_ms.eq(row.keep_ms), retention::archive.eq(row.archive));
                if diesel::update(key).set(set).execute(connection)? == 0 {
                    let rules = retention::table.filter(retention::tenant.eq(&row.tenant)).count();
                    if rules.get_result::<i64>(connection)? >= RULES_MAX {
                        return Ok::<_, StoreError>(false);
                    }
                    diesel::insert_into(retention::table).values(&row).execute(connection)?;
                }
                outbox::insert(connection, &messages)?;
                Ok(true)
            })
            .await
    }

    /// Takes a rule away; false: there was none.
    pub async fn remove_retention(
        &self,
        tenant: String,
        workflow: String,
        messages: Vec<Message>,
    ) -> Result<bool, StoreError> {
        self.store
            .write(move |connection| {
                let removed = diesel::delete(retention::table.find((&tenant, &workflow))).execute(connection)? > 0;
                if removed {
                    outbox::insert(connection, &messages)?;
                }
                Ok::<_, StoreError>(removed)
            })
            .await
    }
}
