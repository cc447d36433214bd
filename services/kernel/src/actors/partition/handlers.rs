//! Taking partitions up, letting them go, and telling who waits for the end of a run.

use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{LetGo, Partition, TakeUp, Watch};
use crate::actors::recovery;
use crate::domain::state::State;
use crate::domain::transition::unfinished;
use crate::error::ActError;

impl Handler<TakeUp> for Partition {
    type Result = ResponseActFuture<Self, Result<(), ActError>>;

    fn handle(&mut self, TakeUp { partition, epoch }: TakeUp, _ctx: &mut Self::Context) -> Self::Result {
        // Memory of an earlier time as the owner may be behind the journal.
        self.let_go(partition);
        let kernel = self.kernel.clone();
        let loading = async move { recovery::load(&kernel, partition).await };
        Box::pin(loading.into_actor(self).map(move |loaded, actor, ctx| {
            let recovered = loaded?;
            actor.kernel.ownership.acquire(partition, epoch);
            tracing::info!(partition.id = partition, partition.epoch = epoch, tasks = recovered.runs.len(), "taken up");
            actor.send_errands(recovered.errands)?;
            for (state, definition) in recovered.runs {
                actor.kernel.admission.observe(Some(&state));
                actor.hold(&state.run.id, partition, Some((state.clone(), definition)));
                // The timer reads its rows itself.
                actor.perform(&state, state.wake_at(), unfinished(&state), ctx)?;
            }
            Ok(())
        }))
    }
}

impl Handler<LetGo> for Partition {
    type Result = ();

    fn handle(&mut self, LetGo { partition }: LetGo, _ctx: &mut Self::Context) {
        self.let_go(partition);
    }
}

impl Handler<Watch> for Partition {
    type Result = ResponseActFuture<Self, Option<Arc<State>>>;

    fn handle(&mut self, Watch { tenant, run }: Watch, _ctx: &mut Self::Context) -> Self::Result {
        let (watcher, watched) = oneshot::channel();
        self.watchers.entry(run.clone()).or_default().push(watcher);
        let kernel = self.kernel.clone();
        // One that is not in memory may be over; one that is tells its end itself.
        let look = (!self.runs.contains_key(&run)).then(|| kernel.store.clone());
        let watching = async move {
            if let Some(store) = look
                && !matches!(
                    store.load(tenant.to_string(), run.to_string()).await,
                    Ok(crate::store::Found::UnderWay(_))
                )
            {
                return None;
            }
            // An actor that goes away says nothing of the run: who asked looks again.
            watched.await.ok()
        };
        Box::pin(watching.into_actor(self).map(|ended, actor, _| {
            actor.watchers.retain(|_, watchers| {
                watchers.retain(|watcher| !watcher.is_closed());
                !watchers.is_empty()
            });
            ended
        }))
    }
}
