//! Tiles in SQL.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer};
use orrery_proof::tile::{MissingTile, Tile, TileId};
use orrery_store::AnyConnection;

use super::schema::tiles;
use super::to_sql;
use crate::error::AuditError;

pub(super) fn fetch(connection: &mut AnyConnection, id: TileId) -> Result<Option<Tile>, AuditError> {
    let row = tiles::table
        .filter(tiles::level.eq(i32::from(id.level)).and(tiles::idx.eq(to_sql(id.index))))
        .select(tiles::hashes)
        .first::<Vec<u8>>(connection)
        .optional()?;
    match row {
        None => Ok(None),
        Some(bytes) => Ok(Some(Tile::from_bytes(&bytes).ok_or(MissingTile(id))?)),
    }
}

pub(super) fn put(connection: &mut AnyConnection, changed: &BTreeMap<TileId, Tile>) -> Result<(), AuditError> {
    for (id, tile) in changed {
        diesel::sql_query(
            "INSERT INTO tiles (level, idx, hashes) VALUES ($1, $2, $3)
             ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes",
        )
        .bind::<Integer, _>(i32::from(id.level))
        .bind::<BigInt, _>(to_sql(id.index))
        .bind::<Binary, _>(tile.to_bytes())
        .execute(connection)?;
    }
    Ok(())
}
