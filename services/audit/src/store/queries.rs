//! Reading the log. Every question about records names the tenant; nothing here can answer across tenants.

use diesel::prelude::*;
use orrery_proof::outcome::LoggedRecord;
use orrery_proof::{Hash, Record};
use orrery_store::AnyConnection;

use super::schema::{leaves, tree};
use super::{LogStore, from_sql, to_sql};
use crate::error::AuditError;

/// Most records of one task that an explanation or a proof covers.
pub const TASK_RECORDS_MAX: usize = 10_000;

/// The newest signed tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Leaves.
    pub size: u64,
    /// The signed note.
    pub checkpoint: String,
}

/// A record as it is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Index of the leaf.
    pub index: u64,
    /// The record.
    pub record: Record,
    /// Its leaf hash, computed from the record just now.
    pub leaf: Hash,
}

impl LogStore {
    /// The newest checkpoint.
    pub async fn head(&self) -> Result<Head, AuditError> {
        self.store.read(head).await
    }

    /// All records of a task of a tenant, in the order of the log.
    pub async fn task_records(&self, tenant: String, task_id: String) -> Result<Vec<LoggedRecord>, AuditError> {
        self.store.read(move |connection| task_records(connection, &tenant, &task_id)).await
    }

    /// Up to `limit` records of a tenant after the leaf `after`, and the size of the tree. Leaf 0 is the log's own, so
    /// that `after` 0 means from the start.
    pub async fn export(&self, tenant: String, after: u64, limit: i64) -> Result<(Vec<Exported>, u64), AuditError> {
        let load = move |connection: &mut AnyConnection| {
            let rows = leaves::table
                .filter(leaves::tenant.eq(&tenant).and(leaves::idx.gt(to_sql(after))))
                .order(leaves::idx)
                .limit(limit)
                .select((leaves::idx, leaves::record))
                .load::<(i64, String)>(connection)?;
            let exported = rows.into_iter().map(|(index, text)| {
                let leaf = Record::leaf_hash(&text);
                Ok(Exported { index: from_sql(index), record: Record::from_canonical(&text)?, leaf })
            });
            let exported = exported.collect::<Result<_, AuditError>>()?;
            Ok((exported, head(connection)?.size))
        };
        self.store.read(load).await
    }
}

pub(super) fn head(connection: &mut AnyConnection) -> Result<Head, AuditError> {
    let row = tree::table.select((tree::size, tree::checkpoint)).first::<(i64, String)>(connection).optional()?;
    let (size, checkpoint) = row.ok_or(AuditError::Starting)?;
    Ok(Head { size: from_sql(size), checkpoint })
}

fn task_records(connection: &mut AnyConnection, tenant: &str, task_id: &str) -> Result<Vec<LoggedRecord>, AuditError> {
    let rows = leaves::table
        .filter(leaves::tenant.eq(tenant).and(leaves::task_id.eq(task_id)))
        .order(leaves::idx)
        .limit(to_sql(TASK_RECORDS_MAX as u64 + 1))
        .select((leaves::idx, leaves::record))
        .load::<(i64, String)>(connection)?;
    if rows.len() > TASK_RECORDS_MAX {
        return Err(AuditError::TooManyRecords { task: task_id.to_owned(), limit: TASK_RECORDS_MAX });
    }
    let read = |(index, text): (i64, String)| {
        Ok(LoggedRecord { index: from_sql(index), record: Record::from_canonical(&text)? })
    };
    rows.into_iter().map(read).collect()
}
