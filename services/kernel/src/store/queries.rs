//! Reading for callers, deploying definitions, and registrations.

use std::collections::BTreeMap;

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};
use serde::{Deserialize, Serialize};

use super::KernelStore;
use super::rows::{DefinitionRow, RunRow};
use super::schedules::{self, NewSchedule};
use super::schema::{definitions, inbox, registrations, run_attributes, runs};

/// What became of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deployed {
    /// It is new.
    Created(DefinitionRow),
    /// It was there already.
    Unchanged(DefinitionRow),
    /// The name and version are taken by another definition, with this hash.
    Conflicting(String),
}

/// Where a page begins and how long it is. Newest first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Id of the last row of the page before.
    pub before: Option<String>,
    /// Rows at most.
    pub limit: i64,
}

/// Which runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFilter {
    /// Any of these; empty: all.
    pub statuses: Vec<String>,
    /// Of this workflow; empty: all.
    pub workflow: String,
    /// Of this version; empty: all.
    pub version: String,
    /// Submitted by them; empty: anyone.
    pub submitted_by: String,
    /// Started then or later, in unix milliseconds.
    pub created_from: Option<i64>,
    /// Started before.
    pub created_before: Option<i64>,
    /// Over then or later.
    pub finished_from: Option<i64>,
    /// Over before.
    pub finished_before: Option<i64>,
    /// With all of these attributes.
    pub attributes: BTreeMap<String, String>,
}

type Backend = <AnyConnection as diesel::Connection>::Backend;

/// The runs of a tenant that a filter meets.
pub(super) fn met(tenant: &str, filter: RunFilter) -> runs::BoxedQuery<'static, Backend> {
    let mut rows = runs::table.filter(runs::tenant.eq(tenant.to_owned())).into_boxed();
    if !filter.statuses.is_empty() {
        rows = rows.filter(runs::status.eq_any(filter.statuses));
    }
    if !filter.workflow.is_empty() {
        rows = rows.filter(runs::workflow.eq(filter.workflow));
    }
    if !filter.version.is_empty() {
        rows = rows.filter(runs::version.eq(filter.version));
    }
    if !filter.submitted_by.is_empty() {
        rows = rows.filter(runs::submitted_by.eq(filter.submitted_by));
    }
    if let Some(from) = filter.created_from {
        rows = rows.filter(runs::created_ms.ge(from));
    }
    if let Some(before) = filter.created_before {
        rows = rows.filter(runs::created_ms.lt(before));
    }
    if let Some(from) = filter.finished_from {
        rows = rows.filter(runs::finished_ms.ge(from));
    }
    if let Some(before) = filter.finished_before {
        rows = rows.filter(runs::finished_ms.lt(before)).filter(runs::finished_ms.gt(0));
    }
    for (name, value) in filter.attributes {
        let with = run_attributes::table
            .filter(run_attributes::tenant.eq(tenant.to_owned()))
            .filter(run_attributes::name.eq(name))
            .filter(run_attributes::value.eq(value));
        rows = rows.filter(runs::id.eq_any(with.select(run_attributes::run_id)));
    }
    rows
}

impl KernelStore {
    /// Deploys a definition. K-2: a name and version never change their content. The newest decides about the schedule.
    pub async fn deploy(&self, row: DefinitionRow, schedule: Option<NewSchedule>) -> Result<Deployed, StoreError> {
        self.store
            .write(move |connection| {
                let key = (&row.tenant, &row.namespace, &row.name, &row.version);
                let found: Option<DefinitionRow> = definitions::table.find(key).first(connection).optional()?;
                match found {
                    Some(found) if found.hash == row.hash => Ok(Deployed::Unchanged(found)),
                    Some(found) => Ok(Deployed::Conflicting(found.hash)),
                    None => {
                        diesel::insert_into(definitions::table).values(&row).execute(connection)?;
                        let key = (row.tenant.as_str(), row.namespace.as_str(), row.name.as_str());
                        schedules::replace(connection, key, schedule.as_ref())?;
                        Ok(Deployed::Created(row))
                    }
                }
            })
            .await
    }

    /// All definitions of a tenant.
    pub async fn definitions(&self, tenant: String) -> Result<Vec<DefinitionRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = definitions::table.filter(definitions::tenant.eq(tenant));
                Ok(rows.order((definitions::name, definitions::deployed_ms)).load(connection)?)
            })
            .await
    }

    /// The definitions of a name, in the order of their deployment.
    pub async fn definitions_named(&self, tenant: String, name: String) -> Result<Vec<DefinitionRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = definitions::table.filter(definitions::tenant.eq(tenant)).filter(definitions::name.eq(name));
                Ok(rows.order((definitions::deployed_ms, definitions::version)).load(connection)?)
            })
            .await
    }

    /// The definition of a hash.
    pub async fn definition(&self, tenant: String, hash: String) -> Result<Option<DefinitionRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = definitions::table.filter(definitions::tenant.eq(tenant)).filter(definitions::hash.eq(hash));
                Ok(rows.first(connection).optional()?)
            })
            .await
    }

    /// A run of a tenant.
    pub async fn run(&self, tenant: String, id: String) -> Result<Option<RunRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                Ok(runs::table.find(id).filter(runs::tenant.eq(tenant)).first(connection).optional()?)
            })
            .await
    }

    /// The run that a key started, and the digest of the request.
    pub async fn started(&self, tenant: String, key: String) -> Result<Option<(String, String)>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = inbox::table.find((tenant, key)).select((inbox::run_id, inbox::request_digest));
                Ok(rows.first(connection).optional()?)
            })
            .await
    }

    /// A page of runs.
    pub async fn runs(&self, tenant: String, filter: RunFilter, page: Page) -> Result<Vec<RunRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let mut rows = met(&tenant, filter);
                if let Some(before) = page.before {
                    rows = rows.filter(runs::id.lt(before));
                }
                Ok(rows.order(runs::id.desc()).limit(page.limit).load(connection)?)
            })
            .await
    }

    /// Registers a value under a key for a run and gives the other runs that did so before. Doing it twice is the same.
    pub async fn register(
        &self,
        tenant: String,
        key: String,
        value_digest: String,
        run: String,
        now_ms: i64,
    ) -> Result<Vec<String>, StoreError> {
        self.store
            .write(move |connection| {
                let mine = registrations::table.find((&tenant, &key, &value_digest, &run));
                let registered: Option<i64> = mine.select(registrations::registered_ms).first(connection).optional()?;
                let at = registered.unwrap_or(now_ms);
                if registered.is_none() {
                    diesel::insert_into(registrations::table)
                        .values((
                            registrations::tenant.eq(&tenant),
                            registrations::key.eq(&key),
                            registrations::value_digest.eq(&value_digest),
                            registrations::run_id.eq(&run),
                            registrations::registered_ms.eq(at),
                        ))
                        .execute(connection)?;
                }
                let others = registrations::table
                    .filter(registrations::tenant.eq(&tenant))
                    .filter(registrations::key.eq(&key))
                    .filter(registrations::value_digest.eq(&value_digest))
                    .filter(registrations::run_id.ne(&run))
                    .filter(registrations::registered_ms.le(at));
                Ok(others
                    .order((registrations::registered_ms, registrations::run_id))
                    .select(registrations::run_id)
                    .load(connection)?)
            })
            .await
    }
}
