//! What a tree is made of: descriptions of children, from which fresh instances are made.

mod actor;
mod options;
mod supervisor;
mod task;

use std::fmt;
use std::sync::Arc;

pub use actor::ActorSpec;
pub(crate) use options::Options;
pub(crate) use supervisor::Plan;
pub use supervisor::SupervisorSpec;
pub use task::TaskSpec;

use crate::child::Launch;
use crate::node::Node;

/// A child of any kind, as a supervisor holds it.
pub struct ChildSpec {
    pub(crate) node: Arc<Node>,
    pub(crate) options: Options,
    pub(crate) body: Body,
}

/// What a child is made of.
pub(crate) enum Body {
    /// An actor or a task, which needs a thread.
    OnThread(Box<dyn Launch>),
    /// A supervisor, which runs on the supervisors' thread.
    Supervisor(Arc<Plan>),
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec").field("node", &self.node).field("options", &self.options).finish_non_exhaustive()
    }
}
