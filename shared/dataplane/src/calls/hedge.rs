//! A second attempt beside a slow first one, before either has begun to answer. The one that begins first counts; the other
//! is cancelled, and pays only for what it gave at the same moment.

use std::pin::pin;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::select;
use orrery_routing::decide::HedgePlan;
use orrery_types::UnixMillis;

use super::attempt::{Begun, Missed, Run, Taken};
use crate::DataPlane;

impl DataPlane {
    /// Asks a model and, if it is slow and the share of calls allows it, the hedge's beside it. Also says whether both were
    /// asked. `more` says that others are left after these two.
    pub(super) async fn hedged<'a, T: Begun>(
        &'a self,
        run: &Run<'a>,
        model: &str,
        hedge: &HedgePlan,
        more: bool,
    ) -> (Result<Taken<'a, T>, Missed>, bool) {
        let board = &run.plan.snapshot.board;
        board.may_be_slow(model, UnixMillis::now());
        let mut first = pin!(self.one::<T>(run, model, true));
        tokio::select! {
            biased;
            begun = &mut first => return (begun, false),
            () = tokio::time::sleep(Duration::from_millis(hedge.after_ms)) => {}
        }
        if !board.take_hedge(model, hedge.share_max, UnixMillis::now()) {
            return (first.await, false);
        }
        metrics::counter!("orrery.router.hedges", "gen_ai.request.model" => model.to_owned()).increment(1);
        let second = pin!(self.one::<T>(run, &hedge.model, more));
        let (begun, other) = select(first, second).await.factor_first();
        let begun = match begun {
            Ok(taken) => {
                if let Some(Ok(late)) = other.now_or_never() {
                    self.came_too_late(run, late);
                }
                Ok(taken)
            }
            Err(missed) if missed.for_all() => Err(missed),
            Err(missed) => other.await.map_err(|last| if last.for_all() { last } else { missed }),
        };
        (begun, true)
    }

    /// It began to answer at the same moment: what was seen of that is paid for.
    fn came_too_late<T: Begun>(&self, run: &Run<'_>, late: Taken<'_, T>) {
        let usage = late.value.seen(&run.call.facts, late.model);
        let (_, late) = late.split();
        self.pay(run, late, &usage, &[]);
    }
}
