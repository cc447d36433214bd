//! A lane: one model's queue, batcher and thread. Queue, batcher and backend are three things: the queue orders
//! ([`crate::domain::queue`]), the actor forms batches ([`actor`]), the backend computes ([`Backend`]) on a thread of its
//! own, so that a long transcription holds up neither a page nor a mailbox.

mod actor;
mod handle;

use orrery_errors::Error;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use crate::domain::queue::{BatchLimits, QueueLimits};

pub use actor::LaneActor;
pub use handle::{Lane, Submission};

/// A model behind a lane. Its calls block and run on the lane's own thread, one at a time.
pub trait Backend: Send + Sync + 'static {
    /// What it is asked.
    type Request: Send + 'static;
    /// What it answers.
    type Reply: Send + 'static;

    /// Work in a request, in the lane's unit: tokens or bytes.
    fn cost(&self, request: &Self::Request) -> u64;
    /// How much one run takes.
    fn batch_limits(&self) -> BatchLimits;
    /// How much may wait.
    fn queue_limits(&self) -> QueueLimits;
    /// Answers every ticket. A ticket that is dropped unanswered tells its caller that the model failed.
    fn run(&self, batch: Vec<Ticket<Self::Request, Self::Reply>>);
}

/// One request on its way through a lane.
#[derive(Debug)]
pub struct Ticket<Request, Reply> {
    /// What is asked.
    pub request: Request,
    /// The caller has left: stop at the next opportunity.
    pub cancelled: CancellationToken,
    /// From the request's arrival to its answer, waiting included.
    span: Span,
    reply: oneshot::Sender<Result<Reply, Error>>,
}

impl<Request, Reply> Ticket<Request, Reply> {
    /// Gives the answer. Nobody may be listening any more, which is no fault.
    pub fn answer(self, answer: Result<Reply, Error>) {
        let _gone = self.reply.send(answer);
    }

    /// The request, and the ticket without it.
    pub fn split(self) -> (Request, Ticket<(), Reply>) {
        (self.request, Ticket { request: (), cancelled: self.cancelled, span: self.span, reply: self.reply })
    }

    /// Computes and gives the answer, unless the caller has left.
    pub fn answer_with(self, compute: impl FnOnce(Request, &CancellationToken) -> Result<Reply, Error>) {
        if self.cancelled.is_cancelled() {
            return;
        }
        let Self { request, cancelled, span: _until_answered, reply } = self;
        let _gone = reply.send(compute(request, &cancelled));
    }
}
