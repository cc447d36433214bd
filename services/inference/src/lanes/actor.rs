//! The actor of a lane: takes requests in, forms batches, hands them to the thread, and starts anew when that dies.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use actix::prelude::*;
use orrery_errors::{Error, ErrorCode};
use orrery_supervise::SupervisedContext as _;
use orrery_types::UnixMillis;
use tokio::sync::oneshot;
use tracing::Span;

use super::{Backend, Submission, Ticket};
use crate::domain::queue::{Queue, Waiting};

const RETRY_HINT: Duration = Duration::from_millis(500);

type Batch<B> = Vec<Ticket<<B as Backend>::Request, <B as Backend>::Reply>>;

/// A batch for the thread, and where it says that it is done.
struct Run<B: Backend> {
    batch: Batch<B>,
    done: oneshot::Sender<()>,
}

/// Owns the queue of one lane. The model itself is shared, so a fresh instance does not load it again.
#[allow(missing_debug_implementations)] // backends hold tensors
pub struct LaneActor<B: Backend> {
    name: &'static str,
    backend: Arc<B>,
    queue: Queue<Ticket<B::Request, B::Reply>>,
    thread: Option<mpsc::Sender<Run<B>>>,
    busy: bool,
}

impl<B: Backend> LaneActor<B> {
    /// A lane over a loaded model.
    pub fn new(name: &'static str, backend: Arc<B>) -> Self {
        let queue = Queue::new(backend.queue_limits());
        Self { name, backend, queue, thread: None, busy: false }
    }

    /// Runs the next batch when the thread is free.
    fn pump(&mut self, context: &mut Context<Self>) {
        if self.busy {
            return;
        }
        let taken = self.queue.take(UnixMillis::now(), self.backend.batch_limits());
        for late in taken.expired {
            late.item.answer(Err(expired(self.name)));
        }
        let batch: Batch<B> = taken
            .batch
            .into_iter()
            .map(|waiting| waiting.item)
            .filter(|ticket| !ticket.cancelled.is_cancelled())
            .collect();
        metrics::gauge!("orrery_inference_queue_requests", "lane" => self.name).set(self.queue.len() as f64);
        if batch.is_empty() {
            if !self.queue.is_empty() {
                self.pump(context);
            }
            return;
        }
        metrics::histogram!("orrery_inference_batch_requests", "lane" => self.name).record(batch.len() as f64);
        let (done, finished) = oneshot::channel();
        let sent = self.thread.as_ref().is_some_and(|thread| thread.send(Run { batch, done }).is_ok());
        if !sent {
            context.fail("the model's thread has ended");
            return;
        }
        self.busy = true;
        context.spawn(finished.into_actor(self).map(|finished, lane, context| {
            lane.busy = false;
            match finished {
                Ok(()) => lane.pump(context),
                // The sender was dropped unused: the thread panicked in the middle of the batch.
                Err(_dropped) => context.fail("the model's thread panicked"),
            }
        }));
    }
}

impl<B: Backend> Actor for LaneActor<B> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let (sender, receiver) = mpsc::channel::<Run<B>>();
        let backend = self.backend.clone();
        let name = self.name;
        let work = move || {
            for Run { batch, done } in receiver {
                let started = std::time::Instant::now();
                span_of(name, &batch).in_scope(|| backend.run(batch));
                metrics::histogram!("orrery_inference_run_seconds", "lane" => name).record(started.elapsed());
                // The actor may have been replaced meanwhile; then this thread ends with its channel.
                let _gone = done.send(());
            }
        };
        match std::thread::Builder::new().name(format!("lane-{name}")).spawn(work) {
            Ok(_detached) => self.thread = Some(sender),
            Err(error) => context.fail(error),
        }
    }
}

impl<B: Backend> Handler<Submission<B>> for LaneActor<B> {
    type Result = ResponseFuture<Result<B::Reply, Error>>;

    fn handle(&mut self, submission: Submission<B>, context: &mut Self::Context) -> Self::Result {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            cost: self.backend.cost(&submission.request),
            priority: submission.priority,
            since: UnixMillis::now(),
            deadline: submission.deadline,
            item: Ticket {
                request: submission.request,
                cancelled: submission.cancelled,
                span: tracing::info_span!(parent: &submission.caller, "lane", lane = self.name),
                reply,
            },
        };
        if !self.queue.has_room(waiting.cost) {
            self.queue.discard(|ticket| ticket.cancelled.is_cancelled());
        }
        if let Err(full) = self.queue.push(waiting) {
            let refused = Error::new(ErrorCode::Overloaded, full.to_string()).retry_after(RETRY_HINT);
            return Box::pin(async move { Err(refused) });
        }
        self.pump(context);
        let name = self.name;
        Box::pin(async move { answer.await.unwrap_or_else(|_dropped| Err(unanswered(name))) })
    }
}

/// One run answers many requests: it belongs to the first one's trace and is linked from the others'.
fn span_of<Request, Reply>(lane: &str, batch: &[Ticket<Request, Reply>]) -> Span {
    let first = batch.first().map_or_else(Span::none, |ticket| ticket.span.clone());
    let run = tracing::info_span!(parent: &first, "model.run", lane, requests = batch.len());
    for ticket in batch.iter().skip(1) {
        run.follows_from(&ticket.span);
    }
    run
}

fn expired(lane: &str) -> Error {
    Error::new(ErrorCode::DeadlineExceeded, format!("the deadline passed while waiting for the {lane} model"))
}

fn unanswered(lane: &str) -> Error {
    let message = format!("the {lane} model stopped while it worked on this; it is being started again");
    Error::new(ErrorCode::ModelFailed, message).retry_after(RETRY_HINT)
}
