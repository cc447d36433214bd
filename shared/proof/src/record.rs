//! One audit record: who did what when, in digests and ids. Its canonical JSON is the leaf of the tree.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::canonical::{self, CanonicalError};
use crate::facts::kind;
use crate::hash::Hash;

/// Most bytes of one canonical record.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;
/// Longest id, tenant, task, service or kind.
pub const NAME_BYTES_MAX: usize = 128;

/// A record as it stands in the log. Never holds content or personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Unique; a second record with the same id is dropped.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// Empty when the fact belongs to no task.
    pub task_id: String,
    /// Which service reports it.
    pub service: String,
    /// What happened, for example `model.called`; gives the shape of `facts`.
    pub kind: String,
    /// When, in milliseconds since 1970, by the reporting service's clock.
    pub at_ms: u64,
    /// The details, an object; see [`crate::facts`].
    pub facts: Value,
}

/// A record that the log cannot hold or a proof cannot show.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("the record's {field} is empty, longer than {NAME_BYTES_MAX} bytes or holds control characters")]
    Name { field: &'static str },
    #[error("the record's facts are not a JSON object")]
    FactsShape,
    #[error("the record has {size} bytes; at most {RECORD_BYTES_MAX} are logged")]
    TooLarge { size: usize },
    #[error("the record cannot be written canonically: {0}")]
    Canonical(#[from] CanonicalError),
    #[error("the record does not have the fields of an audit record: {0}")]
    Fields(String),
}

impl Record {
    /// The one text of this record, checked against every limit.
    pub fn to_canonical(&self) -> Result<String, RecordError> {
        let required = [("id", &self.id), ("tenant", &self.tenant), ("service", &self.service), ("kind", &self.kind)];
        if let Some((field, _)) = required.into_iter().find(|(_, text)| text.is_empty() || !is_name(text)) {
            return Err(RecordError::Name { field });
        }
        if !is_name(&self.task_id) {
            return Err(RecordError::Name { field: "task_id" });
        }
        if !self.facts.is_object() {
            return Err(RecordError::FactsShape);
        }
        let value = serde_json::to_value(self).map_err(|error| RecordError::Fields(error.to_string()))?;
        let text = canonical::to_string(&value)?;
        if text.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge { size: text.len() });
        }
        Ok(text)
    }

    /// Reads a canonical text back.
    pub fn from_canonical(text: &str) -> Result<Self, RecordError> {
        Self::from_value(canonical::parse(text)?)
    }

    /// Reads a record out of a larger canonical document.
    pub fn from_value(value: Value) -> Result<Self, RecordError> {
        serde_json::from_value(value).map_err(|error| RecordError::Fields(error.to_string()))
    }

    /// Whether this record ends its task.
    pub fn closes_task(&self) -> bool {
        kind::CLOSING.contains(&self.kind.as_str())
    }

    /// The leaf hash of a canonical text.
    pub fn leaf_hash(canonical: &str) -> Hash {
        Hash::leaf(canonical.as_bytes())
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control)
}
