//! The rows that show the runs. Derived from the journal, and written with it.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::upsert::excluded;
use orrery_store::{AnyConnection, StoreError};

use super::SNAPSHOT_EVENTS;
use super::rows::{RunRow, signed};
use super::schema::{runs, snapshots};

/// Writes rows, new or changed, inside the caller's transaction. An older one never replaces a newer one.
pub fn write(connection: &mut AnyConnection, rows: Vec<&RunRow>) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    // One run may stand in a batch twice; PostgreSQL takes it once.
    let mut newest: BTreeMap<&str, &RunRow> = BTreeMap::new();
    for row in rows {
        let known = newest.entry(row.id.as_str()).or_insert(row);
        if known.seq < row.seq {
            *known = row;
        }
    }
    let rows: Vec<&RunRow> = newest.into_values().collect();
    match connection {
        AnyConnection::Postgres(postgres) => {
            // All in one round trip. What never changes is not written again.
            let upsert = diesel::insert_into(runs::table).values(rows.clone()).on_conflict(runs::id).do_update().set((
                runs::status.eq(excluded(runs::status)),
                runs::updated_ms.eq(excluded(runs::updated_ms)),
                runs::finished_ms.eq(excluded(runs::finished_ms)),
                runs::seq.eq(excluded(runs::seq)),
                runs::wake_ms.eq(excluded(runs::wake_ms)),
                runs::active.eq(excluded(runs::active)),
                runs::output.eq(excluded(runs::output)),
                runs::error.eq(excluded(runs::error)),
            ));
            diesel::query_dsl::methods::FilterDsl::filter(upsert, runs::seq.lt(excluded(runs::seq)))
                .execute(postgres)?;
        }
        AnyConnection::Sqlite(sqlite) => {
            for row in &rows {
                if update(sqlite, row)? == 0 {
                    diesel::insert_into(runs::table).values(*row).on_conflict_do_nothing().execute(sqlite)?;
                }
            }
        }
    }
    let over: Vec<&str> = rows
        .iter()
        .filter(|row| row.finished_ms > 0 && row.seq >= signed(SNAPSHOT_EVENTS))
        .map(|row| row.id.as_str())
        .collect();
    if !over.is_empty() {
        diesel::delete(snapshots::table.filter(snapshots::run_id.eq_any(over))).execute(connection)?;
    }
    Ok(())
}

fn update(sqlite: &mut diesel::SqliteConnection, row: &RunRow) -> QueryResult<usize> {
    diesel::update(runs::table.find(&row.id).filter(runs::seq.lt(row.seq)))
        .set((
            runs::status.eq(&row.status),
            runs::updated_ms.eq(row.updated_ms),
            runs::finished_ms.eq(row.finished_ms),
            runs::seq.eq(row.seq),
            runs::wake_ms.eq(row.wake_ms),
            runs::active.eq(&row.active),
            runs::output.eq(&row.output),
            runs::error.eq(&row.error),
        ))
        .execute(sqlite)
}
