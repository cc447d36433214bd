//! The decision as callers and records see it, and what a caller is told when no model may answer.

use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_proof::facts;
use orrery_proto::v1::{Candidate, RouteDecision};
use orrery_routing::decide::{Decision, Dropped};
use orrery_types::Sha256Digest;

use super::Call;

/// SHA-256 over a decision, to tell whether it is made again the same.
pub fn decision_digest(decision: &Decision) -> String {
    // Its numbers are finite and its keys are texts, so that there is nothing to fail on.
    let json = serde_json::to_vec(decision).unwrap_or_default();
    Sha256Digest::of(&json).to_string()
}

/// As callers see it.
pub(super) fn told(decision: &Decision, chosen: &str, attempts: u32) -> RouteDecision {
    let candidate = |candidate: &orrery_routing::decide::Candidate| Candidate {
        model: candidate.model.clone(),
        provider: candidate.provider.clone(),
        eligible: candidate.dropped.is_none(),
        reason: candidate.reason.clone(),
        policies: candidate.policies.clone(),
        price_nanos_estimate: candidate.price_likely.get(),
        latency_ms_estimate: candidate.latency_ms,
        score: candidate.score,
    };
    RouteDecision {
        id: decision.id.clone(),
        policy_digest: decision.policy_digest.to_string(),
        catalogue_digest: decision.catalogue_digest.to_string(),
        candidates: decision.candidates.iter().map(candidate).collect(),
        chosen: chosen.to_owned(),
        attempts,
    }
}

/// As the audit record has it.
pub(super) fn candidates(decision: &Decision) -> Vec<facts::Candidate> {
    let candidate = |candidate: &orrery_routing::decide::Candidate| facts::Candidate {
        model: candidate.model.clone(),
        provider: candidate.provider.clone(),
        eligible: candidate.dropped.is_none(),
        reason: candidate.reason.clone(),
        policies: candidate.policies.clone(),
    };
    decision.candidates.iter().map(candidate).collect()
}

/// What the caller is told when no model may answer, with each candidate and why it was dropped.
pub(super) fn nobody(decision: &Decision, call: &Call) -> Error {
    let facts = &call.facts;
    let considered = decision.candidates.iter().filter(|candidate| candidate.dropped != Some(Dropped::NotAsked));
    let candidates: Vec<_> = considered
        .map(|c| serde_json::json!({ "model": c.model, "reason": c.reason, "policies": c.policies }))
        .collect();
    let error = if decision.denied_by_policy() {
        let classes = facts.data_classes.join(", ");
        let message =
            format!("policies let no model {} data of class [{classes}] for {:?}", facts.capability, facts.purpose);
        Error::new(ErrorCode::PolicyDenied, message)
    } else if decision.all_unavailable() {
        let down = decision.candidates.iter().find(|candidate| candidate.dropped == Some(Dropped::Unavailable));
        let why = down.map(|down| format!("{}: {}", down.model, down.reason)).unwrap_or_default();
        let message = format!("no model that could {} takes calls now; {why}", facts.capability);
        Error::new(ErrorCode::Unavailable, message).retry_after(Duration::from_secs(1))
    } else if let Some(media) = facts.media_type.as_deref().filter(|_| decision.reads_no_such_media()) {
        Error::new(ErrorCode::UnsupportedMedia, format!("nothing here reads {media}; see the candidates"))
    } else if candidates.is_empty() {
        Error::new(
            ErrorCode::NoModel,
            format!("there is no model or route {:?}; list the models to see which there are", facts.model),
        )
    } else {
        Error::new(ErrorCode::NoModel, format!("no model can {} as asked; see the candidates", facts.capability))
    };
    error.detail(serde_json::json!({ "decision_id": decision.id, "candidates": candidates }))
}

/// What comes when nobody answers: names the workflow that hands the question to a person, for whoever starts it. Not where
/// the request itself is refused, a policy or a limit forbids it, or its caller has left.
pub(super) fn last_resort(decision: &Decision, mut error: Error) -> Error {
    let refused = matches!(
        error.code,
        ErrorCode::InvalidRequest
            | ErrorCode::InvalidDefinition
            | ErrorCode::InvalidMedia
            | ErrorCode::PayloadTooLarge
            | ErrorCode::DataCorrupted
            | ErrorCode::Cancelled
            | ErrorCode::PolicyDenied
            | ErrorCode::BudgetExceeded
    );
    let limited = error.detail.as_ref().is_some_and(|detail| detail.get("limit_id").is_some());
    let nobody_answered = !refused && !limited;
    let Some(workflow) = decision.plan.last_resort.human_task.as_ref().filter(|_| nobody_answered) else {
        return error;
    };
    let mut detail = match error.detail.take() {
        Some(serde_json::Value::Object(detail)) => detail,
        Some(other) => serde_json::Map::from_iter([("cause".to_owned(), other)]),
        None => serde_json::Map::new(),
    };
    detail.insert("human_task".to_owned(), workflow.clone().into());
    error.detail(detail.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_routing::catalogue::route::LastResort;
    use orrery_routing::decide::Plan;
    use orrery_types::Sha256Digest;
    use serde_json::json;

    #[test]
    fn a_person_is_named_only_where_nobody_answered() {
        let decision = |human_task: Option<&str>| Decision {
            id: String::new(),
            policy_digest: Sha256Digest::of(b""),
            catalogue_digest: Sha256Digest::of(b""),
            statistics_revision: 0,
            candidates: Vec::new(),
            plan: Plan {
                last_resort: LastResort { human_task: human_task.map(String::from), ..LastResort::default() },
                ..Plan::default()
            },
        };
        let asked = decision(Some("by-hand"));
        let failed = |code| Error::new(code, "x").detail(json!({"a": 1}));
        let told = last_resort(&asked, failed(ErrorCode::ModelFailed));
        assert_eq!(told.detail, Some(json!({"a": 1, "human_task": "by-hand"})));
        let bare = last_resort(&asked, Error::new(ErrorCode::NoModel, "x"));
        assert_eq!(bare.detail, Some(json!({"human_task": "by-hand"})));
        for code in
            [ErrorCode::InvalidRequest, ErrorCode::Cancelled, ErrorCode::BudgetExceeded, ErrorCode::PolicyDenied]
        {
            assert_eq!(last_resort(&asked, failed(code)).detail, Some(json!({"a": 1})), "{code}");
        }
        let limited = Error::new(ErrorCode::RateLimited, "x").detail(json!({"limit_id": "l"}));
        assert_eq!(last_resort(&asked, limited.clone()).detail, limited.detail);
        assert_eq!(last_resort(&decision(None), failed(ErrorCode::ModelFailed)).detail, Some(json!({"a": 1})));
    }
}
