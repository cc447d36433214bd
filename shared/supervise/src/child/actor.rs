//! Lives of actix actors.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::{Actor, ActorContext, AsyncContext, Context};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::sync::oneshot;

use super::{Door, Launch, Launched, exit_of};
use crate::context;
use crate::control::Control;
use crate::exit::ExitStatus;
use crate::host::Place;
use crate::mailbox::{Feed, Mailbox};
use crate::slot::Slot;

/// Makes one fresh actor; the error is what the factory reported.
pub(crate) type Factory<A> = Arc<dyn Fn() -> LocalBoxFuture<'static, Result<A, ExitStatus>> + Send + Sync>;

pub(crate) struct ActorLaunch<A: Actor> {
    pub(crate) factory: Factory<A>,
    pub(crate) slot: Arc<Slot<A>>,
    pub(crate) capacity: usize,
}

impl<A: Actor<Context = Context<A>>> Launch for ActorLaunch<A> {
    fn launch(&self, control: &Arc<Control>, place: &Place) -> Launched {
        let mailbox = Mailbox::new(self.capacity, Arc::clone(&control.vitals));
        let door = ActorDoor { slot: Arc::clone(&self.slot), mailbox: Arc::clone(&mailbox) };
        let (done, exit) = oneshot::channel();
        let factory = Arc::clone(&self.factory);
        let control = Arc::clone(control);
        place.run(move || {
            actix_rt::spawn(async move {
                let life = live(factory, mailbox, Arc::clone(&control));
                let status = context::scope(control, life).await;
                let _ = done.send(status);
            });
        });
        Launched { exit, door: Some(Box::new(door)) }
    }
}

/// One life, from factory to end. A panic anywhere in it is caught here and ends only this instance.
async fn live<A: Actor<Context = Context<A>>>(
    factory: Factory<A>,
    mailbox: Arc<Mailbox<A>>,
    control: Arc<Control>,
) -> ExitStatus {
    let born = AssertUnwindSafe(async { factory().await }).catch_unwind();
    let actor = tokio::select! {
        biased;
        () = control.kill.cancelled() => return ExitStatus::Killed,
        born = born => match born {
            Ok(Ok(actor)) => actor,
            Ok(Err(status)) => return status,
            Err(payload) => return exit_of(Err(payload)),
        },
    };
    let mut ctx = Context::new();
    ctx.spawn(Feed::new(mailbox, Arc::clone(&control)));
    let mut running = ctx.into_future(actor);
    let status = tokio::select! {
        biased;
        () = control.kill.cancelled() => ExitStatus::Killed,
        ended = AssertUnwindSafe(&mut running).catch_unwind() =>
            exit_of(ended.map(|()| control.declared().unwrap_or(ExitStatus::Success))),
    };
    // Without this, dropping the future would run `stopping` and `stopped` on an actor that is no longer sound.
    running.ctx().terminate();
    match std::panic::catch_unwind(AssertUnwindSafe(|| drop(running))) {
        Ok(()) => status,
        Err(payload) => exit_of(Err(payload)),
    }
}

struct ActorDoor<A: Actor> {
    slot: Arc<Slot<A>>,
    mailbox: Arc<Mailbox<A>>,
}

impl<A: Actor<Context = Context<A>>> Door for ActorDoor<A> {
    fn open(&self) {
        self.slot.open(Arc::clone(&self.mailbox));
    }

    fn drain(&self) {
        self.mailbox.drain();
    }

    fn close(&self) {
        self.slot.close();
        self.mailbox.close();
    }
}
