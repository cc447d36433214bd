//! Inclusion and consistency proofs from tiles: a few rows each, however large the log.

use orrery_proof::tile::TileReader;
use orrery_proof::{Hash, consistency, inclusion};
use orrery_store::AnyConnection;

use super::{LogStore, tiles};
use crate::error::AuditError;

impl LogStore {
    /// The paths of several leaves in the tree of `size` leaves, in the order given. The tree may have grown since: the
    /// nodes of a smaller tree never change.
    pub async fn inclusion_paths(&self, indexes: Vec<u64>, size: u64) -> Result<Vec<Vec<Hash>>, AuditError> {
        let prove = move |connection: &mut AnyConnection| {
            let mut reader = TileReader::new(|id| tiles::fetch(connection, id));
            indexes.into_iter().map(|index| inclusion::prove(&mut reader, index, size)).collect()
        };
        self.store.read(prove).await
    }

    /// Shows that the tree of `second` leaves only appended to that of `first`.
    pub async fn consistency_path(&self, first: u64, second: u64) -> Result<Vec<Hash>, AuditError> {
        let prove = move |connection: &mut AnyConnection| {
            let mut reader = TileReader::new(|id| tiles::fetch(connection, id));
            consistency::prove(&mut reader, first, second)
        };
        self.store.read(prove).await
    }
}
