//! The records of one claim, as the services would report them.

use orrery_proof::Record;
use orrery_proof::facts::{
    AttachmentDigest, Candidate, ModelCalled, ModelIdentity, RetrievalSearched, RetrievedChunk, ReviewClaimed,
    ReviewDecided, ReviewRequested, StepCompleted, TaskClosed, TaskSubmitted, Usage, millionths,
};
use serde::Serialize;

pub const TASK: &str = "task_0199c0ffee";

pub fn digest(of: &str) -> String {
    orrery_types::Sha256Digest::of(of.as_bytes()).to_string()
}

pub fn record(id: &str, service: &str, kind: &str, at_ms: u64, facts: &impl Serialize) -> Record {
    Record {
        id: id.to_owned(),
        tenant: "acme".to_owned(),
        task_id: TASK.to_owned(),
        service: service.to_owned(),
        kind: kind.to_owned(),
        at_ms,
        facts: serde_json::to_value(facts).unwrap(),
    }
}

fn identity(name: &str) -> ModelIdentity {
    ModelIdentity { name: name.to_owned(), version: "1".to_owned(), digest: digest(name), provider: "local".to_owned() }
}

fn called() -> ModelCalled {
    let candidate = |model: &str, eligible, reason: &str| Candidate {
        model: model.to_owned(),
        provider: if eligible { "local" } else { "elsewhere" }.to_owned(),
        eligible,
        reason: reason.to_owned(),
        policies: vec!["personal-data-stays".to_owned()],
    };
    ModelCalled {
        decision_id: "dec_1".to_owned(),
        step: "/do/0/read".to_owned(),
        capability: "ocr".to_owned(),
        models: vec![identity("pp-ocr")],
        candidates: vec![
            candidate("pp-ocr", true, "it is the cheapest that may see personal data"),
            candidate("cloud-ocr", false, "personal data may not leave the house"),
        ],
        policy_digest: digest("policies"),
        catalogue_digest: digest("catalogue"),
        data_classes: vec!["personal".to_owned()],
        purpose: "claims".to_owned(),
        input_digest: digest("form"),
        output_digest: digest("fields"),
        usage: Usage { pages: 1, ..Usage::default() },
        cost_nanos: 1_250_000,
        latency_ms: 812,
        attempts: 1,
        outcome: "ok".to_owned(),
    }
}

fn searched() -> RetrievalSearched {
    RetrievalSearched {
        collection: "handbook".to_owned(),
        collection_version: 4,
        query_digest: digest("query"),
        filter: serde_json::json!({"documents": ["home-policy.md"]}),
        hits: vec![RetrievedChunk {
            chunk_id: "chunk_9".to_owned(),
            chunk_digest: digest("chunk"),
            document: "home-policy.md".to_owned(),
            document_digest: digest("document"),
            clause: "H-2.1".to_owned(),
            score_millionths: millionths(0.8125),
        }],
        embedding_model: Some(identity("minilm")),
    }
}

/// Eight records; the model's comes before the kernel's first, because services report side by side.
pub fn claim() -> Vec<Record> {
    let submitted = TaskSubmitted {
        workflow: "claims-intake:1.0.0".to_owned(),
        definition_hash: digest("definition"),
        input_digest: digest("input"),
        attachments: vec![AttachmentDigest {
            name: "form".to_owned(),
            sha256: digest("form"),
            media_type: "image/png".to_owned(),
            size: 48_213,
        }],
        submitted_by: "intake-bot".to_owned(),
        restarted: None,
    };
    let step = StepCompleted {
        pointer: "/do/0/read".to_owned(),
        function: "read".to_owned(),
        input_digest: digest("form"),
        output_digest: digest("fields"),
        attempt: 1,
        decision_ids: vec!["dec_1".to_owned()],
    };
    let requested = ReviewRequested {
        review_id: "rev_1".to_owned(),
        pointer: "/do/3/review".to_owned(),
        roles: vec!["reviewer".to_owned()],
        subject_digest: digest("subject"),
    };
    let claimed = ReviewClaimed { review_id: "rev_1".to_owned(), by: "dana".to_owned() };
    let decided = ReviewDecided {
        voters: vec![],
        signature: None,
        subject_digest: String::new(),
        edits_digest: String::new(),
        result_digest: String::new(),
        review_id: "rev_1".to_owned(),
        by: "dana".to_owned(),
        decision: "approve".to_owned(),
        reason_digest: digest("reason"),
        edited: false,
    };
    let closed = TaskClosed {
        status: "completed".to_owned(),
        output_digest: digest("output"),
        decision: Some("approve".to_owned()),
        clause: Some("H-2.1".to_owned()),
        error: None,
        error_at: None,
        by: None,
        reason_digest: None,
        replaced_by: None,
        kernel_records: 6,
    };
    vec![
        record("r1", "router", "model.called", 1_700_000_000_900, &called()),
        record("k1", "kernel", "task.submitted", 1_700_000_000_000, &submitted),
        record("k2", "kernel", "step.completed", 1_700_000_001_000, &step),
        record("t1", "retrieval", "retrieval.searched", 1_700_000_001_100, &searched()),
        record("k3", "kernel", "review.requested", 1_700_000_001_200, &requested),
        record("k4", "kernel", "review.claimed", 1_700_000_060_000, &claimed),
        record("k5", "kernel", "review.decided", 1_700_000_090_000, &decided),
        record("k6", "kernel", "task.completed", 1_700_000_090_500, &closed),
    ]
}
