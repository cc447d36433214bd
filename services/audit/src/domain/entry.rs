//! From a record to a leaf, and which of several records are new.

use std::collections::HashMap;

use orrery_proof::{Hash, Record, RecordError};

/// A record that may become a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The record.
    pub record: Record,
    /// Its one text.
    pub canonical: String,
    /// The hash of that text as a leaf.
    pub leaf: Hash,
}

impl Entry {
    /// Checks a record against the limits of the log.
    pub fn new(record: Record) -> Result<Self, RecordError> {
        let canonical = record.to_canonical()?;
        let leaf = Record::leaf_hash(&canonical);
        Ok(Self { record, canonical, leaf })
    }
}

/// A batch, sorted by what is to be done with it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sorted {
    /// To be appended, in order.
    pub fresh: Vec<Entry>,
    /// In the log already, word for word.
    pub repeated: usize,
    /// Under an id that the log holds with another content.
    pub conflicting: Vec<Entry>,
}

/// an id is logged once. `known` holds the leaves of those ids of the batch that the log has.
pub fn sort_out(entries: Vec<Entry>, mut known: HashMap<String, Hash>) -> Sorted {
    let mut sorted = Sorted::default();
    for entry in entries {
        match known.get(&entry.record.id) {
            None => {
                known.insert(entry.record.id.clone(), entry.leaf);
                sorted.fresh.push(entry);
            }
            Some(leaf) if *leaf == entry.leaf => sorted.repeated += 1,
            Some(_) => sorted.conflicting.push(entry),
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(id: &str, at_ms: u64) -> Entry {
        let record = Record {
            id: id.to_owned(),
            tenant: "acme".to_owned(),
            task_id: String::new(),
            service: "gateway".to_owned(),
            kind: "auth.denied".to_owned(),
            at_ms,
            facts: serde_json::json!({}),
        };
        Entry::new(record).unwrap()
    }

    #[test]
    fn a_repeated_id_is_dropped_and_a_reused_one_set_aside() {
        let known = HashMap::from([("a".to_owned(), entry("a", 1).leaf), ("b".to_owned(), entry("b", 1).leaf)]);
        let batch = vec![entry("a", 1), entry("c", 1), entry("c", 1), entry("b", 2), entry("c", 3), entry("d", 1)];
        let sorted = sort_out(batch, known);
        assert_eq!(sorted.fresh, [entry("c", 1), entry("d", 1)]);
        assert_eq!(sorted.repeated, 2);
        assert_eq!(sorted.conflicting, [entry("b", 2), entry("c", 3)]);
    }
}
