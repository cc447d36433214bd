//! The outcome as an in-toto Statement, version 1, whose subject is the task's output.

use orrery_types::Sha256Digest;
use serde_json::{Value, json};

use super::{OutcomeError, Trace};

/// `_type` of an in-toto Statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// What the predicate is: an [`Outcome`](super::Outcome).
pub const PREDICATE_TYPE: &str = "urn:orrery:outcome:v1";

/// The statement that complete records of a closed task amount to.
pub fn statement(trace: &Trace) -> Result<Value, OutcomeError> {
    trace.check_complete()?;
    let outcome = trace.outcome()?;
    let (closed, record) = trace.closed.as_ref().ok_or(OutcomeError::NotClosed)?;
    // A task that ended without output is named by its closing record, so that there always is a subject.
    let (name, digest) = match output_hex(&closed.facts.output_digest) {
        Some(hex) => (format!("{}/output", outcome.task_id), hex),
        None => {
            let text = crate::canonical::to_string(&json!(record))?;
            (format!("{}/closing-record", outcome.task_id), Sha256Digest::of(text.as_bytes()).to_hex())
        }
    };
    Ok(json!({
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": digest}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": outcome,
    }))
}

fn output_hex(digest: &str) -> Option<String> {
    digest.parse::<Sha256Digest>().ok().map(|digest| digest.to_hex())
}
