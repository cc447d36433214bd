//! Tries candidates in their order, with retries, until one answers. What each attempt can use is set aside, and written down,
//! before it is made.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ModelInput, Usage, model_input};
use orrery_providers::{Answer, Order, Provider, Quota};
use orrery_routing::breaker::Outcome;
use orrery_routing::catalogue::Model;
use orrery_routing::price::{self, Quantities};
use orrery_routing::request::RequestFacts;
use orrery_routing::retry::{self, Failure, Next, Standing};
use orrery_types::UnixMillis;
use tokio_util::sync::CancellationToken;

use super::course::{Course, Held};
use super::decision::nobody;
use super::{Call, Plan};
use crate::DataPlane;
use crate::board::Permit;
use crate::budget::Amounts;

/// One call under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    pub call: &'a Call,
    pub plan: &'a Plan,
    pub course: &'a Course,
    /// Cancelled when nobody waits any more.
    pub left: &'a CancellationToken,
}

/// What a provider gives when it begins to answer: a whole answer, or the first piece of one.
pub(super) trait Begun: Send + Sized {
    /// Asks for it.
    fn ask(provider: Arc<dyn Provider>, order: Order) -> impl Future<Output = Result<Self, Error>> + Send;

    /// What has been used at least, as far as it can be seen.
    fn seen(&self, facts: &RequestFacts, model: &Model) -> Usage;
}

impl Begun for Answer {
    async fn ask(provider: Arc<dyn Provider>, order: Order) -> Result<Self, Error> {
        provider.invoke(order).await
    }

    fn seen(&self, _facts: &RequestFacts, _model: &Model) -> Usage {
        self.usage
    }
}

/// A candidate that has begun to answer, and what is set aside for it.
#[derive(Debug)]
pub(super) struct Taken<'a, T> {
    pub value: T,
    pub model: &'a Model,
    pub held: Held<'a>,
    pub began: UnixMillis,
    pub permit: Permit,
}

impl<'a, T> Taken<'a, T> {
    pub fn split(self) -> (T, Taken<'a, ()>) {
        let Self { value, model, held, began, permit } = self;
        (value, Taken { value: (), model, held, began, permit })
    }
}

impl Taken<'_, ()> {
    /// It has answered in full.
    pub fn answered(&mut self, quota: Option<Quota>) {
        let now = UnixMillis::now();
        let latency_ms = u64::try_from(now.since(self.began).as_millis()).unwrap_or(u64::MAX);
        self.permit.ended(&self.model.name, Outcome::Answered { latency_ms }, quota, now);
    }

    /// It has failed after it had begun.
    pub fn failed(&mut self, error: &Error) {
        report_failure(&mut self.permit, self.model, error, UnixMillis::now().since(self.began));
    }
}

/// A candidate that did not answer, and what is to be done now.
#[derive(Debug)]
pub(super) struct Missed {
    pub error: Error,
    pub next: Next,
}

impl Missed {
    /// Whether no other candidate would do better: the request is at fault, or its caller has left.
    pub fn for_all(&self) -> bool {
        failure(&self.error) == Failure::Request
    }
}

impl DataPlane {
    /// The first candidate that begins to answer, of those that are not in `but`. `last` is what went wrong before.
    pub(super) async fn first_success<'a, T: Begun>(
        &'a self,
        run: &Run<'a>,
        but: &[&str],
        mut last: Option<Error>,
    ) -> Result<Taken<'a, T>, Error> {
        let decision = &run.plan.decision;
        let names: Vec<&str> =
            decision.eligible().map(|it| it.model.as_str()).filter(|name| !but.contains(name)).collect();
        let mut hedge = decision.plan.hedge.as_ref();
        let mut rest = names.as_slice();
        while let [model, others @ ..] = rest {
            rest = others;
            let missed = match (hedge.take(), others) {
                (Some(hedge), [second, further @ ..]) if hedge.model == *second => {
                    let (tried, both) = self.hedged(run, model, hedge, !further.is_empty()).await;
                    if both {
                        rest = further;
                    }
                    tried
                }
                _ => self.one(run, model, !others.is_empty()).await,
            };
            match missed {
                Ok(taken) => {
                    run.course.answered_by(taken.model);
                    return Ok(taken);
                }
                Err(Missed { error, next: Next::GiveUp }) => return Err(error),
                Err(missed) => last = Some(missed.error),
            }
        }
        Err(last.unwrap_or_else(|| nobody(decision, run.call)))
    }

    /// One candidate: sets aside, writes down, asks. `another` says that others are left.
    pub(super) async fn one<'a, T: Begun>(
        &'a self,
        run: &Run<'a>,
        name: &str,
        another: bool,
    ) -> Result<Taken<'a, T>, Missed> {
        let snapshot = &run.plan.snapshot;
        let Some(model) = snapshot.catalogue.models.get(name) else { return Err(not_here(name)) };
        let most = at_most(&run.call.facts, model, run.call.started);
        let held = self.set_aside(run, model, &most).await?;
        let (value, began, permit) = self.try_one(run, model, another).await?;
        Ok(Taken { value, model, held, began, permit })
    }

    /// Sets aside what an attempt can use at most, and writes down that it is about to be made.
    pub(super) async fn set_aside<'a>(
        &'a self,
        run: &Run<'a>,
        model: &Model,
        most: &Amounts,
    ) -> Result<Held<'a>, Missed> {
        let call = run.call;
        let reserved = self.budgets.reserve(&call.caller, &model.name, most, UnixMillis::now(), call.deadline).await;
        let hold = reserved.map_err(|error| match error.code {
            // A cheaper one further down may still fit, or one that another limit counts.
            ErrorCode::BudgetExceeded | ErrorCode::RateLimited => Missed { error, next: Next::Fallback },
            _ => Missed { error, next: Next::GiveUp },
        })?;
        let held = run.course.holds(&self.budgets, hold, most);
        self.begin(run, model).map_err(|error| Missed { error, next: Next::GiveUp })?;
        Ok(held)
    }

    /// One candidate, with its retries.
    pub(super) async fn try_one<T: Begun>(
        &self,
        run: &Run<'_>,
        model: &Model,
        another: bool,
    ) -> Result<(T, UnixMillis, Permit), Missed> {
        let Run { call, plan, course, left } = run;
        let board = &plan.snapshot.board;
        let Some(provider) = plan.snapshot.providers.get(&model.provider) else { return Err(not_here(&model.name)) };
        let mut attempts_here = 0;
        loop {
            let began = UnixMillis::now();
            let Some(mut permit) = board.enter(&model.name, attempts_here > 0, began) else {
                let error = Error::new(ErrorCode::Unavailable, format!("{} rests after failures", model.name));
                return Err(Missed { error: error.retry_after(Duration::from_secs(1)), next: Next::Fallback });
            };
            let attempts = course.asks(model);
            attempts_here += 1;
            let deadline = attempt_deadline(began, call.deadline, another);
            let mut error = tokio::select! {
                started = T::ask(provider.clone(), order(call, model, deadline)) => match started {
                    Ok(value) => return Ok((value, began, permit)),
                    Err(error) => error,
                },
                () = left.cancelled() => return Err(gone()),
                () = tokio::time::sleep(deadline.since(began)) => did_not_answer(model, deadline == call.deadline),
            };
            let now = UnixMillis::now();
            let pause = report_failure(&mut permit, model, &error, now.since(began));
            drop(permit);
            // Where the provider does not say for how long, it is we who pause.
            error.retry_after = error.retry_after.or(pause);
            tracing::warn!(%error, error.code = %error.code, gen_ai.request.model = model.name, attempt = attempts, "attempt failed");
            let standing = Standing {
                attempts,
                attempts_here,
                attempts_max: plan.decision.plan.retry.attempts,
                may_retry: true,
                another,
                remaining: call.deadline.since(now),
            };
            let mut next = retry::next(failure(&error), standing, rand::random());
            if matches!(next, Next::Again(_)) && !board.take_retry(&model.name, &plan.decision.plan.retry, now) {
                metrics::counter!("orrery.router.retries.refused", "gen_ai.request.model" => model.name.clone())
                    .increment(1);
                next = retry::next(failure(&error), Standing { may_retry: false, ..standing }, 0.0);
            }
            match next {
                Next::Again(delay) => tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = left.cancelled() => return Err(gone()),
                },
                next => return Err(Missed { error, next }),
            }
        }
    }
}

fn gone() -> Missed {
    Missed { error: caller_left(), next: Next::GiveUp }
}

fn not_here(name: &str) -> Missed {
    let error = Error::new(ErrorCode::Unavailable, format!("{name} is not served here; look at the catalogue"));
    Missed { error, next: Next::Fallback }
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

/// A model has failed, unless the request or the caller's impatience is to blame. Returns how long it pauses now, if its
/// provider asked for that.
fn report_failure(permit: &mut Permit, model: &Model, error: &Error, took: Duration) -> Option<Duration> {
    metrics::counter!("orrery.router.attempt.failures",
        "gen_ai.request.model" => model.name.clone(), "error.type" => error.code.as_str())
    .increment(1);
    let impatient = error.code == ErrorCode::DeadlineExceeded && took < Duration::from_millis(model.latency_ms);
    let outcome = match failure(error) {
        Failure::Request => return None,
        _ if impatient => return None,
        _ if error.code == ErrorCode::RateLimited => {
            Outcome::PauseAsked { pause: error.retry_after.unwrap_or_default() }
        }
        _ => Outcome::Failed,
    };
    permit.ended(&model.name, outcome, None, UnixMillis::now())
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
