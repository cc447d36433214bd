//! The one writer of the journal. It commits whatever has queued while the last commit ran, so one sync to disk serves
//! many steps of many partitions, and it never waits for more to come.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use orrery_errors::{Error, ErrorCode};
use orrery_store::StoreError;
use orrery_supervise::{ActorSpec, Heartbeat};
use tokio::sync::oneshot;

use crate::kernel::Kernel;
use crate::store::{Committed, Entry};

/// Entries in one transaction.
const BATCH_MAX: usize = 256;
/// Entries that wait for their transaction.
const MAILBOX: usize = 8_192;
/// A slow disk or a database that fails over must not pass for a hang.
const HEARTBEAT: Duration = Duration::from_secs(5);
const MISSES: u32 = 12;

/// Commits entries; answered once they are durable, with what became of each.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Committed>, Error>")]
pub struct Commit(pub Vec<Entry>);

type Waiting = (Vec<Entry>, oneshot::Sender<Result<Vec<Committed>, Error>>);

/// Owns the queue of the next transaction.
#[allow(missing_debug_implementations)] // the kernel has none
pub struct Committer {
    kernel: Arc<Kernel>,
    queue: Vec<Waiting>,
    busy: bool,
}

/// The supervised committer.
pub fn spec(kernel: Arc<Kernel>) -> ActorSpec<Committer> {
    ActorSpec::new("committer", move || Committer { kernel: kernel.clone(), queue: Vec::new(), busy: false })
        .mailbox(MAILBOX)
        .heartbeat(Heartbeat::every(HEARTBEAT).misses(MISSES))
        .ask_deadline(HEARTBEAT * MISSES)
}

impl Actor for Committer {
    type Context = Context<Self>;
}

impl Handler<Commit> for Committer {
    type Result = ResponseFuture<Result<Vec<Committed>, Error>>;

    fn handle(&mut self, Commit(it): Commit, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.queue.push((it, answer));
        self.flush(ctx);
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(lost())) })
    }
}

fn lost() -> Error {
    Error::new(ErrorCode::Unavailable, "the commit was interrupted").retry_after(Duration::from_millis(200))
}

impl Committer {
    fn flush(&mut self, ctx: &mut Context<Self>) {
        if self.busy || self.queue.is_empty() {
            return;
        }
        self.busy = true;
        let mut count = 0;
        let fits = self.queue.iter().take_while(|(entries, _)| {
            let room = count < BATCH_MAX;
            count += entries.len();
            room
        });
        let batch: Vec<Waiting> = self.queue.drain(..fits.count()).collect();
        let store = self.kernel.store.clone();
        let committing = async move {
            let (groups, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
            let entries: Vec<Entry> = groups.into_iter().flatten().collect();
            metrics::histogram!("orrery.kernel.commit.moves").record(entries.len() as f64);
            let began = std::time::Instant::now();
            let outcome = store.commit(entries).await;
            metrics::histogram!("orrery.kernel.commit.duration").record(began.elapsed().as_secs_f64());
            reply(sizes, answers, outcome);
        };
        ctx.spawn(committing.into_actor(self).map(|(), actor, ctx| {
            actor.busy = false;
            actor.kernel.outbox.wake();
            actor.flush(ctx);
        }));
    }
}

/// Who no longer waits has been told otherwise: its partition was restarted and recovers from the journal.
fn reply(
    sizes: Vec<usize>,
    answers: Vec<oneshot::Sender<Result<Vec<Committed>, Error>>>,
    outcome: Result<Vec<Committed>, StoreError>,
) {
    match outcome {
        Ok(outcomes) => {
            let mut outcomes = outcomes.into_iter();
            for (size, answer) in sizes.into_iter().zip(answers) {
                let _nobody_waits = answer.send(Ok(outcomes.by_ref().take(size).collect()));
            }
        }
        Err(error) => {
            tracing::error!(%error, groups = answers.len(), "a commit failed");
            let error = Error::from(error);
            for answer in answers {
                let _nobody_waits = answer.send(Err(error.clone()));
            }
        }
    }
}
