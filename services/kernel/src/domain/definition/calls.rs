//! Compiles `call`, and `run` of processes: what the arguments of each way out must be, before any run depends on them.
//! Endpoints and authentications get one shape, so that a provider finds everything where it expects it, whatever way the
//! definition wrote it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::build::{Builder, Scope};
use super::function::Function;
use super::model::{Call, FunctionCall, Kind};
use super::source::escape;
use super::target::{Outward, Target};
use super::uri;
use crate::domain::expression::{CompileError, SECRETS, Template, quoted, strip, written};
use crate::domain::review;

/// The calls that the DSL itself defines.
const DEFINED: [&str; 6] = ["http", "openapi", "asyncapi", "a2a", "mcp", "grpc"];
/// Languages of scripts by each name that they go by.
const LANGUAGES: &[(&str, &str)] = &[("js", "js"), ("javascript", "js"), ("python", "python")];

/// What is wrong with an expression, with the remedy where a secret is used out of its place.
pub(super) fn explain(error: &CompileError) -> String {
    match error.reason.contains("$secrets") {
        true => format!(
            "{error}: `$secrets` is known only in the arguments of the DSL's own calls and of processes, and \
             in their `input.from`, since all other values are written to the journal; name the secret in `use.secrets` and \
             use it there"
        ),
        false => error.to_string(),
    }
}

impl Builder<'_> {
    pub(super) fn call_task(&mut self, at: &str, name: &Value, with: Option<&Value>, scope: &Scope) -> Option<Kind> {
        let name = name.as_str().unwrap_or_default();
        if name == "grpc" {
            let reason = "this kernel does not call gRPC: call the service over HTTP, or through a NATS worker";
            self.problem(&format!("{at}/call"), reason);
            return None;
        }
        if self.used("functions", name).is_some() {
            return self.custom_call(at, name, with, scope);
        }
        let nothing = json!({});
        let with = with.unwrap_or(&nothing);
        match name {
            "http" => self.http_call(at, with, scope),
            "openapi" => self.openapi_call(at, with, scope),
            "asyncapi" => self.asyncapi_call(at, with, scope),
            "a2a" => self.a2a_call(at, with, scope),
            "mcp" => self.mcp_call(at, with, scope),
            _ => self.platform_call(at, name, with, scope),
        }
    }

    fn platform_call(&mut self, at: &str, name: &str, with: &Value, scope: &Scope) -> Option<Kind> {
        let Some(function) = Function::named(name) else {
            self.unknown_function(&format!("{at}/call"), name);
            return None;
        };
        for argument in function.required() {
            if with.get(argument).is_none() {
                self.problem(&format!("{at}/with"), format!("{name} needs the argument {argument:?}"));
            }
        }
        for argument in with.as_object().into_iter().flat_map(Map::keys) {
            if !function.takes(argument) {
                self.problem(&format!("{at}/with/{}", escape(argument)), format!("{name} takes no {argument:?}"));
            }
        }
        if function == Function::Human && with.get("title").is_some() && with.get("roles").is_some() {
            let calendars = self.source.value.pointer("/document/metadata/calendars").cloned().unwrap_or_default();
            if let Err(reason) = review::check_constants(with, &calendars) {
                self.problem(&format!("{at}/with"), format!("{name}: {reason}"));
            }
        }
        let arguments = self.template(&format!("{at}/with"), with, scope, Template::compile)?;
        Some(Kind::Call(Call { function: Target::Platform(function), arguments, secrets: Vec::new() }))
    }

    fn unknown_function(&mut self, at: &str, name: &str) {
        if name.contains('@') || name.contains("://") {
            let reason = format!("{name:?} lies elsewhere and has not been brought in: put it under `use.functions`");
            return self.problem(at, reason);
        }
        let own = self.source.value.pointer("/use/functions").and_then(Value::as_object);
        let own = own.into_iter().flat_map(Map::keys).cloned();
        let known = DEFINED.into_iter().filter(|it| *it != "grpc").chain(Function::ALL.iter().map(|it| it.name()));
        let known: Vec<String> = known.map(str::to_owned).chain(own).collect();
        self.problem(at, format!("unknown function {name:?}: there are {}", known.join(", ")));
    }

    fn custom_call(&mut self, at: &str, name: &str, with: Option<&Value>, scope: &Scope) -> Option<Kind> {
        self.note_function_call(at, name);
        let input = match with {
            Some(with) => Some(self.template(&format!("{at}/with"), with, scope, Template::compile)?),
            None => None,
        };
        Some(Kind::Function(FunctionCall { body: Self::function_pointer(name), input }))
    }

    fn http_call(&mut self, at: &str, with: &Value, scope: &Scope) -> Option<Kind> {
        let mut needed = BTreeSet::new();
        let mut arguments = with.as_object()?.clone();
        let at = format!("{at}/with");
        let method = with.get("method").and_then(Value::as_str).filter(|method| written(method).is_none());
        let is_word = |text: &str| !text.is_empty() && text.chars().all(|it| it.is_ascii_alphabetic());
        if let Some(method) = method.filter(|method| !is_word(method)) {
            self.problem(&format!("{at}/method"), format!("{method:?} is not an HTTP method"));
        }
        let endpoint = self.endpoint(&format!("{at}/endpoint"), with.get("endpoint")?, &mut needed);
        arguments.insert("endpoint".to_owned(), endpoint);
        self.outward(Outward::Http, &at, Value::Object(arguments), scope, needed)
    }

    fn openapi_call(&mut self, at: &str, with: &Value, scope: &Scope) -> Option<Kind> {
        let mut needed = BTreeSet::new();
        let at = format!("{at}/with");
        let arguments = self.described(&at, with, &mut needed)?;
        self.outward(Outward::Openapi, &at, arguments, scope, needed)
    }

    fn asyncapi_call(&mut self, at: &str, with: &Value, scope: &Scope) -> Option<Kind> {
        let at = format!("{at}/with");
        if with.get("subscription").is_some() {
            let reason =
                "this kernel publishes to AsyncAPI channels and does not subscribe to them: `listen` waits for events";
            self.problem(&format!("{at}/subscription"), reason);
            return None;
        }
        if let Some(protocol) = with.get("protocol").and_then(Value::as_str).filter(|it| !["nats", "http"].contains(it))
        {
            self.problem(
                &format!("{at}/protocol"),
                format!("{protocol:?} is not spoken here: there are nats and http"),
            );
        }
        let mut needed = BTreeSet::new();
        let arguments = self.described(&at, with, &mut needed)?;
        self.outward(Outward::Asyncapi, &at, arguments, scope, needed)
    }

    /// Arguments of a call that a document describes.
    fn described(&mut self, at: &str, with: &Value, needed: &mut BTreeSet<String>) -> Option<Value> {
        let mut arguments = with.as_object()?.clone();
        let endpoint = with.get("document")?.get("endpoint")?;
        let endpoint = self.endpoint(&format!("{at}/document/endpoint"), endpoint, needed);
        arguments.insert("document".to_owned(), endpoint);
        if let Some(policy) = with.get("authentication") {
            let policy = self.authentication(&format!("{at}/authentication"), policy, needed);
            arguments.insert("authentication".to_owned(), policy);
        }
        Some(Value::Object(arguments))
    }

    /// An endpoint as `{uri, authentication}`. Whatever the input says becomes the URI and nothing else, so that no input
    /// can choose an authentication.
    pub(super) fn endpoint(&mut self, at: &str, value: &Value, needed: &mut BTreeSet<String>) -> Value {
        let Some(fields) = value.as_object() else { return json!({ "uri": self.uri(at, value) }) };
        let mut endpoint = Map::new();
        endpoint.insert("uri".to_owned(), self.uri(&format!("{at}/uri"), fields.get("uri").unwrap_or(&Value::Null)));
        if let Some(policy) = fields.get("authentication") {
            let policy = self.authentication(&format!("{at}/authentication"), policy, needed);
            endpoint.insert("authentication".to_owned(), policy);
        }
        Value::Object(endpoint)
    }

    /// A URI template, unless it is an expression.
    pub(super) fn uri(&mut self, at: &str, value: &Value) -> Value {
        let Some(text) = value.as_str() else { return value.clone() };
        match uri::template(text) {
            Ok(value) => value,
            Err(reason) => {
                self.problem(at, reason);
                Value::Null
            }
        }
    }

    /// A script or a shell. Both get `command`-line arguments as the specification's `processResult` needs them.
    pub(super) fn process_task(&mut self, at: &str, run: &Value, scope: &Scope) -> Option<Kind> {
        let (outward, process) = match (run.get("script"), run.get("shell")) {
            (Some(script), _) => (Outward::Script, script),
            (_, Some(shell)) => (Outward::Shell, shell),
            _ => {
                self.problem(
                    &format!("{at}/run"),
                    "this kernel runs no containers: use a NATS worker or a sub-workflow",
                );
                return None;
            }
        };
        let at = format!("{at}/run/{}", outward.name());
        let mut arguments = process.as_object()?.clone();
        let mut needed = BTreeSet::new();
        if outward == Outward::Script {
            let language = process.get("language").and_then(Value::as_str).unwrap_or_default();
            match LANGUAGES.iter().find(|(name, _)| *name == language.to_ascii_lowercase()) {
                Some((_, language)) => arguments.insert("language".to_owned(), json!(language)),
                None => {
                    let reason = format!("{language:?} is no language of scripts: there are js and python");
                    self.problem(&format!("{at}/language"), reason);
                    None
                }
            };
        }
        if let Some(endpoint) = process.get("source").and_then(|source| source.get("endpoint")) {
            let endpoint = self.endpoint(&format!("{at}/source/endpoint"), endpoint, &mut needed);
            arguments.insert("source".to_owned(), endpoint);
        }
        let field = |name: &str, default: Value| run.get(name).cloned().unwrap_or(default);
        arguments.insert("return".to_owned(), field("return", json!("stdout")));
        if field("await", json!(true)) == json!(false) {
            // "In this case, it should simply output its transformed input."
            arguments.insert("unawaited".to_owned(), json!({ "output": "${ . }" }));
        }
        // Languages have notations of their own with `${`: code is an expression as a whole or not at all.
        let is_code = |code: &Value| code.as_str().is_some_and(|code| strip(code).is_none());
        let code = if process.get("code").is_some_and(is_code) { arguments.shift_remove("code") } else { None };
        match (self.outward(outward, &at, Value::Object(arguments), scope, needed)?, code) {
            (Kind::Call(call), Some(code)) => {
                Some(Kind::Call(Call { arguments: call.arguments.with_constant("code", code), ..call }))
            }
            (kind, _) => Some(kind),
        }
    }

    /// The expression of an `input.from` that rests on secrets. "Secrets can only be used in the `input.from` runtime
    /// expression": what comes of it must not reach the journal, so that a task which leaves the platform takes it into its
    /// arguments, and any other is refused.
    pub(super) fn secret_intake(&self, fields: &Map<String, Value>) -> Option<String> {
        let from = fields.get("input")?.get("from")?;
        let source = match from {
            Value::String(text) => written(text).map_or_else(|| text.clone(), Cow::into_owned),
            value => as_expression(value),
        };
        (is_outward(fields) && !self.secrets.is_empty() && source.contains("$secrets")).then_some(source)
    }

    /// A call that leaves the platform: the one place where `$secrets` is in sight.
    pub(super) fn outward(
        &mut self,
        outward: Outward,
        at: &str,
        arguments: Value,
        scope: &Scope,
        mut needed: BTreeSet<String>,
    ) -> Option<Kind> {
        let mut scope = scope.clone();
        if !self.secrets.is_empty() {
            scope.insert(SECRETS.to_owned());
        }
        let arguments = match &self.secret_input {
            Some(from) => over(&arguments, from),
            None => arguments,
        };
        let arguments = self.template(at, &arguments, &scope, Template::compile)?;
        let mut mentioned = Vec::new();
        mentions(&arguments, &mut mentioned);
        for expression in &mentioned {
            for name in secret_names(expression) {
                if !self.secrets.iter().any(|known| known == name) {
                    self.problem(at, format!("`use.secrets` holds no {name:?}, which `{expression}` uses"));
                }
            }
        }
        if !mentioned.is_empty() {
            needed.extend(self.secrets.iter().cloned());
        }
        let secrets = needed.into_iter().collect();
        Some(Kind::Call(Call { function: Target::Outward(outward), arguments, secrets }))
    }

    /// What `use.secrets` names. A name becomes part of a file's name and of an environment variable's.
    pub(super) fn collect_secrets(&mut self) {
        let names = self.source.value.pointer("/use/secrets").and_then(Value::as_array).cloned().unwrap_or_default();
        for (index, name) in names.iter().filter_map(Value::as_str).enumerate() {
            let valid = name.starts_with(|first: char| first.is_ascii_alphanumeric())
                && name.len() <= 128
                && name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.'));
            match valid {
                true => self.secrets.push(name.to_owned()),
                false => {
                    let reason = format!("{name:?} cannot name a secret: use letters, digits, '-', '_' and '.'");
                    self.problem(&format!("/use/secrets/{index}"), reason);
                }
            }
        }
    }

    /// Compiles `use.functions`, each as a list of one task, and refuses those that call themselves.
    pub(super) fn collect_functions(&mut self, scope: &Scope) {
        let named = self.source.value.pointer("/use/functions").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, body) in named {
            let at = format!("/use/functions/{}", escape(&name));
            if DEFINED.contains(&name.as_str()) || Function::named(&name).is_some() {
                self.problem(&at, format!("{name:?} is a function already: choose another name"));
            }
            self.inside_function = Some(name.clone());
            self.function(&name, at, &body, scope);
        }
        self.inside_function = None;
        let calls = std::mem::take(&mut self.function_calls);
        for (caller, callee, at) in &calls {
            if reaches(&calls, callee, caller) {
                self.problem(at, format!("the function {caller:?} would call itself through {callee:?}, without end"));
            }
        }
    }

    fn note_function_call(&mut self, at: &str, callee: &str) {
        if let Some(caller) = self.inside_function.clone() {
            self.function_calls.push((caller, callee.to_owned(), format!("{at}/call")));
        }
    }
}

/// Whether calls lead from one function to another.
fn reaches(calls: &[(String, String, String)], from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(name) = open.pop() {
        if name == to {
            return true;
        }
        if seen.insert(name) {
            open.extend(calls.iter().filter(|(caller, ..)| caller == name).map(|(_, callee, _)| callee.as_str()));
        }
    }
    false
}

/// Whether a task leaves the platform, by the names of its fields.
fn is_outward(fields: &Map<String, Value>) -> bool {
    let called = fields.get("call").and_then(Value::as_str);
    called.is_some_and(|name| DEFINED.contains(&name))
        || fields.get("run").is_some_and(|run| run.get("script").is_some() || run.get("shell").is_some())
}

/// Arguments whose expressions see, as `.` and as `$input`, what `from` makes of the input.
fn over(arguments: &Value, from: &str) -> Value {
    match arguments {
        Value::String(text) => match written(text) {
            Some(source) => Value::String(format!("${{ ({from}\n) as $input | $input | ({source}\n) }}")),
            None => arguments.clone(),
        },
        Value::Array(items) => items.iter().map(|item| over(item, from)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, field)| (name.clone(), over(field, from))).collect())
        }
        other => other.clone(),
    }
}

/// One expression for a value with expressions in it.
fn as_expression(value: &Value) -> String {
    match value {
        Value::String(text) => written(text).map_or_else(|| quoted(text), |source| format!("({source}\n)")),
        Value::Array(items) => format!("[{}]", items.iter().map(as_expression).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let field = |(name, field): (&String, &Value)| format!("{}: {}", quoted(name), as_expression(field));
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// The expressions that mention `$secrets`.
fn mentions(template: &Template, found: &mut Vec<String>) {
    match template {
        Template::Constant(_) => {}
        Template::Expression(program) => {
            if program.mentioned().any(|name| name == SECRETS) {
                found.push(program.source().to_owned());
            }
        }
        Template::Array(items) => items.iter().for_each(|item| mentions(item, found)),
        Template::Object(fields) => fields.iter().for_each(|(_, field)| mentions(field, found)),
    }
}

/// The names that an expression takes from `$secrets` as plain fields: `$secrets.name` and `$secrets["name"]`.
fn secret_names(expression: &str) -> impl Iterator<Item = &str> {
    expression.split("$secrets").skip(1).filter_map(|rest| {
        let name = match rest.strip_prefix(".[\"").or_else(|| rest.strip_prefix("[\"")) {
            Some(quoted) => quoted.split('"').next()?,
            None => {
                let rest = rest.strip_prefix('.')?;
                let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(rest.len());
                rest.get(..end)?
            }
        };
        (!name.is_empty()).then_some(name)
    })
}
