//! The bounded mailbox between a handle and one instance of an actor.
//!
//! It stands in front of actix's own, whose bound grows with every cloned address and does not hold for `do_send`.
//! S-1: an accepted message is answered, or its envelope is dropped, which tells its sender. Never neither.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskCx, Poll};

use actix::dev::MessageResponse;
use actix::fut::ActorFuture;
use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Message};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::control::Control;
use crate::vitals::Vitals;

/// Messages handled before other work of the same thread gets a turn.
const BATCH_MAX: usize = 64;

/// A message on its way, with the means to answer it.
pub(crate) trait Envelope<A: Actor>: Send {
    fn deliver(self: Box<Self>, actor: &mut A, ctx: &mut A::Context);
}

pub(crate) struct Call<M: Message> {
    pub(crate) message: M,
    pub(crate) reply: oneshot::Sender<M::Result>,
    /// Whether a sender that no longer waits takes its message back.
    pub(crate) cancellable: bool,
}

impl<A, M> Envelope<A> for Call<M>
where
    A: Handler<M>,
    M: Message + Send,
    M::Result: Send,
{
    fn deliver(self: Box<Self>, actor: &mut A, ctx: &mut A::Context) {
        if self.cancellable && self.reply.is_closed() {
            return;
        }
        actor.handle(self.message, ctx).handle(ctx, Some(self.reply));
    }
}

/// Why a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    Full,
    Draining,
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Open,
    Draining,
    Closed,
}

struct Queue<A: Actor> {
    waiting: VecDeque<Box<dyn Envelope<A>>>,
    mode: Mode,
    accepted: u64,
}

enum Next<A: Actor> {
    Message(Box<dyn Envelope<A>>),
    Empty,
    Drained,
}

pub(crate) struct Mailbox<A: Actor> {
    queue: Mutex<Queue<A>>,
    capacity: usize,
    vitals: Arc<Vitals>,
}

impl<A: Actor> Mailbox<A> {
    pub(crate) fn new(capacity: usize, vitals: Arc<Vitals>) -> Arc<Self> {
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), mode: Mode::Open, accepted: 0 });
        Arc::new(Self { queue, capacity, vitals })
    }

    pub(crate) fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// Accepts the message or says why not. On success it counts as in flight until its sender has the answer or
    /// stops waiting. Returns its number.
    pub(crate) fn push(&self, envelope: Box<dyn Envelope<A>>) -> Result<u64, Rejected> {
        let mut queue = self.queue.lock();
        match queue.mode {
            Mode::Closed => return Err(Rejected::Closed),
            Mode::Draining => return Err(Rejected::Draining),
            Mode::Open if queue.waiting.len() >= self.capacity => return Err(Rejected::Full),
            Mode::Open => {}
        }
        self.vitals.enter_flight();
        queue.waiting.push_back(envelope);
        let number = queue.accepted;
        queue.accepted += 1;
        self.vitals.set_depth(queue.waiting.len());
        drop(queue);
        self.vitals.wake();
        Ok(number)
    }

    /// Takes nothing new; what was accepted is still handled.
    pub(crate) fn drain(&self) {
        let mut queue = self.queue.lock();
        if queue.mode == Mode::Open {
            queue.mode = Mode::Draining;
        }
        drop(queue);
        self.vitals.wake();
    }

    /// Drops what is left and tells every sender (S-1, S-2).
    pub(crate) fn close(&self) {
        let left = {
            let mut queue = self.queue.lock();
            queue.mode = Mode::Closed;
            self.vitals.set_depth(0);
            std::mem::take(&mut queue.waiting)
        };
        // Outside the lock: dropping a message may run anything.
        drop(left);
        self.vitals.dead().cancel();
    }

    fn next(&self) -> Next<A> {
        let mut queue = self.queue.lock();
        if let Some(envelope) = queue.waiting.pop_front() {
            self.vitals.set_depth(queue.waiting.len());
            self.vitals.begin();
            return Next::Message(envelope);
        }
        if queue.mode == Mode::Open || self.vitals.in_flight() > 0 { Next::Empty } else { Next::Drained }
    }
}

/// Feeds the mailbox to the actor, on the actor's thread, as one of its own futures.
pub(crate) struct Feed<A: Actor> {
    mailbox: Arc<Mailbox<A>>,
    control: Arc<Control>,
}

impl<A: Actor> Feed<A> {
    pub(crate) fn new(mailbox: Arc<Mailbox<A>>, control: Arc<Control>) -> Self {
        Self { mailbox, control }
    }
}

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Feed<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, actor: &mut A, ctx: &mut A::Context, task: &mut TaskCx<'_>) -> Poll<()> {
        // The first poll comes after `Actor::started` and whatever it asked the context to wait for.
        self.control.started();
        let vitals = &self.mailbox.vitals;
        vitals.register(task.waker());
        vitals.answer_probe();
        for _ in 0..BATCH_MAX {
            // A handler asked to wait or to stop; the context polls this again when the wait is over.
            if ctx.waiting() {
                return Poll::Pending;
            }
            match self.mailbox.next() {
                Next::Message(envelope) => {
                    envelope.deliver(actor, ctx);
                    vitals.beat();
                }
                Next::Empty => return Poll::Pending,
                Next::Drained => {
                    ctx.stop();
                    return Poll::Ready(());
                }
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}
