//! Everything that goes into a decision but the catalogue and the published statistics, which are named by digest and
//! revision. Its JSON is what a record keeps of each call, thousands a second: keys are short, what is usual is left out,
//! and models whose policies say the same share one entry.

use std::collections::BTreeMap;

use orrery_types::{Sha256Digest, UnixMillis};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::request::RequestFacts;

/// What policies say about one model for this call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PolicyAnswer {
    /// Whether the data may go there.
    #[serde(rename = "a")]
    pub allowed: bool,
    /// Ids of the determining policies.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// In one line.
    #[serde(rename = "r", default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// How one model does just now, as this process sees it. The default is a healthy, idle, unmeasured one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelHealth {
    /// Why it takes no calls now; none when it does.
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
    /// Smoothed latency, once measured.
    #[serde(rename = "l", skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Peak latency as it decays, once measured; see `peak_ewma`.
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    pub peak_ewma_ns: Option<u64>,
    /// Calls of this process that it has not answered yet.
    #[serde(rename = "f", skip_serializing_if = "is_zero")]
    pub in_flight: u32,
    /// What its provider's rate limit leaves, as its last answer said.
    #[serde(rename = "q", skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// What a provider's rate limit leaves until it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Requests; none when it does not say.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Tokens; none when it does not say.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// When it is renewed. After this it says nothing any more.
    #[serde(rename = "u")]
    pub until: UnixMillis,
}

impl Quota {
    /// Whether it is used up for a call of so many tokens.
    pub fn used_up(&self, tokens: u64, now: UnixMillis) -> bool {
        now < self.until && (self.requests == Some(0) || self.tokens.is_some_and(|left| left < tokens))
    }
}

/// Everything that goes into a decision but what is named by digest and revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Random; names the decision.
    #[serde(rename = "i")]
    pub id: String,
    /// When it was made; decides which prices hold.
    #[serde(rename = "t")]
    pub at: UnixMillis,
    /// Random; all draws come from it.
    #[serde(rename = "s")]
    pub seed: u64,
    /// The call.
    #[serde(rename = "f")]
    pub facts: RequestFacts,
    /// By model; a missing one is healthy, idle and unmeasured.
    #[serde(rename = "h", default, skip_serializing_if = "all_usual", serialize_with = "unusual")]
    pub health: BTreeMap<String, ModelHealth>,
    /// By model; a missing one is denied.
    #[serde(rename = "p", default, serialize_with = "by_answer", deserialize_with = "by_model")]
    pub policies: BTreeMap<String, PolicyAnswer>,
    /// Of the policy set that answered.
    #[serde(rename = "pd")]
    pub policy_digest: Sha256Digest,
    /// Of the catalogue.
    #[serde(rename = "cd")]
    pub catalogue_digest: Sha256Digest,
    /// Of the published statistics.
    #[serde(rename = "sr", default)]
    pub statistics_revision: u64,
}

impl Inputs {
    /// Leaves out what the decision does not read: models that were not asked for, and health that is as usual.
    pub(super) fn keep_only(&mut self, read: impl Fn(&str) -> bool) {
        self.health.retain(|model, health| read(model) && *health != ModelHealth::default());
        self.policies.retain(|model, _| read(model));
    }
}

fn all_usual(health: &BTreeMap<String, ModelHealth>) -> bool {
    health.values().all(|health| *health == ModelHealth::default())
}

fn unusual<S: Serializer>(health: &BTreeMap<String, ModelHealth>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(health.iter().filter(|(_, health)| **health != ModelHealth::default()))
}

#[derive(Serialize)]
struct SharedRef<'a> {
    #[serde(rename = "m")]
    models: Vec<&'a str>,
    #[serde(flatten)]
    answer: &'a PolicyAnswer,
}

#[derive(Deserialize)]
struct Shared {
    #[serde(rename = "m")]
    models: Vec<String>,
    #[serde(flatten)]
    answer: PolicyAnswer,
}

fn by_answer<S: Serializer>(policies: &BTreeMap<String, PolicyAnswer>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut shared: BTreeMap<&PolicyAnswer, Vec<&str>> = BTreeMap::new();
    for (model, answer) in policies {
        shared.entry(answer).or_default().push(model);
    }
    serializer.collect_seq(shared.into_iter().map(|(answer, models)| SharedRef { models, answer }))
}

fn by_model<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, PolicyAnswer>, D::Error> {
    let shared = Vec::<Shared>::deserialize(deserializer)?;
    let each = |Shared { models, answer }: Shared| models.into_iter().map(move |model| (model, answer.clone()));
    Ok(shared.into_iter().flat_map(each).collect())
}
