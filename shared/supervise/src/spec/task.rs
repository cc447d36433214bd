//! The description of a plain asynchronous task: a bus consumer, a ticker, a sweeper.

use std::fmt;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use futures::FutureExt;

use super::options::child_options;
use super::{Body, ChildSpec, Options};
use crate::child::{TaskFactory, TaskLaunch};
use crate::context::TaskContext;
use crate::exit::ExitStatus;
use crate::node::{Node, NodeKind};

/// A task under supervision.
pub struct TaskSpec {
    node: Arc<Node>,
    factory: TaskFactory,
    options: Options,
}

impl TaskSpec {
    /// A task begun afresh by `factory` for each run. It should return when [`TaskContext::draining`] resolves.
    #[must_use]
    pub fn new<F, Fut, E>(name: &str, factory: F) -> Self
    where
        F: Fn(TaskContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + 'static,
        E: Display,
    {
        let factory: TaskFactory = Arc::new(move |context| {
            let run = factory(context);
            async move { run.await.map_or_else(ExitStatus::failed, |()| ExitStatus::Success) }.boxed_local()
        });
        Self { node: Node::new(name.into(), NodeKind::Task, Vec::new()), factory, options: Options::task() }
    }

    child_options!();
}

impl From<TaskSpec> for ChildSpec {
    fn from(spec: TaskSpec) -> Self {
        let launch = TaskLaunch { factory: spec.factory };
        Self { node: spec.node, options: spec.options, body: Body::OnThread(Box::new(launch)) }
    }
}

impl fmt::Debug for TaskSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSpec")
            .field("name", &self.node.name())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
