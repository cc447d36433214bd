//! What was decided: who answers in which order, who does not and why, and what runs beside, after and instead.

use std::borrow::Cow;

use orrery_types::{Nanos, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::catalogue::route::{Cascade, Ensemble, LastResort, Retry};

/// Why a model was dropped. The order is that of the checks: what it cannot do, what it may not do, what it costs, and
/// how it is just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// It is a canary whose share this call is not in.
    NotAsked,
    /// It cannot do it.
    Incapable,
    /// It does not take that media type.
    MediaType,
    /// The input does not fit.
    TooLong,
    /// Its answers are known to be worse than the route asks for.
    TooWeak,
    /// A policy forbids it or none permits it.
    Policy,
    /// It can cost more than the caller or the route allows.
    TooDear,
    /// It rests or is not loaded.
    Unavailable,
}

/// What a model is wanted for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// To answer.
    #[default]
    Answers,
    /// To pick or write one answer from those of an ensemble.
    Combines,
    /// To get a copy.
    Shadows,
}

impl Role {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// One number that a score was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part(pub Cow<'static, str>, pub f64);

/// One model and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Name in the catalogue.
    pub model: String,
    /// Its provider.
    pub provider: String,
    /// What it is wanted for.
    #[serde(default, skip_serializing_if = "Role::is_usual")]
    pub role: Role,
    /// Why it was dropped; none when it may answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Dropped>,
    /// Why it was taken or dropped, in words.
    pub reason: String,
    /// Ids of the determining policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// What it will probably cost.
    pub price_likely: Nanos,
    /// What it can cost at most; reserved before the call.
    pub price_ceiling: Nanos,
    /// How long it will probably take.
    pub latency_ms: u64,
    /// Which fallback it belongs to; 0 is what was asked for. Lower ones are tried first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub tier: u32,
    /// Within the tier: 0 does what the strategy wants, higher ones miss an objective or have no quota left.
    #[serde(default, skip_serializing_if = "is_first")]
    pub group: u32,
    /// Within the group: lower is better; 0 for dropped ones.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub score: f64,
    /// What the score was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
}

fn is_first(place: &u32) -> bool {
    *place == 0
}

fn is_nothing(score: &f64) -> bool {
    *score == 0.0
}

/// The decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Its name.
    pub id: String,
    /// Of the policy set that answered.
    pub policy_digest: Sha256Digest,
    /// Of the catalogue.
    pub catalogue_digest: Sha256Digest,
    /// Of the published statistics.
    #[serde(default)]
    pub statistics_revision: u64,
    /// Those that may answer first, best first, then those with another role, then the dropped ones.
    pub candidates: Vec<Candidate>,
    /// How they are used.
    pub plan: Plan,
}

/// How the candidates are used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Plan {
    /// How one answer is reached.
    #[serde(skip_serializing_if = "Course::is_usual")]
    pub course: Course,
    /// What runs beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowPlan>,
    /// When a slow first attempt gets a second beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge: Option<HedgePlan>,
    /// How often is tried.
    pub retry: Retry,
    /// What comes when nobody answers.
    pub last_resort: LastResort,
    /// What was decided about canary, shadow, ensemble and hedge, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How one answer is reached.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// Candidates are tried in their order until one answers.
    #[default]
    First,
    /// Stages are asked in their order until an answer is sure enough, or the last one's is taken. The other candidates
    /// are tried when no stage has answered.
    Cascade(CascadePlan),
    /// Several are asked at once.
    Ensemble(EnsemblePlan),
}

impl Course {
    fn is_usual(&self) -> bool {
        *self == Self::First
    }
}

/// A cascade as the call can pay for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CascadePlan {
    /// Who is asked, in this order.
    pub stages: Vec<String>,
    /// What all of them can cost together.
    pub price_ceiling: Nanos,
    /// The route's settings.
    pub cascade: Cascade,
}

/// An ensemble as it can be held now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnsemblePlan {
    /// Who is asked, each `samples` times; all of them may answer. Order of preference.
    pub members: Vec<String>,
    /// Answers that are needed, resolved from the route's setting.
    pub quorum: u32,
    /// Who combines, with what that can cost at most; none for a vote.
    pub combiner: Option<(String, Nanos)>,
    /// What all of it can cost at most; reserved before the call.
    pub price_ceiling: Nanos,
    /// The route's settings.
    pub ensemble: Ensemble,
}

/// A copy of the call whose answer is only recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowPlan {
    /// Who gets it.
    pub model: String,
    /// What it can cost at most.
    pub price_ceiling: Nanos,
    /// So much of it may be taken from the tenant's budget; the rest is the operator's.
    pub tenant_nanos_max: Nanos,
}

/// A second attempt beside a slow first one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HedgePlan {
    /// How long the first is waited for.
    pub after_ms: u64,
    /// Who is asked then.
    pub model: String,
    /// Share of calls that may be made twice; see `HedgeBudget`.
    pub share_max: f64,
}

impl Decision {
    /// Those that may answer, best first: the fallback order.
    pub fn eligible(&self) -> impl Iterator<Item = &Candidate> {
        self.answerers().filter(|candidate| candidate.dropped.is_none())
    }

    /// Those that are wanted to answer, dropped ones included.
    fn answerers(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| candidate.role == Role::Answers)
    }

    /// Whether policies alone stand in the way: some model could do it and none may.
    pub fn denied_by_policy(&self) -> bool {
        self.eligible().next().is_none()
            && self.answerers().any(|c| c.dropped == Some(Dropped::Policy))
            && !self.answerers().any(|c| matches!(c.dropped, Some(Dropped::Unavailable | Dropped::TooDear)))
    }

    /// Whether models read, but none of them this media type.
    pub fn reads_no_such_media(&self) -> bool {
        let drops = || self.answerers().map(|candidate| candidate.dropped);
        let could_not = |dropped| matches!(dropped, Some(Dropped::NotAsked | Dropped::Incapable | Dropped::MediaType));
        drops().all(could_not) && drops().any(|dropped| dropped == Some(Dropped::MediaType))
    }

    /// Whether some model could and may do it, but none is up.
    pub fn all_unavailable(&self) -> bool {
        self.eligible().next().is_none() && self.answerers().any(|c| c.dropped == Some(Dropped::Unavailable))
    }

    /// The order, and why, one line each; for people.
    pub fn explain(&self) -> String {
        let mut lines = Vec::new();
        for candidate in &self.candidates {
            let parts: Vec<String> =
                candidate.parts.iter().map(|Part(name, value)| format!("{name} {value}")).collect();
            let sign = if candidate.dropped.is_some() { "-" } else { "+" };
            let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
            lines.push(format!("{sign} {}: {}{parts}", candidate.model, candidate.reason));
        }
        lines.extend(self.plan.notes.iter().map(|note| format!("* {note}")));
        lines.join("\n")
    }
}
