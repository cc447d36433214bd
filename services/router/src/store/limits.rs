//! The limits that administrators set.

use diesel::prelude::*;
use orrery_proto::v1::Limit;
use orrery_store::{AnyConnection, StoreError};

use super::schema::limits;
use super::{Ledger, column, count};

#[derive(Debug, Queryable, Insertable, AsChangeset)]
#[diesel(table_name = limits)]
struct Row {
    tenant: String,
    id: String,
    scope: String,
    subject: String,
    model: String,
    metric: String,
    period: String,
    amount: i64,
    soft: bool,
    alert_percents: String,
    when_unavailable: String,
}

impl Row {
    fn new(tenant: &str, limit: Limit) -> Self {
        let percents: Vec<String> = limit.alert_percents.iter().map(u32::to_string).collect();
        Self {
            tenant: tenant.to_owned(),
            id: limit.id,
            scope: limit.scope,
            subject: limit.subject,
            model: limit.model,
            metric: limit.metric,
            period: limit.window,
            amount: column(limit.amount),
            soft: limit.soft,
            alert_percents: format!("[{}]", percents.join(",")),
            when_unavailable: limit.when_unavailable,
        }
    }
}

impl From<Row> for Limit {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            scope: row.scope,
            subject: row.subject,
            model: row.model,
            metric: row.metric,
            window: row.period,
            amount: count(row.amount),
            soft: row.soft,
            alert_percents: serde_json::from_str(&row.alert_percents).unwrap_or_default(),
            when_unavailable: row.when_unavailable,
        }
    }
}

/// The limits of a tenant, by id.
pub(super) fn of_tenant(connection: &mut AnyConnection, tenant: &str) -> QueryResult<Vec<Limit>> {
    let rows: Vec<Row> = limits::table.filter(limits::tenant.eq(tenant)).order(limits::id).load(connection)?;
    Ok(rows.into_iter().map(Limit::from).collect())
}

/// One limit.
pub(super) fn find(connection: &mut AnyConnection, tenant: &str, id: &str) -> QueryResult<Option<Limit>> {
    let row: Option<Row> = limits::table.find((tenant, id)).first(connection).optional()?;
    Ok(row.map(Limit::from))
}

impl Ledger {
    /// The limits of a tenant.
    pub async fn limits(&self, tenant: &str) -> Result<Vec<Limit>, StoreError> {
        let tenant = tenant.to_owned();
        self.store.read(move |connection| of_tenant(connection, &tenant).map_err(StoreError::from)).await
    }

    /// Sets a limit, or changes it. Fails with `Conflict` in the inner result when the tenant has `limits_max` others.
    pub async fn set_limit(&self, tenant: &str, limit: Limit, limits_max: i64) -> Result<bool, StoreError> {
        let row = Row::new(tenant, limit);
        let set = move |connection: &mut AnyConnection| {
            let others = limits::table.filter(limits::tenant.eq(&row.tenant).and(limits::id.ne(&row.id)));
            if others.count().get_result::<i64>(connection)? >= limits_max {
                return Ok(false);
            }
            let changed = diesel::update(limits::table.find((&row.tenant, &row.id))).set(&row).execute(connection)?;
            if changed == 0 {
                diesel::insert_into(limits::table).values(&row).execute(connection)?;
            }
            Ok::<_, StoreError>(true)
        };
        self.store.write(set).await
    }

    /// Lifts a limit. Says whether there was one.
    pub async fn remove_limit(&self, tenant: &str, id: &str) -> Result<bool, StoreError> {
        let key = (tenant.to_owned(), id.to_owned());
        let remove = move |connection: &mut AnyConnection| {
            let removed = diesel::delete(limits::table.find(key)).execute(connection)?;
            Ok::<_, StoreError>(removed > 0)
        };
        self.store.write(remove).await
    }
}
