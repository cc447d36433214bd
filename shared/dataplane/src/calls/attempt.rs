//! Tries candidates in their order, with retries, until one answers. What each attempt can use is set aside, and written down,
//! before it is made.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ModelInput, model_input};
use orrery_providers::{Order, Provider};
use orrery_routing::breaker::Outcome;
use orrery_routing::catalogue::Model;
use orrery_routing::decide::Candidate;
use orrery_routing::price::{self, Quantities};
use orrery_routing::request::RequestFacts;
use orrery_routing::retry::{self, Failure, Next, Standing};
use orrery_types::UnixMillis;
use tokio_util::sync::CancellationToken;

use super::decision::nobody;
use super::{Call, Plan};
use crate::board::Permit;
use crate::budget::{Amounts, Hold};
use crate::{DataPlane, Snapshot};

/// What has been tried so far; recorded however the call ends.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub attempts: u32,
    pub model: String,
    pub provider: String,
    /// That a provider is about to be asked was written down.
    pub began: bool,
}

/// A candidate that has begun to answer, and what is set aside for it.
#[derive(Debug)]
pub(super) struct Taken<'a, T> {
    pub value: T,
    pub model: &'a Model,
    pub hold: Hold,
    pub began: UnixMillis,
    permit: Permit,
}

impl<'a, T> Taken<'a, T> {
    pub fn split(self) -> (T, Taken<'a, ()>) {
        let Self { value, model, hold, began, permit } = self;
        (value, Taken { value: (), model, hold, began, permit })
    }
}

impl DataPlane {
    pub(super) async fn first_success<'a, T, S, F>(
        &self,
        call: &Call,
        plan: &'a Plan,
        course: &mut Course,
        left: &CancellationToken,
        start: S,
    ) -> Result<Taken<'a, T>, Error>
    where
        S: Fn(Arc<dyn Provider>, Order) -> F,
        F: Future<Output = Result<T, Error>>,
    {
        let snapshot = &plan.snapshot;
        let candidates: Vec<&Candidate> = plan.decision.eligible().collect();
        let mut last = nobody(&plan.decision, call);
        for (place, candidate) in candidates.iter().enumerate() {
            let Some(model) = snapshot.catalogue.models.get(&candidate.model) else { continue };
            let Some(provider) = snapshot.providers.get(&model.provider) else { continue };
            let most = at_most(&call.facts, model, call.started);
            let now = UnixMillis::now();
            let hold = match self.budgets.reserve(&call.caller, &model.name, &most, now, call.deadline).await {
                Ok(hold) => hold,
                // A cheaper one further down may still fit, or one that another limit counts.
                Err(error) if matches!(error.code, ErrorCode::BudgetExceeded | ErrorCode::RateLimited) => {
                    last = error;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Err(error) = self.begin(call, plan, course, model, &hold, &most) {
                self.budgets.release(hold);
                return Err(error);
            }
            let another = place + 1 < candidates.len();
            match self.try_one(call, plan, model, provider, another, course, left, &start).await {
                Ok((value, began, permit)) => return Ok(Taken { value, model, hold, began, permit }),
                Err((error, next)) => {
                    self.budgets.release(hold);
                    last = error;
                    if next == Next::GiveUp {
                        break;
                    }
                }
            }
        }
        Err(last)
    }

    /// One candidate, with its retries.
    #[allow(clippy::too_many_arguments)] // one caller; a struct would only rename them
    async fn try_one<T, S, F>(
        &self,
        call: &Call,
        plan: &Plan,
        model: &Model,
        provider: &Arc<dyn Provider>,
        another: bool,
        course: &mut Course,
        left: &CancellationToken,
        start: &S,
    ) -> Result<(T, UnixMillis, Permit), (Error, Next)>
    where
        S: Fn(Arc<dyn Provider>, Order) -> F,
        F: Future<Output = Result<T, Error>>,
    {
        let mut attempts_here = 0;
        loop {
            let began = UnixMillis::now();
            let Some(permit) = plan.snapshot.board.enter(&model.name, began) else {
                let error = Error::new(ErrorCode::Unavailable, format!("{} rests after failures", model.name));
                return Err((error.retry_after(Duration::from_secs(1)), Next::Fallback));
            };
            course.attempts += 1;
            attempts_here += 1;
            (course.model, course.provider) = (model.name.clone(), model.provider.clone());
            let deadline = attempt_deadline(began, call.deadline, another);
            let order = order(call, model, deadline);
            let error = tokio::select! {
                started = start(provider.clone(), order) => match started {
                    Ok(value) => return Ok((value, began, permit)),
                    Err(error) => error,
                },
                () = left.cancelled() => return Err((caller_left(), Next::GiveUp)),
                () = tokio::time::sleep(deadline.since(began)) => did_not_answer(model, deadline == call.deadline),
            };
            let now = UnixMillis::now();
            report_failure(&plan.snapshot, model, &error, now.since(began));
            tracing::warn!(%error, error.code = %error.code, gen_ai.request.model = model.name, attempt = course.attempts, "attempt failed");
            let standing = Standing {
                attempts: course.attempts,
                attempts_here,
                attempts_max: plan.decision.plan.retry.attempts,
                may_retry: true,
                another,
                remaining: call.deadline.since(now),
            };
            match retry::next(failure(&error), standing, rand::random()) {
                Next::Again(delay) => {
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = left.cancelled() => return Err((caller_left(), Next::GiveUp)),
                    }
                }
                next => return Err((error, next)),
            }
        }
    }
}

/// What quantities are worth in each kind of limit.
pub(super) fn amounts(used: &Quantities, model: &Model, at: UnixMillis) -> Amounts {
    Amounts {
        cost_nanos: used.cost(model, at).get(),
        tokens: used.input_tokens.saturating_add(used.output_tokens),
        requests: 1,
    }
}

/// The most that a call can use.
fn at_most(facts: &RequestFacts, model: &Model, at: UnixMillis) -> Amounts {
    let most = price::ceiling(facts, model);
    Amounts { cost_nanos: price::ceiling_cost(facts, model, at).get(), ..amounts(&most, model, at) }
}

/// A model has answered.
pub(super) fn report_answered(snapshot: &Snapshot, model: &Model, took: Duration) {
    let latency_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    snapshot.board.ended(&model.name, Outcome::Answered { latency_ms }, UnixMillis::now());
}

/// A model has failed, unless the request or the caller's impatience is to blame.
pub(super) fn report_failure(snapshot: &Snapshot, model: &Model, error: &Error, took: Duration) {
    metrics::counter!("orrery.router.attempt.failures",
        "gen_ai.request.model" => model.name.clone(), "error.type" => error.code.as_str())
    .increment(1);
    let impatient = error.code == ErrorCode::DeadlineExceeded && took < Duration::from_millis(model.latency_ms);
    let outcome = match (failure(error), error.retry_after) {
        (Failure::Request, _) => return,
        _ if impatient => return,
        (_, Some(pause)) if error.code == ErrorCode::RateLimited => Outcome::PauseAsked { pause },
        _ => Outcome::Failed,
    };
    snapshot.board.ended(&model.name, outcome, UnixMillis::now());
}

/// While another candidate is left, one may use up half of the time at most, so that the other gets a chance.
fn attempt_deadline(now: UnixMillis, deadline: UnixMillis, another: bool) -> UnixMillis {
    if another { now.saturating_add(deadline.since(now) / 2) } else { deadline }
}

fn order(call: &Call, model: &Model, deadline: UnixMillis) -> Order {
    let mut input: ModelInput = call.input.clone();
    if let Some(model_input::Kind::Chat(chat)) = &mut input.kind {
        // Never more than what is set aside for it.
        chat.max_tokens = u32::try_from(price::output_tokens_max(&call.facts, model)).unwrap_or(u32::MAX);
    }
    Order {
        call_id: call.id.clone(),
        model: model.name.clone(),
        upstream: model.upstream().to_owned(),
        input,
        deadline,
    }
}

fn failure(error: &Error) -> Failure {
    match error.code {
        ErrorCode::InvalidRequest
        | ErrorCode::InvalidDefinition
        | ErrorCode::InvalidMedia
        | ErrorCode::PayloadTooLarge
        | ErrorCode::DataCorrupted
        | ErrorCode::Cancelled => Failure::Request,
        ErrorCode::UnsupportedMedia
        | ErrorCode::Unauthenticated
        | ErrorCode::Forbidden
        | ErrorCode::NotFound
        | ErrorCode::AlreadyExists
        | ErrorCode::MethodNotAllowed
        | ErrorCode::Conflict
        | ErrorCode::FailedPrecondition
        | ErrorCode::DeadlineExceeded
        | ErrorCode::BudgetExceeded
        | ErrorCode::PolicyDenied
        | ErrorCode::NoModel
        | ErrorCode::Internal => Failure::Model { again: false, after: error.retry_after },
        ErrorCode::RateLimited | ErrorCode::Overloaded | ErrorCode::ModelFailed | ErrorCode::Unavailable => {
            Failure::Model { again: true, after: error.retry_after }
        }
    }
}

pub(super) fn caller_left() -> Error {
    Error::new(ErrorCode::Cancelled, "the caller has left")
}

fn did_not_answer(model: &Model, at_the_end: bool) -> Error {
    if at_the_end {
        let message = format!("{} did not answer before the deadline; allow more time", model.name);
        return Error::new(ErrorCode::DeadlineExceeded, message);
    }
    // Time is left for the next candidate, so this is the model's failure and not yet the call's.
    Error::new(ErrorCode::DeadlineExceeded, format!("{} did not answer in half of the time", model.name))
}
