//! A call from request to recorded end: decide, reserve, try candidates, record, settle.

mod attempt;
mod cached;
mod cascade;
mod conclude;
mod course;
mod decision;
mod ensemble;
mod flights;
mod hedge;
mod meters;
mod shadow;
mod stream;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orrery_cache::Wish;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{CallRecord, Caller, InvokeReply, ModelInput};
use orrery_providers::Answer;
use orrery_routing::decide::{self, Course as Way, Decision, Inputs};
use orrery_routing::request::RequestFacts;
use orrery_types::UnixMillis;
use tokio_util::sync::CancellationToken;

use crate::{DataPlane, Snapshot};
use attempt::Run;
use cached::Kept;
use course::Course;
pub use decision::decision_digest;
pub(crate) use flights::Flights;
pub(crate) use shadow::Copies;
pub use stream::Frames;

/// How long the reply of a keyed call is given again.
pub const REPLY_KEPT: Duration = Duration::from_secs(86_400);

/// A call, checked. The input stays as it came; the rules never see it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The decision's id, which is the call's.
    pub id: String,
    /// Who asks and pays.
    pub caller: Caller,
    /// The task, or empty.
    pub task_id: String,
    /// The step, or empty.
    pub step: String,
    /// What decisions are made from.
    pub facts: RequestFacts,
    /// What the model gets.
    pub input: ModelInput,
    /// What the caller wants of the cache.
    pub cache: Wish,
    /// Calls of a tenant with the same key have one effect.
    pub key: Option<String>,
    /// Of the whole request, so that a key cannot be used for another one; empty without a key.
    pub request_digest: String,
    /// After this nobody waits.
    pub deadline: UnixMillis,
    /// When it came.
    pub started: UnixMillis,
}

/// A reply that was given for a key.
#[derive(Debug, Clone)]
pub struct KeptReply {
    /// Of the request, so that the key cannot be used for another one.
    pub request_digest: String,
    /// The reply.
    pub reply: InvokeReply,
}

/// Keeps the replies of keyed calls, together with their records.
#[async_trait]
pub trait Replies: fmt::Debug + Send + Sync {
    /// The reply that a tenant was given for a key, if it is younger than `since`.
    async fn find(&self, tenant: &str, key: &str, since: UnixMillis) -> Result<Option<KeptReply>, Error>;

    /// Commits a call's record and its reply in one.
    async fn record(&self, record: CallRecord, reply: KeptReply) -> Result<(), Error>;
}

/// An answer that is paid for, and whose it is.
#[derive(Debug)]
struct Answered {
    answer: Answer,
    model: String,
}

/// A decision and what it was made from.
#[derive(Debug)]
pub(crate) struct Plan {
    pub snapshot: Arc<Snapshot>,
    pub decision: Decision,
    /// What the decision was made from, as it is kept.
    pub record: String,
    /// Of the decision as it was made, whatever is done with it.
    pub digest: String,
}

impl DataPlane {
    /// Answers a call. A repeated key gets the recorded reply, or joins the call that is under way. Dropping the future
    /// cancels the work; what was used is recorded all the same.
    pub async fn invoke(self: &Arc<Self>, call: Call) -> Result<InvokeReply, Error> {
        let plane = self.clone();
        let key = call.key.as_ref().map(|key| (call.facts.tenant.clone(), key.clone()));
        let digest = call.request_digest.clone();
        let reply = self.flights.join(key, &digest, move |left| async move { plane.run(call, left).await }).await?;
        Ok(Arc::unwrap_or_clone(reply))
    }

    async fn run(self: &Arc<Self>, call: Call, left: CancellationToken) -> Result<InvokeReply, Error> {
        if let Some(reply) = self.replay(&call).await? {
            return Ok(reply);
        }
        let plan = self.plan(&call)?;
        let share = match self.kept(&call, &plan, &left).await? {
            Kept::Given(reply) => return Ok(*reply),
            Kept::Ask(share) => share,
        };
        let course = Course::default();
        let run = Run { call: &call, plan: &plan, course: &course, left: &left };
        let reply = match self.answer(&run).await {
            Ok(answered) => {
                let reply = self.conclude_answered(&run, answered, 0, share.mark()).await?;
                share.fill(&reply).await;
                reply
            }
            Err(error) => match self.last_resort(&run, share, &error).await {
                Some(reply) => return Ok(reply),
                None => return Err(self.conclude_failed(&run, error).await),
            },
        };
        self.copy_to_shadow(call, plan);
        Ok(reply)
    }

    /// One whole answer, by the plan's way to it.
    async fn answer(&self, run: &Run<'_>) -> Result<Answered, Error> {
        match &run.plan.decision.plan.course {
            Way::First => {
                let taken = self.first_success::<Answer>(run, &[], None).await?;
                Ok(self.pay_for(run, taken))
            }
            Way::Cascade(cascade) => self.cascade(run, cascade).await,
            Way::Ensemble(ensemble) => self.ensemble(run, ensemble).await,
        }
    }

    fn plan(&self, call: &Call) -> Result<Plan, Error> {
        let snapshot = self.snapshot();
        let policies = snapshot.verdicts.of(&snapshot.policies, &snapshot.catalogue, &call.facts)?;
        let statistics = snapshot.statistics();
        let inputs = Inputs {
            id: call.id.clone(),
            at: call.started,
            seed: rand::random(),
            facts: call.facts.clone(),
            health: snapshot.board.health(call.started),
            policies: policies.as_ref().clone(),
            policy_digest: snapshot.policies.digest(),
            catalogue_digest: snapshot.catalogue.digest,
            statistics_revision: statistics.revision,
        };
        let decision = decide::decide(&snapshot.catalogue, &statistics, &inputs);
        let digest = decision_digest(&decision);
        let record = decide::record(inputs, &snapshot.catalogue).map_err(|error| Error::internal(&error))?;
        Ok(Plan { snapshot, decision, record, digest })
    }

    /// The reply recorded for the call's key.
    async fn replay(&self, call: &Call) -> Result<Option<InvokeReply>, Error> {
        let Some(key) = &call.key else { return Ok(None) };
        let Some(replies) = &self.replies else {
            let message = "calls with an idempotency key are made by the router; send this one there";
            return Err(Error::new(ErrorCode::FailedPrecondition, message));
        };
        let kept = u64::try_from(REPLY_KEPT.as_millis()).unwrap_or(u64::MAX);
        let since = UnixMillis(call.started.0.saturating_sub(kept));
        let Some(kept) = replies.find(&call.facts.tenant, key, since).await? else { return Ok(None) };
        if kept.request_digest != call.request_digest {
            return Err(key_used_for_another(key));
        }
        metrics::counter!("orrery.router.replays").increment(1);
        Ok(Some(kept.reply))
    }
}

fn key_used_for_another(key: &str) -> Error {
    let message = format!("the idempotency key {key:?} was used for a different request; use a new key");
    Error::new(ErrorCode::Conflict, message)
}
