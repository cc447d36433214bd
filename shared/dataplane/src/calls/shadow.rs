//! A copy of a call to a shadow, in a task of its own after the answer has left. Its answer is only recorded, under an id of
//! its own; its tenant pays what the route says and the operator the rest.

use std::collections::HashMap;
use std::sync::Arc;

use orrery_errors::Error;
use orrery_providers::Answer;
use orrery_routing::decide::ShadowPlan;
use orrery_types::UnixMillis;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::attempt::{Run, Taken};
use super::course::Course;
use super::{Call, Plan};
use crate::DataPlane;
use crate::budget::Amounts;

const DAY_MS: u64 = 86_400_000;

/// What copies of each route have cost today, as this process sees it; those under way at the most that they can.
#[derive(Debug, Default)]
pub struct Copies(Mutex<HashMap<String, Day>>);

#[derive(Debug, Default, Clone, Copy)]
struct Day {
    number: u64,
    nanos: u64,
}

impl Copies {
    /// Takes so much, if a day's limit leaves it.
    fn take(&self, route: &str, nanos: u64, limit: u64, now: UnixMillis) -> bool {
        let mut days = self.0.lock();
        let number = now.0 / DAY_MS;
        let before = days.get(route).filter(|day| day.number == number).map_or(0, |day| day.nanos);
        let nanos = before.saturating_add(nanos);
        if nanos <= limit {
            days.insert(route.to_owned(), Day { number, nanos });
        }
        nanos <= limit
    }

    /// So much of what was taken was not needed.
    fn give_back(&self, route: &str, nanos: u64) {
        if let Some(day) = self.0.lock().get_mut(route) {
            day.nanos = day.nanos.saturating_sub(nanos);
        }
    }
}

impl DataPlane {
    /// Makes the copy that the plan asks for, if a day's limit leaves it. Does not wait for it.
    pub(super) fn copy_to_shadow(self: &Arc<Self>, call: Call, plan: Plan) {
        let Some(shadow) = plan.decision.plan.shadow.clone() else { return };
        let route = call.facts.model.clone();
        let settings = plan.snapshot.catalogue.routes.get(&route).and_then(|route| route.shadow.as_ref());
        let limit = settings.map_or(0, |settings| settings.nanos_per_day);
        let most = shadow.price_ceiling.get();
        if !self.copies.take(&route, most, limit, UnixMillis::now()) {
            metrics::counter!("orrery.router.shadow.over_limit", "route" => route).increment(1);
            return;
        }
        let plane = self.clone();
        let work = async move {
            let cost = match plane.copied(call, plan, &shadow).await {
                Ok(cost) => cost,
                Err(error) => {
                    tracing::debug!(%error, gen_ai.request.model = shadow.model, "the shadow did not answer");
                    0
                }
            };
            plane.copies.give_back(&route, most.saturating_sub(cost));
        };
        tokio::spawn(work.in_current_span());
    }

    /// Asks the shadow once; returns what that cost.
    async fn copied(&self, call: Call, mut plan: Plan, shadow: &ShadowPlan) -> Result<u64, Error> {
        let now = UnixMillis::now();
        let deadline = now.saturating_add(call.deadline.since(call.started));
        let call = Call { id: format!("{}-shadow", call.id), key: None, started: now, deadline, ..call };
        plan.decision.plan.retry.attempts = 1;
        // Nobody waits for it, so nobody can leave.
        let (course, left) = (Course::default(), CancellationToken::new());
        let run = Run { call: &call, plan: &plan, course: &course, left: &left };
        let Some(model) = plan.snapshot.catalogue.models.get(&shadow.model) else { return Ok(0) };
        // A copy is no request of the tenant's, and its tokens are not counted.
        let share_max = shadow.tenant_nanos_max.get();
        let most = Amounts { cost_nanos: share_max, tokens: 0, requests: 0 };
        let held = self.set_aside(&run, model, &most).await.map_err(|missed| missed.error)?;
        match self.try_one::<Answer>(&run, model, false).await {
            Ok((answer, began, permit)) => {
                let taken = Taken { value: answer, model, held, began, permit };
                self.conclude_copy(&run, taken, share_max).await
            }
            Err(missed) => {
                drop(held);
                Err(self.conclude_failed(&run, missed.error).await)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_keep_to_the_day() {
        let (copies, day) = (Copies::default(), UnixMillis(5 * DAY_MS));
        assert!(copies.take("r", 60, 100, day));
        assert!(!copies.take("r", 60, 100, day), "what is under way counts");
        assert!(copies.take("other", 60, 100, day));
        copies.give_back("r", 50);
        assert!(copies.take("r", 60, 100, day) && !copies.take("r", 60, 100, day));
        assert!(copies.take("r", 60, 100, UnixMillis(6 * DAY_MS)), "tomorrow is another day");
        assert!(!copies.take("r", 1, 0, day));
    }
}
