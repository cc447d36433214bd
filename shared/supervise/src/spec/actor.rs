//! The description of an actor.

use std::fmt;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Context};
use futures::FutureExt;

use super::options::child_options;
use super::{Body, ChildSpec, Options};
use crate::child::{ActorLaunch, Factory};
use crate::exit::ExitStatus;
use crate::handle::Handle;
use crate::node::{Node, NodeKind};
use crate::slot::Slot;

const MAILBOX_CAPACITY: usize = 128;
const ASK_DEADLINE: Duration = Duration::from_secs(30);

/// An actor under supervision: how to make a fresh one, and how to treat it.
pub struct ActorSpec<A: Actor> {
    factory: Factory<A>,
    slot: Arc<Slot<A>>,
    capacity: usize,
    options: Options,
}

impl<A: Actor<Context = Context<A>>> ActorSpec<A> {
    /// An actor made by `factory`, which is called for each instance, on the thread where the instance will run.
    #[must_use]
    pub fn new(name: &str, factory: impl Fn() -> A + Send + Sync + 'static) -> Self {
        Self::with_factory(
            name,
            Arc::new(move || {
                let actor = factory();
                async move { Ok(actor) }.boxed_local()
            }),
        )
    }

    /// An actor whose making may wait or fail. A failure is an exit of the child like any other.
    #[must_use]
    pub fn try_new<F, Fut, E>(name: &str, factory: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<A, E>> + 'static,
        E: Display,
    {
        Self::with_factory(
            name,
            Arc::new(move || {
                let making = factory();
                async move { making.await.map_err(ExitStatus::failed) }.boxed_local()
            }),
        )
    }

    fn with_factory(name: &str, factory: Factory<A>) -> Self {
        let node = Node::new(name.into(), NodeKind::Actor, Vec::new());
        let slot = Arc::new(Slot::new(node, ASK_DEADLINE));
        Self { factory, slot, capacity: MAILBOX_CAPACITY, options: Options::actor() }
    }

    /// The handle of this actor, valid before the tree starts and over all restarts.
    #[must_use]
    pub fn handle(&self) -> Handle<A> {
        Handle::new(Arc::clone(&self.slot))
    }

    /// How many messages may wait to be handled. Default: 128; at least 1.
    #[must_use]
    pub fn mailbox(mut self, capacity: usize) -> Self {
        self.capacity = capacity.max(1);
        self
    }

    /// The deadline of [`Handle::ask`]. Default: 30 s.
    #[must_use]
    pub fn ask_deadline(self, deadline: Duration) -> Self {
        self.slot.set_ask_deadline(deadline);
        self
    }

    child_options!();
}

impl<A: Actor<Context = Context<A>>> From<ActorSpec<A>> for ChildSpec {
    fn from(spec: ActorSpec<A>) -> Self {
        let node = Arc::clone(&spec.slot.node);
        let launch = ActorLaunch { factory: spec.factory, slot: spec.slot, capacity: spec.capacity };
        Self { node, options: spec.options, body: Body::OnThread(Box::new(launch)) }
    }
}

impl<A: Actor> fmt::Debug for ActorSpec<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorSpec")
            .field("name", &self.slot.node.name())
            .field("mailbox", &self.capacity)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
