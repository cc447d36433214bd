//! `orrery review`: list, get, claim and decide, hand on, comment, verify.

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};
use orrery_proof::NoteVerifier;
use serde_json::{Value, json};

use crate::cli::Globals;
use crate::client;
use crate::error::usage;
use crate::output::{Output, Table, text};

const TITLE_WIDTH: usize = 50;
/// What the signature under a decision says.
const SIGNED: [&str; 7] = ["review", "task", "decision", "by", "voters", "subject_digest", "edits_digest"];

/// What to do with reviews.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// List what waits for a person.
    List {
        /// `open`, `claimed`, `decided`, `withdrawn`; several with commas.
        #[arg(long, default_value = "open,claimed")]
        status: String,
        /// Of one task only.
        #[arg(long)]
        task: Option<String>,
        /// Of one workflow only.
        #[arg(long)]
        workflow: Option<String>,
        /// `mine`, `claimable` or `overdue` only.
        #[arg(long)]
        view: Option<String>,
        /// `due`: the most urgent first, instead of the newest.
        #[arg(long)]
        order: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one review with everything the workflow puts before the person.
    Get { review: String },
    /// How many reviews wait for you.
    Work,
    /// Take a review, so that nobody else does.
    Claim { review: String },
    /// Give a review back.
    Release { review: String },
    /// Hand a review that you hold to someone else.
    Delegate {
        review: String,
        /// Their name.
        #[arg(long)]
        to: String,
    },
    /// Give a review other candidates; for admins and its supervisors.
    Reassign {
        review: String,
        /// A role, or user:<name>; may be repeated.
        #[arg(long, required = true)]
        to: Vec<String>,
    },
    /// Say something about a review.
    Comment { review: String, text: String },
    /// Check the signature under a decision with the keys of the system.
    Verify { review: String },
    /// Decide a review that you claimed.
    Decide(DecideArgs),
}

/// Options of `review decide`.
#[derive(Debug, Args)]
pub struct DecideArgs {
    review: String,
    /// One of the decisions that the workflow offers.
    #[arg(long)]
    decision: String,
    /// Why; kept on the record.
    #[arg(long)]
    reason: String,
    /// Corrections as a JSON object.
    #[arg(long, value_name = "JSON")]
    edits: Option<String>,
}

/// Runs it.
pub async fn run(globals: &Globals, command: ReviewCommand, output: Output) -> Result<()> {
    let gateway = client::connect(globals)?;
    match command {
        ReviewCommand::List { status, task, workflow, view, order, limit } => {
            let mut query = vec![("status", status.as_str())];
            let given = [("task", &task), ("workflow", &workflow), ("view", &view), ("order", &order)];
            query.extend(given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))));
            output.show(&gateway.list(&["reviews"], &query, limit).await?, many);
        }
        ReviewCommand::Get { review } => output.show(&gateway.get(&["reviews", &review], &[]).await?, one),
        ReviewCommand::Work => output.show(&gateway.get(&["reviews", "work"], &[]).await?, |work| {
            text::fields(work, &["mine", "claimable", "overdue", "open"])
        }),
        ReviewCommand::Claim { review } => {
            output.show(&gateway.post(&["reviews", &review, "claim"], &json!({})).await?, head);
        }
        ReviewCommand::Release { review } => {
            output.show(&gateway.post(&["reviews", &review, "release"], &json!({})).await?, head);
        }
        ReviewCommand::Delegate { review, to } => {
            output.show(&gateway.post(&["reviews", &review, "delegate"], &json!({ "to": to })).await?, head);
        }
        ReviewCommand::Reassign { review, to } => {
            output.show(&gateway.post(&["reviews", &review, "reassign"], &json!({ "to": to })).await?, head);
        }
        ReviewCommand::Comment { review, text } => {
            output.show(&gateway.post(&["reviews", &review, "comments"], &json!({ "text": text })).await?, one);
        }
        ReviewCommand::Verify { review } => {
            let (review, keys) =
                (gateway.get(&["reviews", &review], &[]).await?, gateway.get(&["reviews", "keys"], &[]).await?);
            output.show(&verified(&review, &keys)?, |signed| text::fields(signed, &SIGNED));
        }
        ReviewCommand::Decide(args) => {
            let mut body = json!({ "decision": args.decision, "reason": args.reason });
            if let Some(edits) = &args.edits {
                let edits: Value =
                    serde_json::from_str(edits).map_err(|error| usage(format!("--edits is not JSON: {error}")))?;
                if let Some(body) = body.as_object_mut() {
                    body.insert("edits".to_owned(), edits);
                }
            }
            output.show(&gateway.post(&["reviews", &args.review, "decide"], &body).await?, head);
        }
    }
    Ok(())
}

/// What a signature says, once it holds under one of the keys and belongs to the decision that is shown.
fn verified(review: &Value, keys: &Value) -> Result<Value> {
    let note =
        review.get("signature").and_then(Value::as_str).context("the review carries no signature: is it decided?")?;
    let keys = keys.get("verifier_keys").and_then(Value::as_array).map_or(&[] as &[_], Vec::as_slice);
    let verifiers = keys.iter().filter_map(|key| NoteVerifier::parse(key.as_str()?).ok());
    let opened = verifiers.into_iter().find_map(|verifier| verifier.open(note).ok().map(str::to_owned));
    let opened = opened.context("none of the system's keys signed this decision")?;
    let line = opened.strip_prefix("orrery review decision v1\n").context("the signature is not one of a decision")?;
    let signed: Value = serde_json::from_str(line).context("the signed text cannot be read")?;
    for (shown, said) in [("id", "review"), ("task_id", "task"), ("decision", "decision"), ("decided_by", "by")] {
        ensure!(review.get(shown) == signed.get(said), "the signature is of another {said} than is shown");
    }
    Ok(signed)
}

/// The review with everything that it is about.
fn one(review: &Value) -> String {
    let mut shown = head(review);
    let rows = |name: &str| review.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for vote in rows("votes") {
        let [by, decision, reason] = ["by", "decision", "reason"].map(|name| text::field(&vote, name));
        shown.push_str(&format!("\n{by} says {decision}: {reason}"));
    }
    for comment in rows("comments") {
        shown.push_str(&format!("\n{}: {}", text::field(&comment, "by"), text::field(&comment, "text")));
    }
    if let Some(subject) = review.get("subject").filter(|subject| !subject.is_null()) {
        shown.push_str(&format!("\nsubject\n{}", text::indented(subject)));
    }
    shown
}

fn head(review: &Value) -> String {
    let names = [
        "id",
        "task_id",
        "title",
        "status",
        "roles",
        "instructions",
        "decisions",
        "round",
        "claimed_by",
        "delegated_by",
        "decision",
        "reason",
        "decided_by",
        "created_at",
        "due_at",
        "expires_at",
    ];
    text::fields(review, &names)
}

fn many(reviews: &Value) -> String {
    let mut table = Table::new(&["review", "task", "title", "roles", "status", "claimed by", "due"]);
    for review in text::rows(reviews) {
        table.row([
            text::field(review, "id"),
            text::field(review, "task_id"),
            text::short(&text::field(review, "title"), TITLE_WIDTH),
            text::field(review, "roles"),
            text::field(review, "status"),
            text::field(review, "claimed_by"),
            text::time(review.get("due_at").unwrap_or(&Value::Null)),
        ]);
    }
    table.or("nothing waits for a person")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use orrery_proof::NoteSigner;

    use super::*;

    #[test]
    fn a_signature_holds_for_the_decision_that_it_is_of_and_under_a_known_key_only() {
        let signer = NoteSigner::from_seed("orrery-kernel", [7; 32]).unwrap();
        let line = json!({"review": "rev_1", "task": "task_1", "decision": "approve", "by": "bob"});
        let note = signer.sign(&format!("orrery review decision v1\n{line}\n")).unwrap();
        let review = json!({
            "id": "rev_1", "task_id": "task_1", "decision": "approve", "decided_by": "bob", "signature": note,
        });
        let keys = json!({ "verifier_keys": [signer.verifier().vkey()] });
        assert_eq!(verified(&review, &keys).unwrap()["by"], json!("bob"));
        for (field, other) in
            [("decision", "decline"), ("decided_by", "eve"), ("signature", "no note"), ("id", "rev_2")]
        {
            let mut altered = review.clone();
            altered[field] = json!(other);
            assert!(verified(&altered, &keys).is_err(), "{field}");
        }
        let stranger = NoteSigner::from_seed("orrery-kernel", [8; 32]).unwrap();
        assert!(verified(&review, &json!({ "verifier_keys": [stranger.verifier().vkey()] })).is_err());
        assert!(verified(&json!({"id": "rev_1"}), &keys).is_err(), "undecided");
    }
}
