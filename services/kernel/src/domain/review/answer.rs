//! Whether an answer fits its review, and what the subject becomes by it.

use orrery_types::UnixMillis;
use serde_json::{Map, Value};

use super::{COMMENTS_MAX, Decision, Review, TEXT_BYTES_MAX, Vote};
use crate::domain::command::Reject;
use crate::domain::definition::{digest, violations};

impl Review {
    /// Whether an answer fits.
    pub fn check(&self, decision: &str, reason: &str, edits: &Value) -> Result<(), Reject> {
        if !self.decisions.iter().any(|known| known == decision) {
            let known = self.decisions.join(", ");
            return Err(Reject::Invalid(format!("{decision:?} is no decision of this review: choose one of {known}")));
        }
        check_text("reason", reason)?;
        if edits.is_null() {
            return Ok(());
        }
        let Some(form) = &self.form else {
            return Err(Reject::Invalid("this review takes no edits".to_owned()));
        };
        match violations(form, edits) {
            Ok(faults) if faults.is_empty() => Ok(()),
            Ok(faults) => Err(Reject::Invalid(format!("the edits do not fit the form: {}", faults.join("; ")))),
            Err(error) => Err(Reject::Invalid(format!("the form of this review cannot be used: {error}"))),
        }
    }

    /// Whether a comment may be added.
    pub fn check_comment(&self, text: &str) -> Result<(), Reject> {
        check_text("comment", text)?;
        if self.comments.len() >= COMMENTS_MAX {
            return Err(Reject::Invalid(format!("this review has {COMMENTS_MAX} comments already, the most it takes")));
        }
        Ok(())
    }

    /// The decision that an answer is.
    pub fn decide(&self, vote: Vote, at: UnixMillis, voters: Vec<String>) -> Decision {
        let edited = !vote.edits.is_null();
        Decision {
            result: if edited { merge_patch(self.subject.clone(), &vote.edits) } else { Value::Null },
            subject_digest: digest(&self.subject).to_string(),
            edits_digest: if edited { digest(&vote.edits).to_string() } else { String::new() },
            decision: vote.decision,
            reason: vote.reason,
            edits: vote.edits,
            by: vote.by,
            at,
            voters,
            signature: None,
        }
    }
}

fn check_text(what: &str, text: &str) -> Result<(), Reject> {
    if text.trim().is_empty() {
        return Err(Reject::Invalid(format!("the {what} is empty: say something, it goes on the record")));
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(Reject::Invalid(format!("the {what} is longer than {TEXT_BYTES_MAX} bytes")));
    }
    Ok(())
}

/// RFC 7396, section 2: fields of the patch replace those of the target, null removes, anything but an object replaces
/// the whole.
pub fn merge_patch(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut fields = match target {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for (name, value) in patch {
        match value {
            Value::Null => {
                fields.remove(name);
            }
            value => {
                let before = fields.remove(name).unwrap_or(Value::Null);
                fields.insert(name.clone(), merge_patch(before, value));
            }
        }
    }
    Value::Object(fields)
}
