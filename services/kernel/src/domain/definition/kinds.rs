//! Compiles what is particular to each kind of task.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::build::{Builder, Scope, Siblings, is_reserved};
use super::model::{Backoff, Branch, Case, Catch, ErrorFilter, ErrorTemplate, For, Kind, RetryPolicy, SubWorkflow};
use super::source::escape;
use crate::domain::expression::Template;

impl Builder<'_> {
    pub(super) fn for_task(
        &mut self,
        at: &str,
        value: &Value,
        fields: &Map<String, Value>,
        scope: &Scope,
        depth: usize,
    ) -> Option<Kind> {
        let name = |field: &str, default: &str| value.get(field).and_then(Value::as_str).unwrap_or(default).to_owned();
        let (each, index) = (name("each", "item"), name("at", "index"));
        let (at_each, at_index) = (format!("{at}/for/each"), format!("{at}/for/at"));
        let inner = self.variables(scope, &[(at_each.as_str(), each.as_str()), (at_index.as_str(), index.as_str())]);
        let list = self.program(&format!("{at}/for/in"), value.get("in"), scope);
        let condition = self.program(&format!("{at}/while"), fields.get("while"), &inner);
        let body = self.list(&format!("{at}/do"), fields.get("do"), &inner, depth + 1);
        Some(Kind::For(For { each, at: index, list: list?, condition, body }))
    }

    /// What is in sight inside a task that brings variables along, each with the place of its name. They hide those of the
    /// same name around it, as an inner loop's `item` and `index` do; but not what every expression sees, nor each other.
    pub(super) fn variables(&mut self, scope: &Scope, names: &[(&str, &str)]) -> Scope {
        let mut own = Scope::new();
        for (at, name) in names {
            let valid = name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_')
                && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
            if !valid {
                self.problem(at, format!("{name:?} is not a variable name: use letters, digits and '_'"));
            } else if is_reserved(name) || !own.insert((*name).to_owned()) {
                self.problem(at, format!("${name} is already a variable here: choose another name"));
            }
        }
        scope.union(&own).cloned().collect()
    }

    pub(super) fn switch_task(&mut self, at: &str, value: &Value, siblings: &Siblings<'_>, scope: &Scope) -> Kind {
        let items = value.as_array().map_or(&[] as &[_], Vec::as_slice);
        let mut cases = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some((name, case)) = item.as_object().and_then(|item| item.iter().next()) else { continue };
            let at = format!("{at}/switch/{index}/{}", escape(name));
            if case.get("when").is_none() && cases.iter().any(|case: &Case| case.when.is_none()) {
                self.problem(&at, "a case without `when` is the default: there may be only one");
            }
            cases.push(Case {
                when: self.program(&format!("{at}/when"), case.get("when"), scope),
                then: self.directive(&format!("{at}/then"), case.get("then"), siblings),
            });
        }
        Kind::Switch(cases)
    }

    pub(super) fn fork_task(&mut self, at: &str, value: &Value, scope: &Scope, depth: usize) -> Kind {
        let items = value.get("branches").and_then(Value::as_array).map_or(&[] as &[_], Vec::as_slice);
        if items.is_empty() {
            self.problem(&format!("{at}/fork/branches"), "a fork needs at least one branch");
        }
        let mut branches = Vec::new();
        let mut names = Scope::new();
        for (index, item) in items.iter().enumerate() {
            let Some((name, body)) = item.as_object().and_then(|item| item.iter().next()) else { continue };
            let list = format!("{at}/fork/branches/{index}");
            if !names.insert(name.clone()) {
                self.problem(&list, format!("a branch named {name:?} stands earlier: names must differ"));
            }
            branches.push(Branch { list: self.branch(list, name, body, scope, depth + 1) });
        }
        Kind::Fork { branches, compete: value.get("compete").and_then(Value::as_bool).unwrap_or(false) }
    }

    pub(super) fn try_task(
        &mut self,
        at: &str,
        body: &Value,
        catch: Option<&Value>,
        scope: &Scope,
        depth: usize,
    ) -> Kind {
        let body = self.list(&format!("{at}/try"), Some(body), scope, depth + 1);
        let nothing = json!({});
        let catch = catch.unwrap_or(&nothing);
        let at = format!("{at}/catch");
        let variable = catch.get("as").and_then(Value::as_str).unwrap_or("error").to_owned();
        let inner = self.variables(scope, &[(format!("{at}/as").as_str(), variable.as_str())]);
        let retry = catch.get("retry").and_then(|value| self.retry(&format!("{at}/retry"), value, &inner));
        let handler = catch.get("do").map(|list| self.list(&format!("{at}/do"), Some(list), &inner, depth + 1));
        let catch = Catch {
            filter: error_filter(catch.get("errors").and_then(|errors| errors.get("with"))),
            when: self.program(&format!("{at}/when"), catch.get("when"), &inner),
            except_when: self.program(&format!("{at}/exceptWhen"), catch.get("exceptWhen"), &inner),
            variable,
            retry,
            handler,
        };
        Kind::Try { body, catch }
    }

    /// Compiles `use.retries`, so that faults in them are found even when nothing names them.
    pub(super) fn collect_retries(&mut self, scope: &Scope) {
        let mut scope = scope.clone();
        scope.insert("error".to_owned());
        let named = self.source.value.pointer("/use/retries").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, value) in named {
            let policy = self.policy(&format!("/use/retries/{}", escape(&name)), &value, &scope);
            self.retries.insert(name, Arc::new(RetryPolicy { shared: true, ..policy }));
        }
    }

    pub(super) fn retry(&mut self, at: &str, value: &Value, scope: &Scope) -> Option<Arc<RetryPolicy>> {
        match value {
            Value::String(name) => {
                let found = self.retries.get(name).cloned();
                if found.is_none() {
                    self.problem(at, format!("`use.retries` holds no {name:?}"));
                }
                found
            }
            value => Some(Arc::new(self.policy(at, value, scope))),
        }
    }

    fn policy(&mut self, at: &str, value: &Value, scope: &Scope) -> RetryPolicy {
        let mut duration = |path: &str| {
            let found = value.pointer(path).cloned();
            found.and_then(|found| self.duration(&format!("{at}{path}"), &found, scope))
        };
        let delay = duration("/delay");
        let attempt_duration = duration("/limit/attempt/duration");
        let total_duration = duration("/limit/duration");
        let jitter = duration("/jitter/from").zip(duration("/jitter/to"));
        let backoff = match value.get("backoff") {
            Some(backoff) if backoff.get("exponential").is_some() => Backoff::Exponential,
            Some(backoff) if backoff.get("linear").is_some() => Backoff::Linear,
            _ => Backoff::Constant,
        };
        let attempts_max = value.pointer("/limit/attempt/count").and_then(Value::as_u64);
        RetryPolicy {
            when: self.program(&format!("{at}/when"), value.get("when"), scope),
            except_when: self.program(&format!("{at}/exceptWhen"), value.get("exceptWhen"), scope),
            delay,
            backoff,
            attempts_max: attempts_max.map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            attempt_duration,
            total_duration,
            jitter,
            shared: false,
        }
    }

    pub(super) fn raise_task(&mut self, at: &str, value: &Value, scope: &Scope) -> Option<Kind> {
        let at = format!("{at}/raise/error");
        let error = match value.get("error")? {
            Value::String(name) => match self.used("errors", name) {
                Some(error) => error,
                None => {
                    self.problem(&at, format!("`use.errors` holds no {name:?}"));
                    return None;
                }
            },
            error => error.clone(),
        };
        let template = self.template(&at, &error, scope, Template::compile)?;
        Some(Kind::Raise(ErrorTemplate { template }))
    }

    pub(super) fn emit_task(&mut self, at: &str, value: &Value, scope: &Scope) -> Option<Kind> {
        let event = value.get("event").and_then(|event| event.get("with"));
        let Some(event) = event else {
            self.problem(&format!("{at}/emit/event"), "the event needs `with`, holding at least `source` and `type`");
            return None;
        };
        self.template(&format!("{at}/emit/event/with"), event, scope, Template::compile).map(Kind::Emit)
    }

    pub(super) fn run_task(&mut self, at: &str, value: &Value, scope: &Scope) -> Option<Kind> {
        let Some(workflow) = value.get("workflow") else { return self.process_task(at, value, scope) };
        if let Some(wanted) = value.get("return").and_then(Value::as_str).filter(|it| !["stdout", "none"].contains(it))
        {
            let reason =
                format!("a workflow gives an output and has no {wanted:?}: return `stdout`, its output, or `none`");
            self.problem(&format!("{at}/run/return"), reason);
        }
        let text = |field: &str| workflow.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let input = workflow.get("input");
        let at = format!("{at}/run/workflow/input");
        Some(Kind::Run(SubWorkflow {
            namespace: text("namespace"),
            name: text("name"),
            version: Some(text("version")).filter(|version| !version.is_empty()).unwrap_or_else(|| "latest".to_owned()),
            input: input.and_then(|input| self.template(&at, input, scope, Template::compile)),
            wait: value.get("await").and_then(Value::as_bool).unwrap_or(true),
            silent: value.get("return").is_some_and(|it| it == "none"),
        }))
    }
}

fn error_filter(with: Option<&Value>) -> ErrorFilter {
    let text = |field: &str| with.and_then(|with| with.get(field)).and_then(Value::as_str).map(str::to_owned);
    ErrorFilter {
        kind: text("type"),
        status: with.and_then(|with| with.get("status")).and_then(Value::as_u64),
        instance: text("instance"),
        title: text("title"),
        detail: text("details").or_else(|| text("detail")),
    }
}
