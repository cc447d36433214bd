//! A call from request to recorded end: decide, reserve, try candidates, record, settle.
//!
//! - an answer leaves the router only after its row in the ledger is committed.
//! - a call that has been accepted is recorded, also when it is denied, fails, or its caller leaves.
//! - a call runs in a task of its own, so a caller that leaves ends the work but not the recording of it.

mod attempt;
mod conclude;
mod flights;
mod plan;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_policy::Bundle;
use orrery_proto::v1::{InvokeReply, ModelInput};
use orrery_supervise::Handle;
use orrery_types::UnixMillis;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::actors::{Board, ModelHealth};
use crate::budget::Budgets;
use crate::store::Ledger;
use attempt::Course;
pub use flights::Flights;
use orrery_providers::Registry;
use orrery_routing::catalogue::Catalogue;
use orrery_routing::request::RequestFacts;

/// How long the reply of a keyed call is given again.
pub const REPLY_KEPT: Duration = Duration::from_secs(86_400);

/// A call, checked and in the router's own terms. The input stays as it came; the rules never see it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The decision's id, which is the call's.
    pub id: String,
    /// The task, or empty.
    pub task_id: String,
    /// The step, or empty.
    pub step: String,
    /// What decisions are made from.
    pub facts: RequestFacts,
    /// What the model gets.
    pub input: ModelInput,
    /// Calls of a tenant with the same key have one effect.
    pub key: Option<String>,
    /// Of the whole request, so that a key cannot be used for another one.
    pub request_digest: String,
    /// After this nobody waits.
    pub deadline: UnixMillis,
    /// When it came.
    pub started: UnixMillis,
}

/// Everything that calls need. Shared by all calls.
#[derive(Debug)]
pub struct Router {
    /// What models there are.
    pub catalogue: Catalogue,
    /// Where data may go.
    pub policies: Bundle,
    /// How models do.
    pub board: Arc<Board>,
    /// Who keeps that.
    pub health: BTreeMap<String, Handle<ModelHealth>>,
    /// Who runs models.
    pub providers: Registry,
    /// Who may still spend.
    pub budgets: Budgets,
    /// What was spent.
    pub ledger: Ledger,
    /// Keyed calls under way.
    pub flights: Flights,
}

impl Router {
    /// Answers a call. A repeated key gets the recorded reply, or joins the call that is under way.
    pub async fn invoke(self: &Arc<Self>, call: Call) -> Result<InvokeReply, Error> {
        let router = self.clone();
        let key = call.key.as_ref().map(|key| (call.facts.tenant.clone(), key.clone()));
        let digest = call.request_digest.clone();
        let reply = self.flights.join(key, &digest, move |left| async move { router.run(call, left).await }).await?;
        Ok(Arc::unwrap_or_clone(reply))
    }

    async fn run(&self, call: Call, left: CancellationToken) -> Result<InvokeReply, Error> {
        if let Some(reply) = self.replay(&call).await? {
            return Ok(reply);
        }
        let plan = self.plan(&call)?;
        let mut course = Course::default();
        let start = |provider: Arc<dyn orrery_providers::Provider>, order| async move { provider.invoke(order).await };
        match self.first_success(&call, &plan, &mut course, &left, start).await {
            Ok(taken) => {
                let (answer, taken) = taken.split();
                self.conclude_answered(&call, &plan, &course, taken, answer).await
            }
            Err(error) => Err(self.conclude_failed(&call, &plan, &course, error).await),
        }
    }

    /// The reply recorded for the call's key.
    async fn replay(&self, call: &Call) -> Result<Option<InvokeReply>, Error> {
        let Some(key) = &call.key else { return Ok(None) };
        let kept = u64::try_from(REPLY_KEPT.as_millis()).unwrap_or(u64::MAX);
        let since = UnixMillis(call.started.0.saturating_sub(kept));
        let Some(replay) = self.ledger.replay(&call.facts.tenant, key, since).await? else { return Ok(None) };
        if replay.request_digest != call.request_digest {
            return Err(key_used_for_another(key));
        }
        metrics::counter!("orrery.router.replays").increment(1);
        let decoded = InvokeReply::decode(replay.reply.as_slice());
        let corrupted =
            |error| Error::new(ErrorCode::DataCorrupted, format!("the recorded reply does not read: {error}"));
        decoded.map(Some).map_err(corrupted)
    }
}

fn key_used_for_another(key: &str) -> Error {
    let message = format!("the idempotency key {key:?} was used for a different request; use a new key");
    Error::new(ErrorCode::Conflict, message)
}
