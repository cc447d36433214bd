//! A human task: what a person is asked, and the rules of claiming and deciding.
//!
//! K-5: a review is decided once, by someone whom it names, never by the one who submitted the task.

use orrery_types::{ReviewId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::command::{Person, Reject};
use super::definition::{duration, violations};
use super::fault::{Fault, Standard};

/// Longest reason of a decision.
pub const REASON_BYTES_MAX: usize = 4_000;
const DEFAULT_DECISIONS: [&str; 2] = ["approve", "decline"];
/// Prefix of an entry of `roles` that names one person.
const USER: &str = "user:";

/// A question to a person, open until someone decides it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// What is asked, in a line.
    pub title: String,
    /// How to decide.
    pub instructions: String,
    /// Who may decide: roles, or `user:<principal>`.
    pub roles: Vec<String>,
    /// JSON Schema of the edits.
    pub form: Option<Value>,
    /// The possible decisions.
    pub decisions: Vec<String>,
    /// What it is about.
    pub subject: Value,
    /// When it is asked.
    pub created_at: UnixMillis,
    /// When it expires.
    pub due_at: Option<UnixMillis>,
    /// The decision that stands when it expires; none: the task times out.
    pub on_expiry: Option<String>,
    /// Who has claimed it, and when.
    pub claim: Option<(String, UnixMillis)>,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// One of the review's decisions.
    pub decision: String,
    /// Why.
    pub reason: String,
    /// Changed fields.
    pub edits: Value,
    /// Who.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

impl Decision {
    /// The output of the human task.
    pub fn to_output(&self) -> Value {
        json!({
            "decision": self.decision, "reason": self.reason, "edits": self.edits,
            "decided_by": self.by, "decided_at": self.at.to_string(),
        })
    }
}

impl Review {
    /// From the arguments of `orrery.human`.
    pub fn from_arguments(id: ReviewId, arguments: &Value, now: UnixMillis) -> Result<Self, Fault> {
        let wrong = |what: &str| Fault::new(Standard::Validation, format!("orrery.human: {what}"));
        let text = |field: &str| arguments.get(field).and_then(Value::as_str).map(str::to_owned);
        let texts = |field: &str| {
            let list = arguments.get(field)?.as_array()?;
            list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        };
        let roles = texts("roles").filter(|roles| !roles.is_empty());
        let roles =
            roles.ok_or_else(|| wrong("`roles` must be a list of roles or user:<principal>, with one at least"))?;
        let decisions = match arguments.get("decisions") {
            None | Some(Value::Null) => DEFAULT_DECISIONS.map(str::to_owned).to_vec(),
            Some(_) => texts("decisions")
                .filter(|decisions| !decisions.is_empty())
                .ok_or_else(|| wrong("`decisions` must be a list of names, with one at least"))?,
        };
        let form = arguments.get("form").filter(|form| !form.is_null()).cloned();
        if let Some(form) = &form {
            violations(form, &Value::Null).map_err(|error| wrong(&format!("`form` is not a JSON Schema: {error}")))?;
        }
        let due = arguments.get("due").filter(|due| !due.is_null());
        let due = due.map(duration::parse).transpose().map_err(|error| wrong(&format!("`due`: {error}")))?;
        let on_expiry = text("on_expiry");
        if let Some(decision) = on_expiry.as_ref().filter(|decision| !decisions.contains(decision)) {
            return Err(wrong(&format!("`on_expiry` names {decision:?}, which is none of the decisions")));
        }
        Ok(Self {
            id,
            title: text("title").ok_or_else(|| wrong("`title` must be text"))?,
            instructions: text("instructions").unwrap_or_default(),
            roles,
            form,
            decisions,
            subject: arguments.get("subject").cloned().unwrap_or(Value::Null),
            created_at: now,
            due_at: due.map(|due| now.saturating_add(due)),
            on_expiry,
            claim: None,
        })
    }

    /// Whether a person is named by the review.
    pub fn names(roles: &[String], person: &Person) -> bool {
        roles.iter().any(|role| match role.strip_prefix(USER) {
            Some(principal) => principal == person.principal,
            None => person.roles.contains(role),
        })
    }

    /// Whether a person may claim or decide it.
    pub fn admit(&self, person: &Person, submitted_by: &str) -> Result<(), Reject> {
        if person.principal == submitted_by {
            return Err(Reject::Forbidden("nobody reviews a task they submitted: ask someone else".to_owned()));
        }
        if !Self::names(&self.roles, person) {
            return Err(Reject::Forbidden(format!("this review needs one of: {}", self.roles.join(", "))));
        }
        match &self.claim {
            Some((holder, _)) if *holder != person.principal => {
                Err(Reject::Conflict(format!("{holder} has claimed this review")))
            }
            _ => Ok(()),
        }
    }

    /// Whether an answer fits.
    pub fn check(&self, decision: &str, reason: &str, edits: &Value) -> Result<(), Reject> {
        if !self.decisions.iter().any(|known| known == decision) {
            let known = self.decisions.join(", ");
            return Err(Reject::Invalid(format!("{decision:?} is no decision of this review: choose one of {known}")));
        }
        if reason.trim().is_empty() {
            return Err(Reject::Invalid("a decision needs a reason".to_owned()));
        }
        if reason.len() > REASON_BYTES_MAX {
            return Err(Reject::Invalid(format!("the reason is longer than {REASON_BYTES_MAX} bytes")));
        }
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
}
