//! Moving a run to another version of its workflow, where nothing is under way and every place that it stands at is there
//! again. What does not match is listed.

use super::Machine;
use crate::domain::command::{Reject, Target};
use crate::domain::definition::Definition;
use crate::domain::effect::Effect;
use crate::domain::event::Fact;
use crate::domain::state::{Activity, Frame};

/// Reasons that a refusal names.
const REASONS_MAX: usize = 20;

impl Machine<'_> {
    pub(super) fn migrate(&mut self, target: Target, by: String) -> Result<(), Reject> {
        let (namespace, name, version) = &self.state.run.workflow;
        if (namespace, name) != (&target.workflow.0, &target.workflow.1) {
            let message =
                format!("{}/{} is another workflow than {namespace}/{name}", target.workflow.0, target.workflow.1);
            return Err(Reject::Invalid(message));
        }
        if target.definition == self.state.run.definition {
            return Err(Reject::Invalid(format!("the task is on version {version} already")));
        }
        let mut reasons: Vec<String> = Vec::new();
        if self.state.ending.is_some() {
            reasons.push("the task is undoing its steps".to_owned());
        }
        self.state.frames.values().for_each(|frame| reasons.extend(self.misfit(frame, &target)));
        for undo in &self.state.undo {
            let list = self.definition.task(&undo.pointer).and_then(|task| task.compensation.as_ref());
            let list = list.map(|it| it.list.to_string()).unwrap_or_default();
            if !target.shape.contains_key(&list) {
                reasons.push(format!("{} could not be undone: the new version does not say how", undo.pointer));
            }
        }
        if !reasons.is_empty() {
            reasons.truncate(REASONS_MAX);
            return Err(Reject::Refused(reasons));
        }
        let Target { workflow, definition, .. } = target;
        self.record(Fact::Migrated { workflow, definition, by, audited: true });
        // The next command is decided by the new definition.
        self.effects.push(Effect::Continue);
        Ok(())
    }

    /// Why a frame cannot go on in another definition.
    fn misfit(&self, frame: &Frame, target: &Target) -> Option<String> {
        let pointer = &*frame.pointer;
        let found = |pointer: &str| target.shape.get(pointer).map(String::as_str);
        match &frame.activity {
            Activity::Call { .. } | Activity::Child { .. } | Activity::Map { .. } => {
                Some(format!("a call is under way at {pointer}: wait until it is over, or pause the task until then"))
            }
            Activity::List { next, done, .. } => {
                if found(pointer) != Some(Definition::LIST) {
                    return Some(format!("the new version has no list {pointer}"));
                }
                let next = self.definition.list(pointer).get(*next as usize).filter(|_| !done)?;
                self.moved(&next.pointer, next.kind.word(), target)
            }
            _ => {
                let kind = self.definition.task(pointer).map_or("", |task| task.kind.word());
                self.moved(pointer, kind, target)
            }
        }
    }

    fn moved(&self, pointer: &str, kind: &str, target: &Target) -> Option<String> {
        match target.shape.get(pointer) {
            Some(found) if found == kind => None,
            Some(found) => Some(format!("{pointer} is `{kind}` here and `{found}` in the new version")),
            None => Some(format!("the new version has no {pointer}")),
        }
    }
}
