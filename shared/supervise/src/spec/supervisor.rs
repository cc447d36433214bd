//! The description of a supervisor and its children.

use std::sync::Arc;
use std::time::Duration;

use super::{Body, ChildSpec, Options};
use crate::backoff::Backoff;
use crate::node::{Node, NodeKind};
use crate::strategy::{Restart, Strategy};

/// Default restart intensity.
const RESTARTS_MAX: usize = 5;
const RESTARTS_WINDOW: Duration = Duration::from_secs(30);

/// A supervisor: its children in starting order, and what it does when one of them ends.
#[derive(Debug)]
pub struct SupervisorSpec {
    name: Arc<str>,
    strategy: Strategy,
    restarts_max: usize,
    restarts_window: Duration,
    options: Options,
    children: Vec<ChildSpec>,
}

/// What a running supervisor needs; shared by all its incarnations.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) node: Arc<Node>,
    pub(crate) strategy: Strategy,
    pub(crate) restarts_max: usize,
    pub(crate) restarts_window: Duration,
    pub(crate) children: Vec<Arc<ChildSpec>>,
}

impl SupervisorSpec {
    /// A supervisor without children, one-for-one, allowed 5 restarts in 30 s.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            strategy: Strategy::default(),
            restarts_max: RESTARTS_MAX,
            restarts_window: RESTARTS_WINDOW,
            options: Options::supervisor(),
            children: Vec::new(),
        }
    }

    /// Which siblings share the fate of a child that restarts. Default: none.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// At most `restarts_max` restarts in any `window`; one more and this supervisor fails and its parent decides.
    #[must_use]
    pub fn intensity(mut self, restarts_max: usize, window: Duration) -> Self {
        self.restarts_max = restarts_max;
        self.restarts_window = window;
        self
    }

    /// Whether the parent starts this supervisor again after it failed. Default: always. Without effect on a root.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.options.restart = restart;
        self
    }

    /// The parent's pause before it starts this supervisor again.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = backoff;
        self
    }

    /// Adds a child. Children start in the order in which they are added and drain in reverse.
    #[must_use]
    pub fn child(mut self, child: impl Into<ChildSpec>) -> Self {
        self.children.push(child.into());
        self
    }

    /// Adds several children in order.
    #[must_use]
    pub fn children<C: Into<ChildSpec>>(mut self, children: impl IntoIterator<Item = C>) -> Self {
        self.children.extend(children.into_iter().map(Into::into));
        self
    }

    pub(crate) fn into_plan(self) -> Arc<Plan> {
        let nodes = self.children.iter().map(|child| Arc::clone(&child.node)).collect();
        Arc::new(Plan {
            node: Node::new(self.name, NodeKind::Supervisor, nodes),
            strategy: self.strategy,
            restarts_max: self.restarts_max,
            restarts_window: self.restarts_window,
            children: self.children.into_iter().map(Arc::new).collect(),
        })
    }
}

impl From<SupervisorSpec> for ChildSpec {
    fn from(spec: SupervisorSpec) -> Self {
        let options = spec.options.clone();
        let plan = spec.into_plan();
        Self { node: Arc::clone(&plan.node), options, body: Body::Supervisor(plan) }
    }
}
