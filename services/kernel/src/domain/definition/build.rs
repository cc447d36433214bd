//! Compiles a definition that the schema has accepted, and finds what a schema cannot: names that lead nowhere, variables
//! and functions that do not exist, and parts of the DSL that this kernel does not run.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::duration::DurationSpec;
use super::model::{Definition, Directive, Document, Intake, Kind, Outcome, RetryPolicy, Task, Transform};
use super::source::{Source, escape};
use super::{Pointer, Problem, hash};
use crate::domain::expression::{CompileError, Program, Template};

/// Tasks that one definition may hold.
const TASKS_MAX: usize = 10_000;
/// Lists nested in lists.
const NESTING_MAX: usize = 64;
/// What a definition is made of.
const SECTIONS: &[&str] = &["document", "input", "use", "do", "timeout", "output", "schedule"];
/// Variables that every expression may name.
const STANDARD: &[&str] = &["context", "input", "output", "task", "workflow", "runtime"];

/// The variables in sight at one place.
pub type Scope = BTreeSet<String>;

/// Compiles.
pub fn build(source: &Source) -> Result<Definition, Vec<Problem>> {
    let mut builder =
        Builder { source, problems: Vec::new(), tasks: HashMap::new(), lists: HashMap::new(), retries: HashMap::new() };
    let scope: Scope = STANDARD.iter().map(|&name| name.to_owned()).collect();
    let root = Map::new();
    let root = source.value.as_object().unwrap_or(&root);
    builder.refuse_unsupported(root);
    builder.collect_retries(&scope);
    let input = builder.intake("", root, &scope);
    let output = builder.outcome("", root, &scope);
    let timeout = builder.timeout("", root, &scope);
    let (queries, updates) = (builder.queries(), builder.updates());
    builder.list(Definition::ROOT, root.get("do"), &scope, 0);
    if !builder.problems.is_empty() {
        return Err(builder.problems);
    }
    let (tasks, lists) = (builder.tasks, builder.lists);
    let document = document(root.get("document"));
    let hash = hash::digest(&source.value);
    let source = Arc::new(source.value.clone());
    Ok(Definition { document, hash, source, input, output, timeout, queries, updates, tasks, lists })
}

fn document(value: Option<&Value>) -> Document {
    let text = |field: &str| value.and_then(|it| it.get(field)).and_then(Value::as_str).map(str::to_owned);
    let name = text("name").unwrap_or_default();
    Document {
        namespace: text("namespace").unwrap_or_default(),
        version: text("version").unwrap_or_default(),
        title: text("title").unwrap_or_else(|| name.clone()),
        name,
    }
}

/// The state of one compilation.
pub struct Builder<'a> {
    pub(super) source: &'a Source,
    pub(super) problems: Vec<Problem>,
    tasks: HashMap<Pointer, Arc<Task>>,
    lists: HashMap<Pointer, Vec<Arc<Task>>>,
    pub(super) retries: HashMap<String, Arc<RetryPolicy>>,
}

impl Builder<'_> {
    pub(super) fn problem(&mut self, pointer: &str, reason: impl Into<String>) {
        self.problems.push(self.source.problem(pointer, reason));
    }

    fn refuse_unsupported(&mut self, root: &Map<String, Value>) {
        // The official schema leaves the top level open.
        for field in root.keys().filter(|field| !SECTIONS.contains(&field.as_str())) {
            self.problem(
                &format!("/{}", escape(field)),
                format!("unknown field {field:?}: there are {}", SECTIONS.join(", ")),
            );
        }
        if root.contains_key("schedule") {
            self.problem("/schedule", "this kernel does not run schedules yet: start the workflow by a call");
        }
        for part in ["authentications", "extensions", "functions", "secrets", "catalogs"] {
            if root.get("use").is_some_and(|it| it.get(part).is_some()) {
                self.problem(&format!("/use/{part}"), format!("this kernel does not run `use.{part}` yet"));
            }
        }
    }

    /// What `use` holds under a section and a name.
    pub(super) fn used(&self, section: &str, name: &str) -> Option<Value> {
        self.source.value.get("use")?.get(section)?.get(name).cloned()
    }

    /// Compiles a task list; its tasks are then found under `pointer`.
    pub(super) fn list(&mut self, pointer: &str, value: Option<&Value>, scope: &Scope, depth: usize) -> Pointer {
        let items = value.and_then(Value::as_array).map_or(&[] as &[_], Vec::as_slice);
        if depth > NESTING_MAX {
            self.problem(pointer, format!("task lists nest more than {NESTING_MAX} levels deep"));
            return pointer.into();
        }
        let names: Vec<&str> =
            items.iter().filter_map(|item| item.as_object()?.keys().next()).map(String::as_str).collect();
        let mut tasks = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some((name, body)) = item.as_object().and_then(|item| item.iter().next()) else { continue };
            let at = format!("{pointer}/{index}/{}", escape(name));
            if names.iter().position(|other| other == name) != Some(index) {
                self.problem(&at, format!("a task named {name:?} stands earlier in this list: names must differ"));
            }
            tasks.extend(self.task(name, index, at, body, &names, scope, depth));
        }
        let pointer: Pointer = pointer.into();
        self.lists.insert(pointer.clone(), tasks);
        pointer
    }

    /// A list that holds one branch of a fork.
    pub(super) fn branch(&mut self, pointer: String, name: &str, body: &Value, scope: &Scope, depth: usize) -> Pointer {
        let at = format!("{pointer}/{}", escape(name));
        let task = self.task(name, 0, at, body, &[], scope, depth);
        let pointer: Pointer = pointer.into();
        self.lists.insert(pointer.clone(), task.into_iter().collect());
        pointer
    }

    #[allow(clippy::too_many_arguments)] // one task's place: name, index, pointer, siblings and scope belong together
    fn task(
        &mut self,
        name: &str,
        index: usize,
        at: String,
        body: &Value,
        siblings: &[&str],
        scope: &Scope,
        depth: usize,
    ) -> Option<Arc<Task>> {
        if self.tasks.len() >= TASKS_MAX {
            self.problem(&at, format!("a definition may hold {TASKS_MAX} tasks"));
            return None;
        }
        let fields = body.as_object()?;
        let kind = self.kind(&at, fields, siblings, scope, depth)?;
        let task = Arc::new(Task {
            name: name.to_owned(),
            index: u32::try_from(index).unwrap_or(u32::MAX),
            condition: self.program(&format!("{at}/if"), fields.get("if"), scope),
            input: self.intake(&at, fields, scope),
            output: self.outcome(&at, fields, scope),
            export: self.export(&at, fields, scope),
            timeout: self.timeout(&at, fields, scope),
            then: self.directive(&format!("{at}/then"), fields.get("then"), siblings),
            compensation: self.compensation(&at, fields, scope, depth),
            parent_close: self.parent_close(&at, fields),
            pointer: at.as_str().into(),
            kind,
            source: body.clone(),
        });
        self.tasks.insert(task.pointer.clone(), task.clone());
        Some(task)
    }

    fn kind(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        siblings: &[&str],
        scope: &Scope,
        depth: usize,
    ) -> Option<Kind> {
        if let Some(value) = fields.get("for") {
            return self.for_task(at, value, fields, scope, depth);
        }
        for (key, value) in fields {
            return match key.as_str() {
                "set" => self.template(&format!("{at}/set"), value, scope, Template::compile).map(Kind::Set),
                "do" => Some(Kind::Do(self.list(&format!("{at}/do"), Some(value), scope, depth + 1))),
                "switch" => Some(self.switch_task(at, value, siblings, scope)),
                "fork" => Some(self.fork_task(at, value, scope, depth)),
                "try" => Some(self.try_task(at, value, fields.get("catch"), scope, depth)),
                "raise" => self.raise_task(at, value, scope),
                "wait" => self.duration(&format!("{at}/wait"), value, scope).map(Kind::Wait),
                "emit" => self.emit_task(at, value, scope),
                "run" => self.run_task(at, value, scope),
                "call" => self.call_task(at, value, fields.get("with"), scope),
                "listen" => {
                    self.problem(&format!("{at}/listen"), "this kernel does not run `listen` yet");
                    None
                }
                _ => continue,
            };
        }
        None
    }

    /// A flow directive; a name must be one of the same list.
    pub(super) fn directive(&mut self, at: &str, value: Option<&Value>, siblings: &[&str]) -> Directive {
        match value.and_then(Value::as_str) {
            None | Some("continue") => Directive::Continue,
            Some("exit") => Directive::Exit,
            Some("end") => Directive::End,
            Some(name) => match siblings.iter().position(|sibling| *sibling == name) {
                Some(index) => Directive::Goto(u32::try_from(index).unwrap_or(u32::MAX)),
                None => {
                    let known = siblings.join(", ");
                    self.problem(at, format!("no task is named {name:?} in this list: it holds {known}"));
                    Directive::Continue
                }
            },
        }
    }

    pub(super) fn program(&mut self, at: &str, value: Option<&Value>, scope: &Scope) -> Option<Program> {
        match Program::compile(value?.as_str()?, scope) {
            Ok(program) => Some(program),
            Err(error) => {
                self.problem(at, error.to_string());
                None
            }
        }
    }

    pub(super) fn template<T>(
        &mut self,
        at: &str,
        value: &Value,
        scope: &Scope,
        compile: impl Fn(&Value, &Scope) -> Result<T, (String, CompileError)>,
    ) -> Option<T> {
        match compile(value, scope) {
            Ok(template) => Some(template),
            Err((inner, error)) => {
                self.problem(&format!("{at}{inner}"), error.to_string());
                None
            }
        }
    }

    pub(super) fn duration(&mut self, at: &str, value: &Value, scope: &Scope) -> Option<DurationSpec> {
        self.template(at, value, scope, DurationSpec::compile)
    }

    fn timeout(&mut self, at: &str, fields: &Map<String, Value>, scope: &Scope) -> Option<DurationSpec> {
        let at = format!("{at}/timeout");
        let value = match fields.get("timeout")? {
            Value::String(name) => match self.used("timeouts", name) {
                Some(value) => value,
                None => {
                    self.problem(&at, format!("`use.timeouts` holds no {name:?}"));
                    return None;
                }
            },
            value => value.clone(),
        };
        self.duration(&format!("{at}/after"), value.get("after")?, scope)
    }

    fn intake(&mut self, at: &str, fields: &Map<String, Value>, scope: &Scope) -> Intake {
        let Some(value) = fields.get("input") else { return Intake::default() };
        let at = format!("{at}/input");
        let from = value.get("from");
        Intake {
            schema: self.schema(&at, value),
            from: from.and_then(|it| self.template(&format!("{at}/from"), it, scope, Template::compile_transform)),
        }
    }

    fn outcome(&mut self, at: &str, fields: &Map<String, Value>, scope: &Scope) -> Outcome {
        let Some(value) = fields.get("output") else { return Outcome::default() };
        let at = format!("{at}/output");
        let transform = value.get("as");
        Outcome {
            schema: self.schema(&at, value),
            transform: transform
                .and_then(|it| self.template(&format!("{at}/as"), it, scope, Template::compile_transform)),
        }
    }

    fn export(&mut self, at: &str, fields: &Map<String, Value>, scope: &Scope) -> Option<Transform> {
        let value = fields.get("export")?;
        let at = format!("{at}/export");
        let template = self.template(&format!("{at}/as"), value.get("as")?, scope, Template::compile_transform)?;
        Some(Transform { template, schema: self.schema(&at, value) })
    }

    fn schema(&mut self, at: &str, value: &Value) -> Option<Value> {
        let schema = value.get("schema")?;
        let Some(document) = schema.get("document") else {
            self.problem(&format!("{at}/schema"), "a schema must stand in the definition, under `document`");
            return None;
        };
        let format = schema.get("format").and_then(Value::as_str).unwrap_or("json");
        if !format.starts_with("json") {
            self.problem(&format!("{at}/schema/format"), "only JSON Schema is supported");
        }
        if let Err(reason) = super::violations(document, &Value::Null) {
            self.problem(&format!("{at}/schema/document"), format!("this is not a JSON Schema: {reason}"));
        }
        Some(document.clone())
    }
}
