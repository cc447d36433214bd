//! Records who was turned away and what was refused. A flood of either must cost neither the log nor the database: the
//! same is recorded once a window, with the number that came since.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actix::prelude::*;
use orrery_errors::ErrorCode;
use orrery_supervise::ActorSpec;
use orrery_types::UnixMillis;
use serde_json::json;

use crate::domain::directory::Denial;
use crate::store::{ControlPlane, Fact};

/// The same denial is recorded once in this time.
const WINDOW: Duration = Duration::from_secs(10);
/// Different denials remembered in one window; more are counted together.
const DISTINCT_MAX: usize = 256;
const MAILBOX: usize = 1024;
/// The log of what belongs to no tenant.
const NO_TENANT: &str = "system";

/// Why a request came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its sender was turned away.
    Denied(Denial),
    /// Its sender may, but it cannot be done: too large, malformed, of an unknown workflow, over a limit.
    Refused(ErrorCode),
}

impl Cause {
    fn kind(self) -> &'static str {
        match self {
            Self::Denied(_) => "access.denied",
            Self::Refused(_) => "request.refused",
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Denied(denial) => denial.as_str(),
            Self::Refused(code) => code.as_str(),
        }
    }
}

/// Someone was turned away, or what they asked for was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Message)]
#[rtype(result = "()")]
pub struct Denied {
    /// Of the key, when its id is known.
    pub tenant: Option<String>,
    /// Of the key, when its id is known.
    pub principal: Option<String>,
    /// The public part of the key, when it is known.
    pub key_id: Option<String>,
    /// Why.
    pub cause: Cause,
    /// The route's pattern, never the path itself.
    pub route: String,
}

/// Counts denials and records them.
#[derive(Debug)]
pub struct Denials {
    control: ControlPlane,
    seen: HashMap<Denied, Seen>,
}

#[derive(Debug)]
struct Seen {
    since: Instant,
    more: u64,
}

impl Denials {
    /// Under supervision.
    pub fn spec(control: ControlPlane) -> ActorSpec<Self> {
        ActorSpec::new("denials", move || Self { control: control.clone(), seen: HashMap::new() }).mailbox(MAILBOX)
    }

    fn record(&self, facts: Vec<Fact>, context: &mut Context<Self>) {
        if facts.is_empty() {
            return;
        }
        let control = self.control.clone();
        let recording = async move {
            if let Err(error) = control.record(facts).await {
                tracing::error!(%error, "denials were not recorded");
            }
        };
        context.spawn(recording.into_actor(self));
    }

    /// Forgets windows that are over, and records how many denials each had swallowed.
    fn sweep(&mut self, context: &mut Context<Self>) {
        let mut facts = Vec::new();
        self.seen.retain(|denied, seen| {
            let current = seen.since.elapsed() < WINDOW;
            if !current && seen.more > 0 {
                facts.push(fact(denied, seen.more));
            }
            current
        });
        self.record(facts, context);
    }
}

impl Actor for Denials {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(WINDOW / 2, Self::sweep);
    }
}

impl Handler<Denied> for Denials {
    type Result = ();

    fn handle(&mut self, denied: Denied, context: &mut Self::Context) {
        let (kind, reason) = (denied.cause.kind(), denied.cause.as_str());
        metrics::counter!("orrery_gateway_denials_total", "kind" => kind, "reason" => reason).increment(1);
        let denied = if self.seen.len() < DISTINCT_MAX || self.seen.contains_key(&denied) {
            denied
        } else {
            Denied { tenant: None, principal: None, key_id: None, route: "several".to_owned(), ..denied }
        };
        if let Some(seen) = self.seen.get_mut(&denied) {
            seen.more += 1;
            return;
        }
        let facts = vec![fact(&denied, 1)];
        self.seen.insert(denied, Seen { since: Instant::now(), more: 0 });
        self.record(facts, context);
    }
}

fn fact(denied: &Denied, times: u64) -> Fact {
    Fact {
        tenant: denied.tenant.clone().unwrap_or_else(|| NO_TENANT.to_owned()),
        kind: denied.cause.kind(),
        at: UnixMillis::now(),
        facts: json!({
            "reason": denied.cause.as_str(),
            "route": denied.route,
            "key": denied.key_id,
            "principal": denied.principal,
            "times": times,
        }),
    }
}
