//! What an embedded run cannot do by itself: calls, and the decisions of people.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::config::KernelConfig;
use crate::domain::command::{Command, Person, Reply, Run};
use crate::domain::definition::Target;
use crate::domain::effect::Call;
use crate::domain::fault::{Fault, Standard};
use crate::domain::review::Review;
use crate::providers::{OutwardCalls, Providers, perform};
use orrery_errors::Error;

/// An answer from outside, and how long it took.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer<T> {
    /// Time that passes on the run's clock before it is there.
    pub after: Duration,
    /// It.
    pub value: T,
}

/// A decision of a review.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// One of the review's decisions.
    pub decision: String,
    /// Why.
    pub reason: String,
    /// Changed fields, or null.
    pub edits: Value,
    /// Who decides; none: someone whom the review names.
    pub by: Option<String>,
}

impl Verdict {
    /// The command that gives it. Whoever decides has every role that the review names.
    pub(super) fn command(self, review: &Review) -> Command {
        let named = |role: &String| role.strip_prefix("user:").map(str::to_owned);
        let principal =
            self.by.or_else(|| review.roles.iter().find_map(named)).unwrap_or_else(|| "reviewer".to_owned());
        let by = Person { principal, roles: review.roles.clone() };
        let Self { decision, reason, edits, .. } = self;
        Command::Decide { review: review.id.clone(), by, decision, reason, edits }
    }
}

/// Answers calls and reviews.
#[async_trait]
pub trait Outside: Send + Sync {
    /// Makes a call to its end.
    async fn call(&self, run: &Run, call: &Call) -> Answer<Result<Reply, Fault>>;

    /// What people say to a review; none: nobody decides. Asked once for each review, when it is opened.
    fn decide(&self, run: &Run, pointer: &str, review: &Review) -> Vec<Answer<Verdict>>;
}

/// The world outside, without the platform: calls by HTTP and the like are made, calls of the platform fail, and nobody
/// decides.
#[derive(Debug)]
pub struct Connected {
    calls: OutwardCalls,
}

impl Connected {
    /// With these settings.
    pub fn new(config: &KernelConfig) -> Result<Self, Error> {
        Ok(Self { calls: OutwardCalls::new(config)? })
    }
}

#[async_trait]
impl Outside for Connected {
    async fn call(&self, run: &Run, call: &Call) -> Answer<Result<Reply, Fault>> {
        match call.function {
            Target::Outward(_) => Answer { after: Duration::ZERO, value: perform(&self.calls, run, call).await },
            Target::Platform(_) => match Providers::at_once(call) {
                Some(reply) => Answer { after: Duration::ZERO, value: Ok(reply) },
                None => Unconnected.call(run, call).await,
            },
        }
    }

    fn decide(&self, _run: &Run, _pointer: &str, _review: &Review) -> Vec<Answer<Verdict>> {
        Vec::new()
    }
}

/// Nothing outside: calls of the platform fail, and nobody decides.
#[derive(Debug)]
pub struct Unconnected;

#[async_trait]
impl Outside for Unconnected {
    async fn call(&self, _run: &Run, call: &Call) -> Answer<Result<Reply, Fault>> {
        let name = call.function.name();
        let detail = format!(
            "{name} needs a running system: start one with `orrery up`, then `orrery workflow deploy` and `orrery task \
             submit`; or script its answer in a case of `orrery workflow test`"
        );
        let fault = Fault::new(Standard::Configuration, detail).titled("not_connected");
        Answer { after: Duration::ZERO, value: Err(fault) }
    }

    fn decide(&self, _run: &Run, _pointer: &str, _review: &Review) -> Vec<Answer<Verdict>> {
        Vec::new()
    }
}
