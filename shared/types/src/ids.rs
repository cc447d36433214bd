//! Identifiers. Each is a checked string, so that none can smuggle a wildcard or a separator into a subject or a key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Longest identifier, in bytes.
pub const ID_BYTES_MAX: usize = 64;

/// An identifier that breaks the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {kind} {value:?}: use 1 to 64 of the characters a-z, A-Z, 0-9, '_' and '-'")]
pub struct InvalidId {
    kind: &'static str,
    value: String,
}

fn checked(kind: &'static str, value: &str) -> Result<String, InvalidId> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if value.is_empty() || value.len() > ID_BYTES_MAX || !value.bytes().all(allowed) {
        let value = value.chars().take(ID_BYTES_MAX).collect();
        return Err(InvalidId { kind, value });
    }
    Ok(value.to_owned())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and wraps.
            pub fn new(value: &str) -> Result<Self, InvalidId> {
                checked($kind, value).map(Self)
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(value: &str) -> Result<Self, InvalidId> {
                Self::new(value)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(value: String) -> Result<Self, InvalidId> {
                Self::new(&value)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id!(
    /// An organisation. Everything stored belongs to one.
    TenantId, "tenant id"
);
id!(
    /// A person or a machine that acts within a tenant.
    PrincipalId, "principal id"
);
id!(
    /// One run of a workflow: `task_` and 32 hex digits that sort by time of creation.
    TaskId, "task id"
);
id!(
    /// One question put to a person: `rev_` and 32 hex digits.
    ReviewId, "review id"
);

impl TaskId {
    /// From a fresh version-7 UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(format!("task_{}", uuid.simple()))
    }
}

id!(
    /// One operation on many runs: `batch_` and 32 hex digits that sort by time of creation.
    BatchId, "batch id"
);

impl BatchId {
    /// From a fresh version-7 UUID.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(format!("batch_{}", uuid.simple()))
    }
}

impl ReviewId {
    /// From a UUID that is derived from the run and the step, so that a replay names the same review.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(format!("rev_{}", uuid.simple()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_could_break_a_subject_is_refused() {
        for bad in ["", "a.b", "a b", "*", ">", "ä", "a/b", &"x".repeat(65)] {
            assert!(TenantId::new(bad).is_err(), "{bad:?} was accepted");
        }
        assert_eq!(TenantId::new("acme-1").map(String::from), Ok("acme-1".to_owned()));
    }

    #[test]
    fn task_ids_sort_by_time_and_read_back() {
        let earlier = TaskId::from_uuid(Uuid::now_v7());
        let later = TaskId::from_uuid(Uuid::now_v7());
        assert!(earlier < later);
        assert_eq!(earlier.as_str().parse(), Ok(earlier.clone()));
    }
}
