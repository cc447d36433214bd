//! `use.extensions`: tasks that run before and after those that they extend. An extended task stands in a list of its own
//! inside a wrapper, which runs the extensions around it and takes its place in the flow.

use std::sync::Arc;

use serde_json::Value;

use super::Pointer;
use super::build::{Builder, Scope};
use super::model::{Directive, Intake, Kind, Outcome, Task};
use super::source::escape;
use crate::domain::expression::Program;

/// An extension.
#[derive(Debug)]
pub struct Extension {
    /// The type of task that it extends, or `all`.
    pub extend: String,
    /// Only if this holds.
    pub when: Option<Program>,
    /// Runs before the task; `exit` goes past the task.
    pub before: Option<Pointer>,
    /// Runs after it.
    pub after: Option<Pointer>,
}

/// A task with its extensions.
#[derive(Debug)]
pub struct Extended {
    /// In the order of the definition.
    pub extensions: Vec<Arc<Extension>>,
    /// The list that holds the task alone.
    pub body: Pointer,
    /// The task.
    pub task: Arc<Task>,
}

impl Builder<'_> {
    /// Compiles the extensions; what they run is not extended itself.
    pub(super) fn extensions(&mut self, scope: &Scope) -> Vec<Arc<Extension>> {
        let items = self.source.value.pointer("/use/extensions").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut extensions = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some((name, body)) = item.as_object().and_then(|item| item.iter().next()) else { continue };
            let at = format!("/use/extensions/{index}/{}", escape(name));
            let mut list =
                |field: &str| body.get(field).map(|list| self.list(&format!("{at}/{field}"), Some(list), scope, 1));
            let (before, after) = (list("before"), list("after"));
            extensions.push(Arc::new(Extension {
                extend: body.get("extend").and_then(Value::as_str).unwrap_or_default().to_owned(),
                when: self.program(&format!("{at}/when"), body.get("when"), scope),
                before,
                after,
            }));
        }
        extensions
    }

    /// The task that stands in its list: the wrapper, if it is extended.
    pub(super) fn extend(&mut self, task: Task) -> Arc<Task> {
        let kind = kind_name(&task.kind);
        let applies = |extension: &&Arc<Extension>| extension.extend == "all" || extension.extend == kind;
        let extensions: Vec<_> = self.extensions.iter().filter(applies).cloned().collect();
        if extensions.is_empty() {
            let task = Arc::new(task);
            self.tasks.insert(task.pointer.clone(), task.clone());
            return task;
        }
        let body: Pointer = format!("{}/extended", task.pointer).into();
        let (index, then, mut inner) = (task.index, task.then, task);
        // The wrapper answers for the task's place in the flow.
        let condition = inner.condition.take();
        (inner.index, inner.then) = (0, Directive::Continue);
        let inner = Arc::new(inner);
        let wrapper = Arc::new(Task {
            name: inner.name.clone(),
            pointer: format!("{}/extensions", inner.pointer).into(),
            index,
            condition,
            input: Intake::default(),
            output: Outcome::default(),
            export: None,
            timeout: None,
            then,
            kind: Kind::Extended(Extended { extensions, body: body.clone(), task: inner.clone() }),
            source: inner.source.clone(),
        });
        self.lists.insert(body, vec![inner.clone()]);
        self.tasks.insert(inner.pointer.clone(), inner);
        self.tasks.insert(wrapper.pointer.clone(), wrapper.clone());
        wrapper
    }
}

/// The names of "Extension": `composite` is a task made of others.
fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Set(_) => "set",
        Kind::Do(_) | Kind::Fork { .. } => "composite",
        Kind::Switch(_) => "switch",
        Kind::For(_) => "for",
        Kind::Try { .. } => "try",
        Kind::Raise(_) => "raise",
        Kind::Wait(_) => "wait",
        Kind::Emit(_) => "emit",
        Kind::Listen(_) => "listen",
        Kind::Run(_) => "run",
        Kind::Call(_) => "call",
        Kind::Extended(_) => "extension",
    }
}
