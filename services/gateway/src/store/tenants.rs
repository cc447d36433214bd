//! Tenants.

use diesel::prelude::*;
use orrery_errors::{Error, ErrorCode};
use orrery_store::{StoreError, outbox};
use orrery_types::{TenantId, UnixMillis};
use serde_json::json;

use super::keys::column;
use super::schema::tenants;
use super::{ControlError, ControlPlane, Fact, bump};

/// Tenants at most.
const TENANTS_MAX: i64 = 10_000;

/// A tenant as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = tenants)]
pub struct TenantRow {
    /// Its id.
    pub id: String,
    /// For people.
    pub title: String,
    /// Unix milliseconds.
    pub created_ms: i64,
}

impl ControlPlane {
    /// Makes a tenant.
    pub async fn create_tenant(
        &self,
        id: &TenantId,
        title: String,
        by: String,
        now: UnixMillis,
    ) -> Result<TenantRow, ControlError> {
        let row = TenantRow { id: id.to_string(), title, created_ms: column(now) };
        let row = self
            .store
            .write(move |connection| {
                bump(connection)?;
                let same: i64 = tenants::table.filter(tenants::id.eq(&row.id)).count().get_result(connection)?;
                if same > 0 {
                    let message = format!("there is a tenant {:?} already", row.id);
                    return Err(ControlError::Rule(Error::new(ErrorCode::AlreadyExists, message)));
                }
                let all: i64 = tenants::table.count().get_result(connection)?;
                if all >= TENANTS_MAX {
                    let message = format!("there are {all} tenants, the most there may be");
                    return Err(ControlError::Rule(Error::new(ErrorCode::FailedPrecondition, message)));
                }
                diesel::insert_into(tenants::table).values(&row).execute(connection)?;
                let facts = json!({"created_by": by});
                let fact = Fact { tenant: row.id.clone(), kind: "tenant.created", at: now, facts };
                outbox::insert(connection, &[fact.message()])?;
                Ok(row)
            })
            .await?;
        self.pump.wake();
        Ok(row)
    }

    /// All tenants by name.
    pub async fn tenants(&self) -> Result<Vec<TenantRow>, StoreError> {
        self.store.read(|connection| Ok(tenants::table.order(tenants::id).limit(TENANTS_MAX).load(connection)?)).await
    }
}
