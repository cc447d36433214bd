//! Runs packets through a workflow over HTTP, as any client would, and plays the reviewer where a person must decide.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout_at};

use super::plan::Plan;
use crate::client::{Attachment, Gateway, Submission, is_final};
use crate::commands::{key, knowledge, workflow};
use crate::error::ApiError;
use crate::output::text;

/// One packet never takes longer, whatever is in it.
const PACKET_WITHIN: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(50);
/// Attempts to submit while the system is busy or being mended.
const SUBMIT_ATTEMPTS: u32 = 10;
const SUBMIT_PAUSE_MS: u64 = 500;

/// What a reviewer says, given the review.
pub type Script = Box<dyn Fn(&Value) -> (String, String)>;

/// Submits as one principal and decides as another, since nobody may review a task of their own.
pub struct Runner {
    submitter: Gateway,
    reviewer: Option<(Gateway, Script)>,
    plan: Plan,
    workflow: String,
}

/// One packet, run.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// The packet's folder.
    pub name: String,
    /// Empty when nothing was started.
    pub task: String,
    pub status: String,
    /// The outcome; null when there is none.
    pub outcome: Value,
    /// Whether a person was asked.
    pub asked: bool,
    /// From submission until the outcome was there or a person was asked.
    pub seconds: f64,
    pub cost_nanos: u64,
    /// Why there is no outcome.
    pub error: Option<String>,
}

impl Runner {
    /// Loads knowledge, deploys the workflow, and creates the keys of submitter and reviewer.
    pub async fn prepare(admin: &Gateway, plan: Plan, roles: &[String], script: Option<Script>) -> Result<Self> {
        if let Some((collection, files)) = &plan.knowledge {
            knowledge::add(admin, collection, files).await?;
        }
        let deployed = workflow::deploy(admin, &plan.workflow).await?;
        let workflow = format!("{}:{}", text::field(&deployed, "name"), text::field(&deployed, "version"));
        let submitter = key::create(admin, "submitter", &["developer".to_owned()]).await;
        let submitter =
            admin.acting_as(&submitter.context("this needs an admin key, to act as submitter and reviewer")?);
        let reviewer = match script {
            Some(script) => {
                let roles: Vec<String> = ["reviewer".to_owned()].into_iter().chain(roles.iter().cloned()).collect();
                Some((admin.acting_as(&key::create(admin, "scripted-reviewer", &roles).await?), script))
            }
            None => None,
        };
        Ok(Self { submitter, reviewer, plan, workflow })
    }

    /// The plan it follows.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Runs one packet to its end. A packet that cannot be run is a case with an error, never an error of the run.
    pub async fn run(&self, folder: &Path) -> Case {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut case = Case { name, ..Case::default() };
        if let Err(error) = self.drive(folder, &mut case).await {
            case.error = Some(format!("{error:#}"));
        }
        case
    }

    async fn drive(&self, folder: &Path, case: &mut Case) -> Result<()> {
        let until = Instant::now() + PACKET_WITHIN;
        let late = || format!("the packet took longer than {} s", PACKET_WITHIN.as_secs());
        let attachments = self.plan.attachments(folder)?;
        let attachments = attachments.into_iter().map(|(name, path)| Attachment { name, path }).collect();
        let submission = Submission { workflow: self.workflow.clone(), attachments, ..Submission::default() };
        let started = Instant::now();
        case.task = text::field(&self.submit(&submission).await?, "id");
        let mut decisive = None;
        let following = self.submitter.follow(&case.task, |event| {
            case.asked = event.kind == "review.requested";
            let over = case.asked || is_final(&event.kind);
            decisive = over.then_some(event.arrived);
            over
        });
        timeout_at(until, following).await.with_context(late)??;
        case.seconds = decisive.unwrap_or_else(Instant::now).duration_since(started).as_secs_f64();
        let task = timeout_at(until, self.finish(&case.task, &mut case.outcome)).await.with_context(late)??;
        case.status = text::field(&task, "status");
        if let Some(output) = task.get("output").filter(|output| !output.is_null()) {
            case.outcome = output.clone();
        }
        let spend = self.submitter.get(&["spend"], &[("task", &case.task)]).await?;
        let rows = spend.get("rows").and_then(Value::as_array).into_iter().flatten();
        case.cost_nanos = rows.map(|row| text::number(row, "cost_nanos")).sum();
        if case.status == "faulted" {
            let error = task.get("error").map(text::scalar).unwrap_or_default();
            bail!("the task failed: {error}");
        }
        Ok(())
    }

    /// Decides what waits until the task is over. Without a reviewer the case is judged by what the review shows.
    async fn finish(&self, task: &str, shown: &mut Value) -> Result<Value> {
        loop {
            let found = self.submitter.get(&["tasks", task], &[]).await?;
            if !matches!(text::field(&found, "status").as_str(), "pending" | "running" | "waiting" | "paused") {
                return Ok(found);
            }
            let query = [("task", task), ("status", "open,claimed")];
            let reader = self.reviewer.as_ref().map_or(&self.submitter, |(reviewer, _)| reviewer);
            let waiting = reader.get(&["reviews"], &query).await?;
            for review in text::rows(&waiting) {
                let Some((reviewer, script)) = &self.reviewer else {
                    *shown = review.get("subject").cloned().unwrap_or_default();
                    return Ok(found);
                };
                let id = text::field(review, "id");
                reviewer.post(&["reviews", &id, "claim"], &json!({})).await?;
                let (decision, reason) = script(review);
                let body = json!({ "decision": decision, "reason": reason });
                reviewer.post(&["reviews", &id, "decide"], &body).await?;
            }
            sleep(POLL).await;
        }
    }

    async fn submit(&self, submission: &Submission) -> Result<Value> {
        let mut attempt = 1;
        loop {
            match self.submitter.submit(submission).await {
                Ok(task) => return Ok(task),
                Err(error) => {
                    let hint = error.downcast_ref::<ApiError>().and_then(|api| api.retry_after_ms);
                    let Some(pause) = hint.filter(|_| attempt < SUBMIT_ATTEMPTS) else { return Err(error) };
                    sleep(Duration::from_millis(pause.max(SUBMIT_PAUSE_MS))).await;
                    attempt += 1;
                }
            }
        }
    }
}
