//! The one writer of the journal. It commits whatever has queued while the last commit ran, so one sync to disk serves
//! many steps of many partitions, and it never waits for more to come. Where a tenant that has little to do meets one that has
//! much, it commits less at once: whoever comes waits for what is under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use orrery_errors::{Error, ErrorCode};
use orrery_store::StoreError;
use orrery_supervise::{ActorSpec, Heartbeat};
use tokio::sync::oneshot;

use crate::domain::fairness::{BatchSize, Place};
use crate::kernel::Kernel;
use crate::store::{Committed, Entry};

/// Entries that wait for their transaction.
const MAILBOX: usize = 8_192;
/// A slow disk or a database that fails over must not pass for a hang.
const HEARTBEAT: Duration = Duration::from_secs(5);
const MISSES: u32 = 12;

/// Commits entries; answered once they are durable, with what became of each.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Committed>, Error>")]
pub struct Commit {
    /// Whose turn comes before whose.
    pub place: Place,
    /// What is written together.
    pub entries: Vec<Entry>,
}

impl Commit {
    /// Of what is ready now.
    pub fn of(kernel: &Kernel, tenant: &str, entry: Entry) -> Self {
        Self { place: kernel.steps.lock().place(tenant), entries: vec![entry] }
    }
}

type Waiting = (Vec<Entry>, oneshot::Sender<Result<Vec<Committed>, Error>>);

/// Owns the queue of the next transaction.
#[allow(missing_debug_implementations)] // the kernel has none
pub struct Committer {
    kernel: Arc<Kernel>,
    queue: BTreeMap<Place, Waiting>,
    size: BatchSize,
    /// Transactions.
    under_way: usize,
}

/// The supervised committer.
pub fn spec(kernel: Arc<Kernel>) -> ActorSpec<Committer> {
    let fresh =
        move || Committer { kernel: kernel.clone(), queue: BTreeMap::new(), size: BatchSize::default(), under_way: 0 };
    ActorSpec::new("committer", fresh)
        .mailbox(MAILBOX)
        .heartbeat(Heartbeat::every(HEARTBEAT).misses(MISSES))
        .ask_deadline(HEARTBEAT * MISSES)
}

impl Actor for Committer {
    type Context = Context<Self>;
}

impl Handler<Commit> for Committer {
    type Result = ResponseFuture<Result<Vec<Committed>, Error>>;

    fn handle(&mut self, Commit { place, entries }: Commit, ctx: &mut Self::Context) -> Self::Result {
        let (answer, answered) = oneshot::channel();
        self.queue.insert(place, (entries, answer));
        self.flush(ctx);
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(lost())) })
    }
}

fn lost() -> Error {
    Error::new(ErrorCode::Unavailable, "the commit was interrupted").retry_after(Duration::from_millis(200))
}

impl Committer {
    fn flush(&mut self, ctx: &mut Context<Self>) {
        if self.under_way == 0 {
            let most = self.size.most(self.kernel.steps.lock().is_contended());
            self.commit(most, false, ctx);
        } else if self.under_way == 1 && self.kernel.store.is_parallel() {
            // Who is no further ahead than those whose turn it is does not wait for them.
            self.commit(self.size.most(true), true, ctx);
        }
    }

    /// Commits what comes first, or only what the clock has come to.
    fn commit(&mut self, most: usize, only_due: bool, ctx: &mut Context<Self>) {
        let (mut batch, mut count): (Vec<Waiting>, _) = (Vec::new(), 0);
        let mut steps = self.kernel.steps.lock();
        while count < most
            && let Some(first) = self.queue.first_entry()
            && (!only_due || steps.has_come_to(*first.key()))
        {
            let (place, waiting) = first.remove_entry();
            steps.advance(place);
            count += waiting.0.len();
            batch.push(waiting);
        }
        drop(steps);
        if batch.is_empty() {
            return;
        }
        self.under_way += 1;
        let store = self.kernel.store.clone();
        let committing = async move {
            let (groups, answers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
            let entries: Vec<Entry> = groups.into_iter().flatten().collect();
            metrics::histogram!("orrery.kernel.commit.moves").record(count as f64);
            let began = Instant::now();
            let outcome = store.commit(entries).await;
            let duration = began.elapsed();
            metrics::histogram!("orrery.kernel.commit.duration").record(duration.as_secs_f64());
            reply(sizes, answers, outcome);
            duration
        };
        ctx.spawn(committing.into_actor(self).map(move |duration, actor, ctx| {
            actor.under_way -= 1;
            actor.size.took(count, duration);
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
