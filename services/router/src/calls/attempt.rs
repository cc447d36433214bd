//! Tries candidates in their order, with retries, until one answers. Money is held for each attempt before it is made.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ModelInput, model_input};
use orrery_types::{Nanos, UnixMillis};
use tokio_util::sync::CancellationToken;

use super::plan::Plan;
use super::{Call, Router};
use crate::actors::{CallEnded, Permit};
use crate::budget::Reservation;
use orrery_providers::{Order, Provider};
use orrery_routing::breaker::Outcome;
use orrery_routing::catalogue::Model;
use orrery_routing::catalogue::route::Retry;
use orrery_routing::decide::{Candidate, Decision, Dropped};
use orrery_routing::price;
use orrery_routing::retry::{self, Failure, Next, Standing};

/// What has been tried so far; recorded however the call ends.
#[derive(Debug, Default)]
pub(super) struct Course {
    pub attempts: u32,
    pub model: String,
    pub provider: String,
}

/// A candidate that has begun to answer, and what is held for it.
#[derive(Debug)]
pub(super) struct Taken<'a, T> {
    pub value: T,
    pub model: &'a Model,
    pub reservation: Reservation,
    pub began: UnixMillis,
    permit: Permit,
}

impl<'a, T> Taken<'a, T> {
    pub fn split(self) -> (T, Taken<'a, ()>) {
        let Self { value, model, reservation, began, permit } = self;
        (value, Taken { value: (), model, reservation, began, permit })
    }
}

impl Router {
    pub(super) async fn first_success<'a, T, S, F>(
        &'a self,
        call: &Call,
        plan: &Plan,
        course: &mut Course,
        left: &CancellationToken,
        start: S,
    ) -> Result<Taken<'a, T>, Error>
    where
        S: Fn(Arc<dyn Provider>, Order) -> F,
        F: Future<Output = Result<T, Error>>,
    {
        let candidates: Vec<&Candidate> = plan.decision.eligible().collect();
        let mut last = nobody(&plan.decision, call);
        for (place, candidate) in candidates.iter().enumerate() {
            let Some(model) = self.catalogue.models.get(&candidate.model) else { continue };
            let Some(provider) = self.providers.get(&model.provider) else { continue };
            let hold = format!("{}/{place}", call.id);
            let price = candidate.price_ceiling;
            let now = UnixMillis::now();
            let reservation = match self.budgets.reserve(&call.facts.tenant, &hold, price, now, call.deadline).await {
                Ok(reservation) => reservation,
                // A cheaper one further down may still fit.
                Err(error) if error.code == ErrorCode::BudgetExceeded => {
                    last = error;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let another = place + 1 < candidates.len();
            match self.try_one(call, model, provider, another, course, left, &start).await {
                Ok((value, began, permit)) => return Ok(Taken { value, model, reservation, began, permit }),
                Err((error, next)) => {
                    self.budgets.settle(reservation, Nanos::ZERO).await;
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
            let Some(permit) = self.board.enter(&model.name, began) else {
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
            self.report_failure(model, &error, now.since(began));
            tracing::warn!(%error, error.code = %error.code, gen_ai.request.model = model.name, attempt = course.attempts, "attempt failed");
            let standing = Standing {
                attempts: course.attempts,
                attempts_here,
                attempts_max: Retry::default().attempts,
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

    /// Tells the model's actor that it answered.
    pub(super) fn report_answered(&self, model: &Model, took: Duration) {
        let latency_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.report(&model.name, Outcome::Answered { latency_ms });
    }

    /// Tells the model's actor that it failed, if it did.
    pub(super) fn report_failure(&self, model: &Model, error: &Error, took: Duration) {
        metrics::counter!("orrery.router.attempt.failures",
            "gen_ai.request.model" => model.name.clone(), "error.type" => error.code.as_str())
        .increment(1);
        let impatient = error.code == ErrorCode::DeadlineExceeded && took < Duration::from_millis(model.latency_ms);
        match (failure(error), error.retry_after) {
            (Failure::Request, _) => {}
            _ if impatient => {}
            (_, Some(pause)) if error.code == ErrorCode::RateLimited => {
                self.report(&model.name, Outcome::PauseAsked { pause })
            }
            _ => self.report(&model.name, Outcome::Failed),
        }
    }

    fn report(&self, model: &str, outcome: Outcome) {
        let Some(handle) = self.health.get(model) else { return };
        if let Err(error) = handle.try_send(CallEnded { outcome, at: UnixMillis::now() }) {
            tracing::debug!(%error, "a call's end was not counted for the model's health");
        }
    }
}

/// While another candidate is left, one may use up half of the time at most, so that the other gets a chance.
fn attempt_deadline(now: UnixMillis, deadline: UnixMillis, another: bool) -> UnixMillis {
    if another { now.saturating_add(deadline.since(now) / 2) } else { deadline }
}

fn order(call: &Call, model: &Model, deadline: UnixMillis) -> Order {
    let mut input: ModelInput = call.input.clone();
    if let Some(model_input::Kind::Chat(chat)) = &mut input.kind {
        // Never more than what is held for it.
        chat.max_tokens = u32::try_from(price::output_tokens_max(&call.facts, model)).unwrap_or(u32::MAX);
    }
    Order { model: model.name.clone(), upstream: model.upstream().to_owned(), input, deadline }
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

/// What the caller is told when no model may answer, with each candidate and why it was dropped.
fn nobody(decision: &Decision, call: &Call) -> Error {
    let facts = &call.facts;
    let considered = decision.candidates.iter().filter(|candidate| candidate.dropped != Some(Dropped::NotAsked));
    let candidates: Vec<_> = considered
        .map(|c| serde_json::json!({ "model": c.model, "reason": c.reason, "policies": c.policies }))
        .collect();
    let error = if decision.denied_by_policy() {
        let classes = facts.data_classes.join(", ");
        let message =
            format!("policies let no model {} data of class [{classes}] for {:?}", facts.capability, facts.purpose);
        Error::new(ErrorCode::PolicyDenied, message)
    } else if decision.all_unavailable() {
        let message = format!("every model that could {} rests after failures; retry soon", facts.capability);
        Error::new(ErrorCode::Unavailable, message).retry_after(Duration::from_secs(1))
    } else if let Some(media) = facts.media_type.as_deref().filter(|_| decision.reads_no_such_media()) {
        Error::new(ErrorCode::UnsupportedMedia, format!("nothing here reads {media}; see the candidates"))
    } else if candidates.is_empty() {
        Error::new(
            ErrorCode::NoModel,
            format!("there is no model or route {:?}; list the models to see which there are", facts.model),
        )
    } else {
        Error::new(ErrorCode::NoModel, format!("no model can {} as asked; see the candidates", facts.capability))
    };
    error.detail(serde_json::json!({ "decision_id": decision.id, "candidates": candidates }))
}
