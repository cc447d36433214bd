//! Names in Redis. All of a tenant's begin alike and lie on one node of a cluster, which scripts need; the braces say so.
//!
//! | key | what |
//! |---|---|
//! | `orrery:cache:{tenant}:x:<key>` | an answer |
//! | `…:s:<neighbourhood>` | stream of its questions: key, end, text, vector |
//! | `…:l:<key>` | lock on making an answer |
//! | `…:index` | sorted set of the two first, with the labels of their versions, by their end |
//! | `…:generations` | what has been forgotten |

use crate::question::{Key, Question, Versions, label};

/// Where the parts of one question lie.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub tenant: String,
    pub key: Key,
    /// Labels of the knowledge's and the models' versions.
    pub knowledge: String,
    pub models: String,
}

impl Place {
    pub fn of(question: &Question<'_>) -> Self {
        let Versions { models, knowledge } = &question.versions;
        let tenant = question.scope.tenant.clone();
        Self { tenant, key: question.key(), knowledge: label(knowledge), models: label(models) }
    }

    pub fn entry(&self) -> String {
        entry(&self.tenant, &self.key.hex())
    }

    pub fn lock(&self) -> String {
        format!("{}l:{}", prefix(&self.tenant), self.key.hex())
    }

    /// Fields of the generations on which it depends, besides that of the tenant.
    pub fn fields(&self) -> [String; 3] {
        [knowledge_field(&self.knowledge), models_field(&self.models), key_field(&self.key)]
    }

    pub fn member(&self) -> String {
        format!("x:{}:{}:{}", self.key.hex(), self.knowledge, self.models)
    }

    pub fn neighbourhood_member(&self, neighbourhood: &Key) -> String {
        format!("s:{}:{}:{}", neighbourhood.hex(), self.knowledge, self.models)
    }
}

pub(super) const ALL_FIELD: &str = "*";

pub(super) fn knowledge_field(label: &str) -> String {
    format!("k:{label}")
}

pub(super) fn models_field(label: &str) -> String {
    format!("m:{label}")
}

pub(super) fn key_field(key: &Key) -> String {
    format!("x:{}", key.hex())
}

pub(super) fn prefix(tenant: &str) -> String {
    format!("orrery:cache:{{{tenant}}}:")
}

pub(super) fn entry(tenant: &str, hex: &str) -> String {
    format!("{}x:{hex}", prefix(tenant))
}

pub(super) fn neighbourhood(tenant: &str, neighbourhood: &Key) -> String {
    format!("{}s:{}", prefix(tenant), neighbourhood.hex())
}

pub(super) fn index(tenant: &str) -> String {
    format!("{}index", prefix(tenant))
}

pub(super) fn generations(tenant: &str) -> String {
    format!("{}generations", prefix(tenant))
}

/// A member of the index: the rest of its key, and the labels of its versions.
pub(super) fn member(member: &str) -> Option<(&str, &str, &str)> {
    let (name, labels) = member.split_at_checked(66)?;
    let (knowledge, models) = labels.strip_prefix(':')?.split_once(':')?;
    Some((name, knowledge, models))
}
