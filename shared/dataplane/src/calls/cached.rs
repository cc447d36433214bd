//! Answers that were given before. A kept answer costs nothing and uses no tokens, but it is a call: policies, and limits on
//! requests, hold for it, and it is recorded.

use std::time::Duration;

use orrery_cache::{Lookup, Mode, Question, Rules, Scope, Ticket, Versions, Wish};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{InvokeReply, Usage};
use orrery_providers::Answer;
use orrery_routing::catalogue::{CacheMode, CacheRules, Model};
use orrery_routing::decide::Dropped;
use orrery_types::UnixMillis;
use tokio_util::sync::CancellationToken;

use super::attempt::{Run, caller_left};
use super::conclude::{End, OK, millis};
use super::course::Course;
use super::{Call, Plan, decision};
use crate::DataPlane;
use crate::budget::Amounts;

/// What the last look at kept answers may take, after all models have failed.
const LAST_LOOK: Duration = Duration::from_millis(200);
const STALE: &str = "stale";

/// What became of the look at kept answers.
pub(super) enum Kept {
    /// There is one; it is recorded.
    Given(Box<InvokeReply>),
    /// A model has to be asked.
    Ask(Share),
}

/// A call's share in the cache: the duty to leave its answer, if it takes part. Dropping it passes the duty on.
#[derive(Debug, Default)]
pub(super) struct Share(Option<Ticket>);

impl Share {
    /// For the reply of the model that is asked now.
    pub fn mark(&self) -> &'static str {
        self.0.as_ref().map_or("", Ticket::mark)
    }

    /// Leaves the answer for all who wait and will ask. Called after it is recorded.
    pub async fn fill(self, reply: &InvokeReply) {
        if let Some(ticket) = self.0 {
            ticket.fill(reply).await;
        }
    }
}

impl DataPlane {
    /// The kept answer, if there is one that this caller may have.
    pub(super) async fn kept(&self, call: &Call, plan: &Plan, left: &CancellationToken) -> Result<Kept, Error> {
        // Where policies let no model answer, no model's earlier answer is given.
        if plan.decision.denied_by_policy() {
            return Ok(Kept::Ask(Share::default()));
        }
        let lookup = tokio::select! {
            lookup = self.look(call, plan, call.cache, call.deadline) => lookup,
            () = left.cancelled() => Err(caller_left()),
        };
        let run = Run { call, plan, course: &Course::default(), left };
        let given = match lookup {
            Ok(None) => return Ok(Kept::Ask(Share::default())),
            Ok(Some(Lookup::Miss(ticket))) => return Ok(Kept::Ask(Share(Some(ticket)))),
            Ok(Some(Lookup::Exact(reply) | Lookup::Semantic { reply, .. })) => match author(plan, &reply) {
                Some(author) => self.give(&run, author, reply).await,
                None => return Ok(Kept::Ask(Share::default())),
            },
            Err(error) => Err(error),
        };
        match given {
            Ok(reply) => Ok(Kept::Given(Box::new(reply))),
            Err(error) => Err(self.conclude_failed(&run, error).await),
        }
    }

    /// After all models have failed: the answer that was to be made anew, where the route says that it will do.
    pub(super) async fn last_resort(&self, run: &Run<'_>, share: Share, error: &Error) -> Option<InvokeReply> {
        let (call, plan) = (run.call, run.plan);
        if !plan.decision.plan.last_resort.cached_answer || !models_failed(run, error) {
            return None;
        }
        let earlier = match share.0.as_ref().and_then(Ticket::earlier) {
            Some(reply) => reply,
            None if call.cache == Wish::Refresh => {
                drop(share);
                let until = UnixMillis::now().saturating_add(LAST_LOOK);
                match self.look(call, plan, Wish::AsConfigured, until).await.ok()?? {
                    Lookup::Exact(reply) | Lookup::Semantic { reply, .. } => reply,
                    Lookup::Miss(ticket) => ticket.earlier()?,
                }
            }
            None => return None,
        };
        let author = author(plan, &earlier)?;
        let stale = InvokeReply { cache: STALE.to_owned(), ..earlier };
        match self.give(run, author, stale).await {
            Ok(reply) => Some(reply),
            Err(error) => {
                tracing::debug!(%error, call.id, "the kept answer was not given in place of the models'");
                None
            }
        }
    }

    async fn look(&self, call: &Call, plan: &Plan, wish: Wish, until: UnixMillis) -> Result<Option<Lookup>, Error> {
        let Some(caches) = &self.caches else { return Ok(None) };
        let rules = rules(plan.snapshot.catalogue.cache_rules(&call.facts.model));
        if rules.mode == Mode::Off {
            return Ok(None);
        }
        let facts = &call.facts;
        let scope = Scope {
            tenant: facts.tenant.clone(),
            roles: facts.roles.clone(),
            data_classes: facts.data_classes.clone(),
            purpose: facts.purpose.clone(),
            model: facts.model.clone(),
        };
        // No call says yet on which knowledge its question is grounded; what was found stands in its messages.
        let versions = Versions { models: plan.snapshot.catalogue.digest.to_string(), knowledge: String::new() };
        let question = Question { scope, versions, rules, wish, input: &call.input };
        Ok(Some(caches.cache().lookup(&question, until).await))
    }

    /// Charges the request, records it, and makes the kept answer this call's.
    async fn give(&self, run: &Run<'_>, author: &Model, kept: InvokeReply) -> Result<InvokeReply, Error> {
        let (call, plan) = (run.call, run.plan);
        let used = Amounts { requests: 1, ..Amounts::default() };
        let now = UnixMillis::now();
        let hold = self.budgets.reserve(&call.caller, &author.name, &used, now, call.deadline).await?;
        run.course.paid(&Usage::default(), self.budgets.settle(hold, &used), &kept.models);
        run.course.answered_by(author);
        let tally = run.course.tally();
        let usage = Usage { duration_ms: millis(UnixMillis::now().since(call.started)), ..Usage::default() };
        let InvokeReply { output, models, cache, similarity, .. } = kept;
        let answer = Answer { output: output.unwrap_or_default(), models, usage, quota: None };
        let end = End { outcome: OK, answer: Some(&answer), first_token_ms: 0 };
        let usage = Usage { duration_ms: usage.duration_ms, ..tally.usage };
        let mut record = self.ended(run, &tally, usage, &end);
        record.cache.clone_from(&cache);
        let reply = InvokeReply {
            output: Some(answer.output),
            models: answer.models,
            usage: Some(usage),
            decision: Some(decision::told(&plan.decision, &author.name, tally.attempts)),
            cache,
            similarity,
        };
        self.note_answered(call, record, &reply).await?;
        Ok(reply)
    }
}

/// The model that made a kept answer, if this caller might be answered by it now. It may rest, be too dear or too slow: that
/// does not make its answer worse.
fn author<'a>(plan: &'a Plan, reply: &InvokeReply) -> Option<&'a Model> {
    let name = &reply.models.last()?.name;
    let models = &plan.snapshot.catalogue.models;
    let is_it = |model: &&Model| model.name == *name || model.upstream() == name;
    let candidates = plan.decision.candidates.iter();
    let allowed = candidates.filter(|it| !matches!(it.dropped, Some(Dropped::Policy | Dropped::NotAsked)));
    allowed.filter_map(|candidate| models.get(&candidate.model)).find(is_it)
}

/// Whether the models are to blame, rather than the request, its caller or a limit.
fn models_failed(run: &Run<'_>, error: &Error) -> bool {
    let asked = run.course.tally().attempts > 0 || run.plan.decision.all_unavailable();
    let theirs = matches!(
        error.code,
        ErrorCode::ModelFailed
            | ErrorCode::Unavailable
            | ErrorCode::Overloaded
            | ErrorCode::RateLimited
            | ErrorCode::DeadlineExceeded
    );
    asked && theirs
}

#[allow(clippy::cast_possible_truncation)] // a share of one
fn rules(rules: &CacheRules) -> Rules {
    Rules {
        mode: match rules.mode {
            CacheMode::Off => Mode::Off,
            CacheMode::Exact => Mode::Exact,
            CacheMode::Semantic => Mode::Semantic,
        },
        nondeterministic: rules.nondeterministic,
        personal: rules.personal,
        tools: rules.tools,
        ttl: Duration::from_secs(rules.ttl_seconds),
        threshold: rules.threshold as f32,
    }
}
