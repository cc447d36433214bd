//! Finds flows that nothing ends: a cycle of `then` in which no task chooses another way, takes time or may end.

use std::collections::VecDeque;

use super::Pointer;
use super::build::Builder;
use super::model::{Directive, Kind, Task};
use super::source::escape;

impl Builder<'_> {
    /// Reports the first task of a list from which no way leads out of it.
    pub(super) fn check_flow(&mut self, list: &Pointer, tasks: &[std::sync::Arc<Task>]) {
        let ends: Vec<bool> = tasks.iter().map(|task| self.may_end(task)).collect();
        if ends.iter().any(|ends| *ends) {
            self.ending_lists.insert(list.clone());
        }
        // A list without a way back always comes to its end.
        let goes_back =
            |(index, task): (usize, &std::sync::Arc<Task>)| ways(task).any(|to| to.is_some_and(|to| to <= index));
        if !tasks.iter().enumerate().any(goes_back) {
            return;
        }
        let mut from = vec![Vec::new(); tasks.len()];
        let mut open: VecDeque<usize> = VecDeque::new();
        for (index, task) in tasks.iter().enumerate() {
            let mut out = ends.get(index).copied().unwrap_or(false);
            for to in ways(task) {
                match to.and_then(|to| from.get_mut(to)) {
                    Some(into) => into.push(index),
                    None => out = true,
                }
            }
            if out {
                open.push_back(index);
            }
        }
        let mut leads_out = vec![false; tasks.len()];
        while let Some(index) = open.pop_front() {
            if let Some(known @ false) = leads_out.get_mut(index) {
                *known = true;
                open.extend(from.get(index).into_iter().flatten());
            }
        }
        if let Some(task) = first_trapped(tasks, &leads_out) {
            let at = format!("{list}/{}/{}/then", task.index, escape(&task.name));
            let reason = "the flow comes back here for ever: nothing in this cycle ends it, waits, or goes another way";
            self.problem(&at, reason);
        }
    }

    /// Whether a task can do anything else than go on at once.
    fn may_end(&self, task: &Task) -> bool {
        let ends = |list: &Pointer| self.ending_lists.contains(list);
        let says_end = task.then == Directive::End;
        says_end
            || match &task.kind {
                Kind::Set(_) | Kind::Emit(_) => false,
                Kind::Switch(cases) => cases.iter().any(|case| case.then == Directive::End),
                Kind::Do(body) => ends(body),
                Kind::For(each) => ends(&each.body),
                Kind::Fork { branches, .. } => branches.iter().any(|branch| ends(&branch.list)),
                Kind::Try { body, catch } => ends(body) || catch.handler.as_ref().is_some_and(ends),
                _ => true,
            }
    }
}

/// The first task that the flow comes to and from which no way leads out.
fn first_trapped<'a>(tasks: &'a [std::sync::Arc<Task>], leads_out: &[bool]) -> Option<&'a Task> {
    let mut seen = vec![false; tasks.len()];
    let mut open = VecDeque::from([0_usize]);
    while let Some(index) = open.pop_front() {
        let (Some(task), Some(known @ false)) = (tasks.get(index), seen.get_mut(index)) else { continue };
        *known = true;
        if !leads_out.get(index).copied().unwrap_or(true) {
            return Some(task);
        }
        open.extend(ways(task).flatten());
    }
    None
}

/// Where the flow may go after a task; none: out of the list.
fn ways(task: &Task) -> impl Iterator<Item = Option<usize>> {
    let to = |then: Directive| match then {
        Directive::Continue => Some(task.index as usize + 1),
        Directive::Goto(index) => Some(index as usize),
        Directive::Exit | Directive::End => None,
    };
    let skipped = task.condition.as_ref().map(|_| Some(task.index as usize + 1));
    let (cases, falls_through) = match &task.kind {
        Kind::Switch(cases) => (cases.as_slice(), cases.iter().all(|case| case.when.is_some())),
        _ => (&[] as &[_], true),
    };
    let own = falls_through.then(|| to(task.then));
    cases.iter().map(move |case| to(case.then)).chain(own).chain(skipped)
}
