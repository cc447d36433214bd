//! What the platform adds to the standard beside its calls: keys of `metadata` under `orrery.`. A task may say how it is
//! undone and what becomes of the runs it started; a document may declare queries and updates.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::build::{Builder, Scope};
use super::model::{Compensation, ParentClose, Update};
use super::schema;
use super::source::{Source, escape};
use crate::domain::expression::Program;

/// How a task is undone.
const COMPENSATE: &str = "orrery.compensate";
/// What becomes of the runs that a task started.
const PARENT_CLOSE: &str = "orrery.parent_close";
/// Named questions about a run.
const QUERIES: &str = "orrery.queries";
/// Signals that are checked before they are taken.
const UPDATES: &str = "orrery.updates";
/// The variable that a compensation sees beside those of its step.
pub const STEP: &str = "step";
/// Variables of a query or an update.
const LIVE: &[&str] = &["context", "input", "workflow", "runtime", "payload", "state"];

impl Builder<'_> {
    /// How a task is undone, if it says so.
    pub(super) fn compensation(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        scope: &Scope,
        depth: usize,
    ) -> Option<Compensation> {
        let value = fields.get("metadata")?.get(COMPENSATE)?.clone();
        let at = format!("{at}/metadata/{COMPENSATE}");
        self.fields(&at, &value, &["do", "after", "retry"]);
        let list = value.get("do").filter(|list| list.as_array().is_some_and(|list| !list.is_empty()));
        let Some(list) = list else {
            self.problem(&at, "a compensation needs `do`, a list of tasks");
            return None;
        };
        self.hold_against_schema(&format!("{at}/do"), list);
        let mut inner = scope.clone();
        inner.insert(STEP.to_owned());
        let retry = value.get("retry").and_then(|retry| {
            let mut inner = inner.clone();
            inner.insert("error".to_owned());
            self.retry(&format!("{at}/retry"), retry, &inner)
        });
        let (cancel, fault) = self.occasions(&format!("{at}/after"), value.get("after"));
        let list = self.list(&format!("{at}/do"), Some(list), &inner, depth + 1);
        Some(Compensation { list, after_cancel: cancel, after_fault: fault, retry })
    }

    fn occasions(&mut self, at: &str, value: Option<&Value>) -> (bool, bool) {
        let Some(value) = value else { return (true, true) };
        let names: Vec<&str> = match value {
            Value::String(name) => vec![name],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if names.is_empty() || names.iter().any(|name| !["cancel", "fault"].contains(name)) {
            self.problem(at, "`after` names `cancel`, `fault` or both");
        }
        (names.contains(&"cancel"), names.contains(&"fault"))
    }

    /// The official schema looks at no metadata, so a list that stands there is held against it on its own.
    fn hold_against_schema(&mut self, at: &str, list: &Value) {
        let document = json!({ "document": self.source.value.get("document"), "do": list });
        for problem in schema::check(&Source::bare(document)) {
            let inside = problem.pointer.strip_prefix("/do").unwrap_or_default();
            self.problem(&format!("{at}{inside}"), problem.reason);
        }
    }

    /// What becomes of the runs that a task started when it is given up.
    pub(super) fn parent_close(&mut self, at: &str, fields: &Map<String, Value>) -> ParentClose {
        match fields.get("metadata").and_then(|metadata| metadata.get(PARENT_CLOSE)) {
            None => ParentClose::default(),
            Some(value) => serde_json::from_value(value.clone()).unwrap_or_else(|_| {
                self.problem(
                    &format!("{at}/metadata/{PARENT_CLOSE}"),
                    format!("{value} is no parent-close policy: use cancel, terminate or abandon"),
                );
                ParentClose::default()
            }),
        }
    }

    /// `orrery.queries` of the document.
    pub(super) fn queries(&mut self) -> BTreeMap<String, Program> {
        let scope = live();
        let mut queries = BTreeMap::new();
        for (name, value) in self.declared(QUERIES) {
            let at = format!("/document/metadata/{QUERIES}/{}", escape(&name));
            if !value.is_string() {
                self.problem(&at, "a query is a jq expression over the context");
            }
            if let Some(program) = self.program(&at, Some(&value), &scope) {
                queries.insert(name, program);
            }
        }
        queries
    }

    /// `orrery.updates` of the document.
    pub(super) fn updates(&mut self) -> BTreeMap<String, Update> {
        let scope = live();
        let mut updates = BTreeMap::new();
        for (name, value) in self.declared(UPDATES) {
            let at = format!("/document/metadata/{UPDATES}/{}", escape(&name));
            self.fields(&at, &value, &["schema", "accept", "result"]);
            let schema = value.get("schema").cloned();
            if let Some(Err(reason)) = schema.as_ref().map(|schema| schema::violations(schema, &Value::Null)) {
                self.problem(&format!("{at}/schema"), format!("this is not a JSON Schema: {reason}"));
            }
            let accept = self.program(&format!("{at}/accept"), value.get("accept"), &scope);
            let result = self.program(&format!("{at}/result"), value.get("result"), &scope);
            updates.insert(name, Update { schema, accept, result });
        }
        updates
    }

    fn declared(&mut self, section: &str) -> Vec<(String, Value)> {
        let pointer = format!("/document/metadata/{section}");
        match self.source.value.pointer(&pointer) {
            None => Vec::new(),
            Some(Value::Object(named)) => named.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            Some(_) => {
                self.problem(&pointer, "this must be a mapping of names");
                Vec::new()
            }
        }
    }

    fn fields(&mut self, at: &str, value: &Value, known: &[&str]) {
        let Some(fields) = value.as_object() else {
            self.problem(at, format!("this must be a mapping with {}", known.join(", ")));
            return;
        };
        for field in fields.keys().filter(|field| !known.contains(&field.as_str())) {
            let reason = format!("unknown field {field:?}: there are {}", known.join(", "));
            self.problem(&format!("{at}/{}", escape(field)), reason);
        }
    }
}

fn live() -> Scope {
    LIVE.iter().map(|&name| name.to_owned()).collect()
}
