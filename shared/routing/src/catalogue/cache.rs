//! Whether answers are kept and given again. What may be kept at all is decided where they are kept; these are the owner's
//! words about it.

use serde::{Deserialize, Serialize};

/// What may answer in place of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMode {
    /// Nothing is kept, nothing given.
    #[default]
    Off,
    /// The answer to the same question.
    Exact,
    /// Also the answer to a question that says the same in other words.
    Semantic,
}

/// Rules of one route, or of all calls whose route has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheRules {
    /// What may answer. Default: no answer is kept.
    pub mode: CacheMode,
    /// Calls whose answer is left to chance are kept too. Default: only deterministic ones.
    pub nondeterministic: bool,
    /// Calls with personal data are kept too.
    pub personal: bool,
    /// Conversations with tools are kept too, for the same question only.
    pub tools: bool,
    /// How long an answer is given, in seconds. Default: an hour.
    pub ttl_seconds: u64,
    /// Cosine from which a question counts as near, 0 to 1. Default: 0.95.
    pub threshold: f64,
}

impl Default for CacheRules {
    fn default() -> Self {
        Self {
            mode: CacheMode::Off,
            nondeterministic: false,
            personal: false,
            tools: false,
            ttl_seconds: 3600,
            threshold: 0.95,
        }
    }
}

impl CacheRules {
    /// What is wrong with them.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(0.0..=1.0).contains(&self.threshold) {
            faults.push("cache: threshold must lie between 0 and 1".to_owned());
        }
        if self.ttl_seconds == 0 {
            faults.push("cache: ttl_seconds is 0; leave it out for an hour, or say mode = \"off\"".to_owned());
        }
        faults
    }
}

/// The catalogue's `[cache]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// For calls whose route has no rules of its own, and calls to a model by its name.
    pub rules: CacheRules,
    /// The local model that turns questions into vectors; without one, semantic answers like exact.
    pub embedder: Option<String>,
    /// How long a call waits for each operation of the store before it counts as a miss. Default: 20 ms.
    pub store_deadline_ms: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { rules: CacheRules::default(), embedder: None, store_deadline_ms: 20 }
    }
}
