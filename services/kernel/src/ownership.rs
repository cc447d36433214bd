//! Which partitions this process acts for, under which epochs, and who acts for the others. Read at every command, written
//! by the membership alone.

use std::collections::BTreeMap;

use parking_lot::RwLock;

/// Who acts for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// This process, under this epoch.
    Here(i64),
    /// Another, by its id.
    There(String),
    /// Nobody yet, or it is being handed over.
    Nobody,
}

/// The present owners.
#[derive(Debug, Default)]
pub struct Ownership {
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    mine: BTreeMap<i32, i64>,
    others: BTreeMap<i32, String>,
}

impl Ownership {
    /// Who acts for a partition.
    pub fn of(&self, partition: i32) -> Owner {
        let table = self.table.read();
        match (table.mine.get(&partition), table.others.get(&partition)) {
            (Some(epoch), _) => Owner::Here(*epoch),
            (None, Some(member)) => Owner::There(member.clone()),
            (None, None) => Owner::Nobody,
        }
    }

    /// The epoch under which this process acts for a partition.
    pub fn epoch(&self, partition: i32) -> Option<i64> {
        self.table.read().mine.get(&partition).copied()
    }

    /// The partitions for which this process acts.
    pub fn mine(&self) -> Vec<i32> {
        self.table.read().mine.keys().copied().collect()
    }

    /// Takes a partition up.
    pub fn acquire(&self, partition: i32, epoch: i64) {
        self.table.write().mine.insert(partition, epoch);
    }

    /// Gives a partition up; whether it was held.
    pub fn drop(&self, partition: i32) -> bool {
        self.table.write().mine.remove(&partition).is_some()
    }

    /// Gives a partition up unless it is held under a newer epoch than the one that proved stale.
    pub fn drop_stale(&self, partition: i32, epoch: i64) -> bool {
        let mut table = self.table.write();
        let stale = table.mine.get(&partition).is_some_and(|held| *held <= epoch);
        if stale {
            table.mine.remove(&partition);
        }
        stale
    }

    /// Notes who acts for the others.
    pub fn note(&self, others: BTreeMap<i32, String>) {
        self.table.write().others = others;
    }
}
