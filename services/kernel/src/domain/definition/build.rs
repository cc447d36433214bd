//! Compiles a definition that the schema has accepted, and finds what a schema cannot: names that lead nowhere, variables
//! and functions that do not exist, and parts of the DSL that this kernel does not run.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::duration::{self, DurationSpec};
use super::evaluate::loosened;
use super::extension::Extension;
use super::model::{Definition, Directive, Document, Intake, Kind, Outcome, RetryPolicy, Task, Transform};
use super::source::{Source, escape};
use super::{Pointer, Problem, calls, hash};
use crate::domain::expression::{AUTHORIZATION, CompileError, Program, SECRETS, Template, written};

/// Tasks that one definition may hold.
const TASKS_MAX: usize = 10_000;
/// Lists nested in lists.
const NESTING_MAX: usize = 64;
/// What a definition is made of.
const SECTIONS: &[&str] = &["document", "input", "use", "do", "timeout", "output", "schedule", "evaluate"];
/// Variables that every expression may name.
const STANDARD: &[&str] = &["context", "input", "output", "task", "workflow", "runtime", AUTHORIZATION];
/// What no task may call a variable of its own.
pub fn is_reserved(name: &str) -> bool {
    STANDARD.contains(&name) || name == SECRETS
}

/// The variables in sight at one place.
pub type Scope = BTreeSet<String>;

/// Compiles.
pub fn build(source: &Source) -> Result<Definition, Vec<Problem>> {
    let mut builder = Builder::of(source);
    let scope: Scope = STANDARD.iter().map(|&name| name.to_owned()).collect();
    let root = Map::new();
    let root = source.value.as_object().unwrap_or(&root);
    builder.refuse_unsupported(root);
    builder.evaluation(root);
    builder.collect_retries(&scope);
    builder.collect_secrets();
    builder.collect_authentications();
    builder.collect_functions(&scope);
    let input = builder.intake("", root, &scope, false);
    let output = builder.outcome("", root, &scope);
    let timeout = builder.timeout("", root, &scope);
    let (queries, updates) = (builder.queries(), builder.updates());
    let schedule = builder.schedule(root, &scope);
    builder.extensions = builder.extensions(&scope);
    builder.list(Definition::ROOT, root.get("do"), &scope, 0);
    if !builder.problems.is_empty() {
        return Err(builder.problems);
    }
    let (tasks, lists) = (builder.tasks, builder.lists);
    let document = document(root.get("document"));
    let hash = hash::digest(&source.value);
    let source = Arc::new(source.value.clone());
    Ok(Definition { document, hash, source, input, output, timeout, schedule, queries, updates, tasks, lists })
}

/// The `document` section.
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

/// For a message: the names of a list in their order, as many as one can read.
fn names(siblings: &Siblings<'_>) -> String {
    const SHOWN: usize = 20;
    let mut names: Vec<_> = siblings.iter().map(|(name, at)| (at, *name)).collect();
    names.sort_unstable();
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let names: Vec<&str> = names.into_iter().take(SHOWN).map(|(_, name)| name).collect();
    format!("{}{more}", names.join(", "))
}

/// The state of one compilation.
pub struct Builder<'a> {
    pub(super) source: &'a Source,
    pub(super) problems: Vec<Problem>,
    pub(super) tasks: HashMap<Pointer, Arc<Task>>,
    pub(super) lists: HashMap<Pointer, Vec<Arc<Task>>>,
    pub(super) retries: HashMap<String, Arc<RetryPolicy>>,
    /// What runs around the tasks compiled from now on.
    pub(super) extensions: Vec<Arc<Extension>>,
    /// Whether any text may be an expression (specification, "Evaluate").
    pub(super) loose: bool,
    /// Lists in which something may end, or takes time.
    pub(super) ending_lists: HashSet<Pointer>,
    /// What `use.secrets` names.
    pub(super) secrets: Vec<String>,
    /// The `input.from` of the task that is being compiled, if it rests on secrets.
    pub(super) secret_input: Option<String>,
    /// The function of `use.functions` that is being compiled.
    pub(super) inside_function: Option<String>,
    /// Which function calls which, and where.
    pub(super) function_calls: Vec<(String, String, String)>,
}

/// The names of a list's tasks, by which directives find them.
pub type Siblings<'a> = HashMap<&'a str, usize>;

impl<'a> Builder<'a> {
    fn of(source: &'a Source) -> Self {
        Self {
            source,
            problems: Vec::new(),
            tasks: HashMap::new(),
            lists: HashMap::new(),
            retries: HashMap::new(),
            extensions: Vec::new(),
            loose: false,
            ending_lists: HashSet::new(),
            secrets: Vec::new(),
            secret_input: None,
            inside_function: None,
            function_calls: Vec::new(),
        }
    }
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
        let version = self.source.value.pointer("/document/dsl").and_then(Value::as_str).unwrap_or_default();
        if !version.starts_with("1.") {
            let reason = format!("version {version} of the DSL is not run here: write the workflow in 1.0");
            self.problem("/document/dsl", reason);
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
        let names =
            items.iter().enumerate().filter_map(|(at, item)| Some((item.as_object()?.keys().next()?.as_str(), at)));
        // Backwards, so that of two tasks with one name the first is found.
        let names: Siblings<'_> = names.collect::<Vec<_>>().into_iter().rev().collect();
        let mut tasks = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some((name, body)) = item.as_object().and_then(|item| item.iter().next()) else { continue };
            let at = format!("{pointer}/{index}/{}", escape(name));
            if names.get(name.as_str()) != Some(&index) {
                self.problem(&at, format!("a task named {name:?} stands earlier in this list: names must differ"));
            }
            tasks.extend(self.task(name, index, at, body, &names, scope, depth));
        }
        let pointer: Pointer = pointer.into();
        self.check_flow(&pointer, &tasks);
        self.lists.insert(pointer.clone(), tasks);
        pointer
    }

    /// A list that holds one branch of a fork.
    pub(super) fn branch(&mut self, pointer: String, name: &str, body: &Value, scope: &Scope, depth: usize) -> Pointer {
        let at = format!("{pointer}/{}", escape(name));
        let task = self.task(name, 0, at, body, &Siblings::new(), scope, depth);
        let pointer: Pointer = pointer.into();
        let tasks: Vec<_> = task.into_iter().collect();
        self.check_flow(&pointer, &tasks);
        self.lists.insert(pointer.clone(), tasks);
        pointer
    }

    /// The list that holds the task of a function of `use.functions`; it stands where the task does.
    pub(super) fn function_pointer(name: &str) -> Pointer {
        format!("/use/functions/{}", escape(name)).into()
    }

    /// Compiles a function of `use.functions`.
    pub(super) fn function(&mut self, name: &str, at: String, body: &Value, scope: &Scope) {
        let task = self.task(name, 0, at, body, &Siblings::new(), scope, 0);
        let (pointer, tasks) = (Self::function_pointer(name), task.into_iter().collect::<Vec<_>>());
        self.check_flow(&pointer, &tasks);
        self.lists.insert(pointer, tasks);
    }

    #[allow(clippy::too_many_arguments)] // one task's place: name, index, pointer, siblings and scope belong together
    fn task(
        &mut self,
        name: &str,
        index: usize,
        at: String,
        body: &Value,
        siblings: &Siblings<'_>,
        scope: &Scope,
        depth: usize,
    ) -> Option<Arc<Task>> {
        if self.tasks.len() >= TASKS_MAX {
            self.problem(&at, format!("a definition may hold {TASKS_MAX} tasks"));
            return None;
        }
        let fields = body.as_object()?;
        self.secret_input = self.secret_intake(fields);
        let kind = self.kind(&at, fields, siblings, scope, depth);
        let has_secret_input = self.secret_input.take().is_some();
        let kind = kind?;
        let task = Task {
            name: name.to_owned(),
            index: u32::try_from(index).unwrap_or(u32::MAX),
            condition: self.program(&format!("{at}/if"), fields.get("if"), scope),
            input: self.intake(&at, fields, scope, has_secret_input),
            output: self.outcome(&at, fields, scope),
            export: self.export(&at, fields, scope),
            timeout: self.timeout(&at, fields, scope),
            then: self.directive(&format!("{at}/then"), fields.get("then"), siblings),
            compensation: self.compensation(&at, fields, scope, depth),
            parent_close: self.parent_close(&at, fields),
            pointer: at.as_str().into(),
            kind,
            source: body.clone(),
        };
        Some(self.extend(task))
    }

    fn kind(
        &mut self,
        at: &str,
        fields: &Map<String, Value>,
        siblings: &Siblings<'_>,
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
                "listen" => self.listen_task(at, value, fields.get("foreach"), scope, depth),
                _ => continue,
            };
        }
        None
    }

    /// A flow directive; a name must be one of the same list.
    pub(super) fn directive(&mut self, at: &str, value: Option<&Value>, siblings: &Siblings<'_>) -> Directive {
        match value.and_then(Value::as_str) {
            None | Some("continue") => Directive::Continue,
            Some("exit") => Directive::Exit,
            Some("end") => Directive::End,
            Some(name) => match siblings.get(name) {
                Some(index) => Directive::Goto(u32::try_from(*index).unwrap_or(u32::MAX)),
                None => {
                    self.problem(at, format!("no task is named {name:?} in this list: it holds {}", names(siblings)));
                    Directive::Continue
                }
            },
        }
    }

    pub(super) fn program(&mut self, at: &str, value: Option<&Value>, scope: &Scope) -> Option<Program> {
        match Program::compile(value?.as_str()?, scope) {
            Ok(program) => Some(program),
            Err(error) => {
                self.problem(at, calls::explain(&error));
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
        let loose = self.loose.then(|| loosened(value, scope));
        match compile(loose.as_ref().unwrap_or(value), scope) {
            Ok(template) => Some(template),
            Err((inner, error)) => {
                self.problem(&format!("{at}{inner}"), calls::explain(&error));
                None
            }
        }
    }

    pub(super) fn duration(&mut self, at: &str, value: &Value, scope: &Scope) -> Option<DurationSpec> {
        if value.as_str().is_none_or(|text| written(text).is_none())
            && let Err(error) = duration::parse(value)
        {
            self.problem(at, error.to_string());
            return None;
        }
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

    /// `input`; where it rests on secrets, the task's arguments transform it.
    fn intake(&mut self, at: &str, fields: &Map<String, Value>, scope: &Scope, is_secret: bool) -> Intake {
        let Some(value) = fields.get("input") else { return Intake::default() };
        let at = format!("{at}/input");
        let from = value.get("from").filter(|_| !is_secret);
        Intake {
            schema: self.schema(&at, value),
            from: from.and_then(|it| self.template(&format!("{at}/from"), it, scope, Template::compile_transform)),
        }
    }

    pub(super) fn outcome(&mut self, at: &str, fields: &Map<String, Value>, scope: &Scope) -> Outcome {
        let Some(value) = fields.get("output") else { return Outcome::default() };
        let at = format!("{at}/output");
        let transform = value.get("as");
        Outcome {
            schema: self.schema(&at, value),
            transform: transform
                .and_then(|it| self.template(&format!("{at}/as"), it, scope, Template::compile_transform)),
        }
    }

    pub(super) fn export(&mut self, at: &str, fields: &Map<String, Value>, scope: &Scope) -> Option<Transform> {
        let value = fields.get("export")?;
        let at = format!("{at}/export");
        let template =
            value.get("as").and_then(|it| self.template(&format!("{at}/as"), it, scope, Template::compile_transform));
        Some(Transform { template, schema: self.schema(&at, value) })
    }

    fn schema(&mut self, at: &str, value: &Value) -> Option<Value> {
        let schema = value.get("schema")?;
        let Some(document) = schema.get("document") else {
            let reason = "the schema lies elsewhere and has not been brought in: write it here, under `document`";
            self.problem(&format!("{at}/schema"), reason);
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
