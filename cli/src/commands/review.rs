//! `orrery review`: list, get, claim, decide.

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::Globals;
use crate::client;
use crate::error::usage;
use crate::output::{Output, Table, text};

const TITLE_WIDTH: usize = 50;

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
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one review with everything the workflow puts before the person.
    Get { review: String },
    /// Take a review, so that nobody else does.
    Claim { review: String },
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
        ReviewCommand::List { status, task, limit } => {
            let mut query = vec![("status", status.as_str())];
            query.extend(task.as_deref().map(|task| ("task", task)));
            output.show(&gateway.list(&["reviews"], &query, limit).await?, many);
        }
        ReviewCommand::Get { review } => output.show(&gateway.get(&["reviews", &review], &[]).await?, one),
        ReviewCommand::Claim { review } => {
            output.show(&gateway.post(&["reviews", &review, "claim"], &json!({})).await?, head);
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

/// The review with everything that it is about.
fn one(review: &Value) -> String {
    let mut shown = head(review);
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
        "claimed_by",
        "decision",
        "reason",
        "decided_by",
        "created_at",
        "due_at",
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
