//! Routes: a name that callers ask for, the models behind it, and how calls are spread over them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cache::CacheRules;

/// How a route orders the models that may and can. A plain name, or a name with its settings:
/// `strategy = "cheapest"`, `strategy.cheapest_within_slo = { p95_ms = 800 }`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// By price and latency together.
    #[default]
    Balanced,
    /// By price.
    Cheapest,
    /// By latency.
    Fastest,
    /// As the route lists them.
    Ordered,
    /// By price among those that keep the objective; the others after them, fastest first.
    CheapestWithinSlo(Slo),
    /// By latency among those that cost at most so much; dearer ones do not answer.
    FastestWithinBudget(CallBudget),
    /// At random, each model as often as its weight says; the others after it in the same way.
    Weighted(BTreeMap<String, u32>),
    /// The same session always to the same model, as long as it takes calls.
    Sticky,
    /// The less loaded of two models that chance picks.
    LeastLoaded,
    /// As the route lists them, cheap ones first: an answer that is not sure enough is asked of the next.
    Cascade(Cascade),
    /// Several at once; their answers become one.
    Ensemble(Ensemble),
    /// The model that has earned most so far, while the others are still tried as often as it pays to learn.
    Bandit(Bandit),
}

impl Strategy {
    /// Its name in the catalogue.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Balanced => "balanced",
            Self::Cheapest => "cheapest",
            Self::Fastest => "fastest",
            Self::Ordered => "ordered",
            Self::CheapestWithinSlo(_) => "cheapest_within_slo",
            Self::FastestWithinBudget(_) => "fastest_within_budget",
            Self::Weighted(_) => "weighted",
            Self::Sticky => "sticky",
            Self::LeastLoaded => "least_loaded",
            Self::Cascade(_) => "cascade",
            Self::Ensemble(_) => "ensemble",
            Self::Bandit(_) => "bandit",
        }
    }
}

/// A latency objective. At least one bound; all that are set must hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slo {
    /// 95 of 100 answers are complete after this long.
    pub p95_ms: Option<u64>,
    /// 95 of 100 answers begin after this long.
    pub ttft_ms: Option<u64>,
}

/// What one call may cost on a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallBudget {
    /// At most, in nano-units of the catalogue's currency; held against the highest possible price.
    pub nanos: u64,
}

/// When an answer of a cascade is sure enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cascade {
    /// Confidence, 0 to 1, from which an answer is taken. Default 0.7.
    pub threshold: f64,
    /// The same for single models.
    pub thresholds: BTreeMap<String, f64>,
    /// What confidence is read from; the lowest of them counts. Default: refusals, schema and log probabilities.
    pub signals: Vec<Signal>,
    /// Further beginnings of answers that refuse, beside those that are known; any case.
    pub refusals: Vec<String>,
}

impl Default for Cascade {
    fn default() -> Self {
        let signals = vec![Signal::Refusal, Signal::Schema, Signal::Logprob];
        Self { threshold: 0.7, thresholds: BTreeMap::new(), signals, refusals: Vec::new() }
    }
}

impl Cascade {
    /// From which confidence on an answer of this model is taken.
    pub fn threshold_of(&self, model: &str) -> f64 {
        self.thresholds.get(model).copied().unwrap_or(self.threshold)
    }
}

/// What confidence in an answer is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// The mean probability of its tokens.
    Logprob,
    /// What the model itself says.
    SelfReported,
    /// Whether it has the asked shape.
    Schema,
    /// Whether it begins like a refusal or is empty.
    Refusal,
}

/// Several models that answer one call together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// Who answers; all models of the route when empty.
    #[serde(default)]
    pub members: Vec<String>,
    /// Answers of each member. Default 1, at most 16.
    #[serde(default = "one")]
    pub samples: u32,
    /// So many answers are needed; the other members may fail. 0 (default) is more than half.
    #[serde(default)]
    pub quorum: u32,
    /// Members that must not fail.
    #[serde(default)]
    pub required: Vec<String>,
    /// How the answers become one. Default `vote`.
    #[serde(default)]
    pub combine: Combine,
    /// So many bytes of each answer are shown to a judge or an aggregator, and paid for. Default 16,384.
    #[serde(default = "answer_bytes_max")]
    pub answer_bytes_max: u64,
}

fn one() -> u32 {
    1
}

fn answer_bytes_max() -> u64 {
    16_384
}

/// How several answers become one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// The answer that most give; of several such, the one given first in the order of members.
    #[default]
    Vote,
    /// The one that a judge picks.
    BestOfN(Judge),
    /// A new one that an aggregator writes from them.
    Mixture(Aggregator),
}

/// Who picks the best of several answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// Its model.
    pub judge: String,
    /// What it is told.
    #[serde(default = "judge_prompt")]
    pub prompt: String,
    /// Tokens that it may write. Default 256.
    #[serde(default = "judge_tokens")]
    pub output_tokens: u64,
}

fn judge_prompt() -> String {
    "You are shown a conversation and numbered answers to it. Reply with the number of the best answer and nothing else."
        .to_owned()
}

fn aggregator_prompt() -> String {
    "You are shown a conversation and several answers to it. Write the best answer, keeping what is right in them and \
     leaving out what is wrong. Do not mention them."
        .to_owned()
}

fn judge_tokens() -> u64 {
    256
}

/// Who writes one answer from several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aggregator {
    /// Its model.
    pub aggregator: String,
    /// What it is told.
    #[serde(default = "aggregator_prompt")]
    pub prompt: String,
}

/// How a bandit learns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bandit {
    /// How it weighs trying against knowing. Default `thompson`.
    pub algorithm: BanditAlgorithm,
    /// What it wants.
    pub reward: Reward,
}

/// How a bandit weighs trying against knowing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BanditAlgorithm {
    /// Draws each model's worth from what is known of it (Thompson 1933; Agrawal and Goyal 2012 for rewards in 0..1).
    #[default]
    Thompson,
    /// Takes the best that a model may be worth (Auer, Cesa-Bianchi and Fischer 2002).
    Ucb1,
}

/// What a bandit wants, as weights of three scores from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reward {
    /// Weight of the answer's quality. Default 1.
    pub quality: f64,
    /// Weight of its low price. Default 0.5.
    pub cost: f64,
    /// Weight of its speed. Default 0.25.
    pub latency: f64,
    /// A call that costs this much scores one half for its price. Default 1,000,000 nanos.
    pub cost_half_nanos: u64,
    /// A call that takes this long scores one half for its speed. Default 1,000 ms.
    pub latency_half_ms: u64,
}

impl Default for Reward {
    fn default() -> Self {
        Self { quality: 1.0, cost: 0.5, latency: 0.25, cost_half_nanos: 1_000_000, latency_half_ms: 1_000 }
    }
}

/// A new model that takes some of the calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// The new model.
    pub model: String,
    /// How many of a hundred keys it takes, 0 to 100.
    pub percent: f64,
    /// By what calls are told apart: the same key always goes the same way. Default `principal`.
    #[serde(default)]
    pub key: CanaryKey,
    /// When it is stopped.
    #[serde(default)]
    pub halt: Halt,
}

/// By what a canary tells calls apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CanaryKey {
    /// The caller's tenant.
    Tenant,
    /// The caller within the tenant.
    #[default]
    Principal,
    /// The session; calls of none each go their own way.
    Session,
}

/// When a canary is stopped: it does worse than the others by a factor, over enough calls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Halt {
    /// Calls of the canary before it is judged. Default 50.
    pub calls_min: u64,
    /// Its error rate may be so many times that of the others; theirs counts as one percent at least. Default 2.
    pub error_factor: f64,
    /// Its mean latency may be so many times that of the others. Default 2.
    pub latency_factor: f64,
}

impl Default for Halt {
    fn default() -> Self {
        Self { calls_min: 50, error_factor: 2.0, latency_factor: 2.0 }
    }
}

/// A model that gets copies of some calls; its answers are recorded and never given out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// The model.
    pub model: String,
    /// Share of calls that are copied, 0 to 1.
    pub share: f64,
    /// What copies on this route may cost in a day, whoever pays. Default: 1.00 of the currency.
    #[serde(default = "shadow_day")]
    pub nanos_per_day: u64,
    /// What one copy may take from the tenant's budget; the rest is the operator's. Default 0.
    #[serde(default)]
    pub tenant_nanos_max: u64,
}

fn shadow_day() -> u64 {
    1_000_000_000
}

/// A second attempt beside a slow first one; the faster counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hedge {
    /// How long the first is waited for: `"p50"`, `"p95"`, `"p99"` of its measured latency, or milliseconds.
    pub after: HedgeAfter,
    /// Share of calls that may be made twice. Default 0.05.
    #[serde(default = "hedge_share")]
    pub share_max: f64,
}

fn hedge_share() -> f64 {
    0.05
}

/// How long a first attempt is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "hedge.after is \"p50\", \"p95\", \"p99\" or a number of milliseconds")]
pub enum HedgeAfter {
    /// As long as so many of its answers take.
    Quantile(Quantile),
    /// So many milliseconds.
    Ms(u64),
}

/// A quantile that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantile {
    /// The median.
    P50,
    /// 95 of 100.
    P95,
    /// 99 of 100.
    P99,
}

/// How often a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts of one call over all candidates, 1 to 10. Default 4.
    pub attempts: u32,
    /// Retries in a hundred calls, so that a failing provider is not buried under repeats. Default 20.
    pub budget_percent: u32,
    /// Retries a second that are allowed whatever the share. Default 10.
    pub per_second_min: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 4, budget_percent: 20, per_second_min: 10 }
    }
}

/// What a caller gets when nobody answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LastResort {
    /// An answer that was given to the same question before, marked as such.
    pub cached_answer: bool,
    /// The workflow that hands the question to a person.
    pub human_task: Option<String>,
}

/// A name that stands for several models.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Unique name, also among models.
    pub name: String,
    /// Names of its models.
    pub models: Vec<String>,
    /// How they are ordered.
    #[serde(default)]
    pub strategy: Strategy,
    /// Models whose quality on this route is known to be lower do not answer; 0 to 1.
    #[serde(default)]
    pub quality_min: Option<f64>,
    /// Models and routes that are asked after all of these have failed, in this order.
    #[serde(default)]
    pub fallbacks: Vec<String>,
    /// A new model that takes some of the calls.
    #[serde(default)]
    pub canary: Option<Canary>,
    /// A model that gets copies of some calls.
    #[serde(default)]
    pub shadow: Option<Shadow>,
    /// A second attempt beside a slow first one.
    #[serde(default)]
    pub hedge: Option<Hedge>,
    /// How often a call is tried.
    #[serde(default)]
    pub retry: Retry,
    /// What a caller gets when nobody answers.
    #[serde(default)]
    pub last_resort: LastResort,
    /// Which answers are kept; as the catalogue's `[cache]` says when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheRules>,
}
