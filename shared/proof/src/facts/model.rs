//! Facts about a call to a model, emitted by the router.

use serde::{Deserialize, Serialize};

/// Exactly which model answered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// Name in the catalogue.
    pub name: String,
    /// Version in the repository.
    pub version: String,
    /// Digest of the manifest; empty for an external model.
    pub digest: String,
    /// `local`, or the provider's name.
    pub provider: String,
}

/// A model that could have answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Name in the catalogue.
    pub model: String,
    /// `local`, or the provider's name.
    pub provider: String,
    /// Whether it was allowed and able.
    pub eligible: bool,
    /// Why it was taken or dropped.
    pub reason: String,
    /// The policies that determined it.
    pub policies: Vec<String>,
}

/// What a call used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub audio_ms: u64,
    pub pages: u64,
}

/// `model.called`: one decision of the router and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCalled {
    /// The route decision's id; steps refer to it.
    pub decision_id: String,
    /// Pointer of the workflow step that asked; empty for a direct call.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// For example `ocr`, `transcribe`, `embed`, `chat`.
    pub capability: String,
    /// The models that answered; empty when none did.
    pub models: Vec<ModelIdentity>,
    /// Every model considered.
    pub candidates: Vec<Candidate>,
    /// Digest of the policy set.
    pub policy_digest: String,
    /// Digest of the catalogue.
    pub catalogue_digest: String,
    /// For example `personal`.
    pub data_classes: Vec<String>,
    /// What the call is for, as policy sees it.
    pub purpose: String,
    /// Digest of the input.
    pub input_digest: String,
    /// Digest of the output; empty when there is none.
    pub output_digest: String,
    /// What was used.
    pub usage: Usage,
    /// What it cost.
    pub cost_nanos: u64,
    /// How long it took.
    pub latency_ms: u64,
    /// How many candidates were tried.
    pub attempts: u32,
    /// `ok`, or the error code.
    pub outcome: String,
}

/// `models.called`: direct calls of one tenant, which belong to no task and are recorded together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelsCalled {
    /// In the order in which they ended.
    pub calls: Vec<ModelCalled>,
}

/// The facts of `models.called` from the facts of each call, which are JSON already.
pub fn calls_json(calls: &[&str]) -> String {
    format!("{{\"calls\":[{}]}}", calls.join(","))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn calls_that_are_put_together_read_back() {
        let call = serde_json::json!({
            "decision_id": "dec_1", "capability": "chat", "models": [], "candidates": [], "policy_digest": "",
            "catalogue_digest": "", "data_classes": [], "purpose": "", "input_digest": "", "output_digest": "", "usage": {},
            "cost_nanos": 1, "latency_ms": 2, "attempts": 1, "outcome": "ok",
        });
        let together = calls_json(&[&call.to_string(), &call.to_string()]);
        let read: ModelsCalled = serde_json::from_str(&together).unwrap();
        assert_eq!(read.calls.len(), 2);
    }
}
