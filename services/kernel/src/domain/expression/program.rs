//! One compiled expression.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use jaq_core::load::lex::Lexer;
use jaq_core::load::parse::{Def, Parser, Term};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, unwrap_valr};
use serde_json::Value;

use super::budget::{Bounded, Budget, Data, Exhausted};
use super::calls::{self, Library};
use super::written::strip;
use super::{natives, rewrite, value};

/// An expression longer than this is refused.
const SOURCE_BYTES_MAX: usize = 64 * 1024;
/// Compiled where they are needed, whatever they hold.
const SHORT_BYTES_MAX: usize = 256;
/// Four times what the deepest nestings were measured to take.
const STACK_PER_BYTE: usize = 8 * 1024;
const ENTRY: &str = "orrery_entry";

/// An expression that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid expression `{expression}`: {reason}")]
pub struct CompileError {
    /// What was written.
    pub expression: String,
    /// What is wrong with it.
    pub reason: String,
}

/// An expression that failed on its input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// `error` was called, or an operation does not fit the value.
    #[error("expression `{expression}`: {reason}")]
    Failed {
        /// What was written.
        expression: String,
        /// Why it failed.
        reason: String,
    },
    /// A bound was reached.
    #[error("expression `{expression}`: {bound}")]
    Exhausted {
        /// What was written.
        expression: String,
        /// Which.
        bound: Exhausted,
    },
}

/// Where the variables of an expression come from.
pub trait Variables {
    /// The value of a variable, named without its `$`.
    fn get(&self, name: &str) -> Value;
    /// The transition's time in seconds since 1970, for `now`.
    fn now_seconds(&self) -> f64;
}

/// A compiled expression.
pub struct Program {
    source: Arc<str>,
    filter: Filter<Bounded>,
    /// In the order in which the program expects them; `true`: the text mentions it.
    variables: Vec<(String, bool)>,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.source).finish()
    }
}

impl Program {
    /// Compiles an expression, with or without `${ }`, that may use these variables (named without `$`).
    pub fn compile(text: &str, scope: &BTreeSet<String>) -> Result<Self, CompileError> {
        let source = strip(text).unwrap_or(text);
        let fail = |reason: String| CompileError { expression: shorten(source), reason };
        if source.len() > SOURCE_BYTES_MAX {
            return Err(fail(format!("it is longer than {SOURCE_BYTES_MAX} bytes")));
        }
        let names: Vec<String> = scope.iter().map(|name| format!("${name}")).collect();
        let filter = build_safely(source, &names).map_err(fail)?;
        let variables = scope.iter().map(|name| (name.clone(), mentions(source, name))).collect();
        Ok(Self { source: source.into(), filter, variables })
    }

    /// The text of the expression.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The variables that its text mentions, without their `$`.
    pub fn mentioned(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().filter(|(_, mentioned)| *mentioned).map(|(name, _)| name.as_str())
    }

    /// Evaluates. No value counts as null; more than one is an error, since a field holds one.
    pub fn evaluate(&self, input: &Value, variables: &dyn Variables) -> Result<Value, EvaluationError> {
        let failed = |reason: String| EvaluationError::Failed { expression: shorten(&self.source), reason };
        let outcome = catch_unwind(AssertUnwindSafe(|| self.run(input, variables)));
        match outcome {
            Ok(result) => result.map_err(failed),
            Err(payload) => match payload.downcast::<Exhausted>() {
                Ok(bound) => Err(EvaluationError::Exhausted { expression: shorten(&self.source), bound: *bound }),
                Err(_) => Err(failed("the evaluator failed on it".to_owned())),
            },
        }
    }

    fn run(&self, input: &Value, variables: &dyn Variables) -> Result<Value, String> {
        let budget = Budget::new(variables.now_seconds());
        let value_of = |(name, used): &(String, bool)| match used {
            true => value::from_json(&variables.get(name)),
            false => jaq_json::Val::Null,
        };
        let vars = Vars::new(self.variables.iter().map(value_of));
        let data = Data { lut: &self.filter.lut, budget: &budget };
        let ctx = Ctx::<Bounded>::new(data, vars);
        let mut results = self.filter.id.run((ctx, value::from_json(input))).map(unwrap_valr);
        let Some(first) = results.next() else { return Ok(Value::Null) };
        let first = first.map_err(|error| shorten(&error.to_string()))?;
        if results.next().is_some() {
            return Err("yields more than one value: collect them with [ ]".to_owned());
        }
        budget.weigh(&first);
        value::to_json(&first)
    }
}

/// Error texts quote values; this keeps them readable and small.
fn shorten(text: &str) -> String {
    const SHOWN: usize = 200;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain("…".chars()).collect()
}

/// Whether the text of an expression mentions a variable.
pub fn mentions(source: &str, name: &str) -> bool {
    let variable = format!("${name}");
    source.match_indices(&variable).any(|(at, _)| {
        let after = source.get(at + variable.len()..).and_then(|rest| rest.chars().next());
        !after.is_some_and(|next| next.is_alphanumeric() || next == '_')
    })
}

/// Definitions beside those of the library, in whose place they stand where both have a name.
const OWN: &str = include_str!("prelude.jq");

/// The standard library with bounds, parsed once.
static PRELUDE: LazyLock<Vec<Def<&'static str>>> = LazyLock::new(|| {
    // The file stands beside this one; a test fails if it cannot be parsed.
    let own = jaq_core::load::parse(OWN, |parser| parser.defs()).unwrap_or_default();
    let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    defs.filter(|def| natives::definition_allowed(def.name)).chain(own).map(rewrite::definition::<false>).collect()
});

static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library::of(&PRELUDE));

fn parse(source: &str) -> Result<Term<&str>, String> {
    let tokens = Lexer::new(source).lex().map_err(|errors| match errors.first() {
        Some((expected, at)) => format!("expected {} at `{}`", expected.as_str(), shorten(at)),
        None => "it is not a jq expression".to_owned(),
    })?;
    Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| match errors.first() {
        Some((expected, Some(token))) => format!("expected {} at `{}`", expected.as_str(), token.as_str()),
        Some((expected, None)) => format!("expected {} at its end", expected.as_str()),
        None => "it is not a jq expression".to_owned(),
    })
}

/// Compiling follows the nesting of an expression, and each byte may open a level: what is long gets a stack of its own that
/// holds even the deepest, so that no text can end the process.
fn build_safely(source: &str, names: &[String]) -> Result<Filter<Bounded>, String> {
    if source.len() <= SHORT_BYTES_MAX {
        return build(source, names);
    }
    std::thread::scope(|scope| {
        let stack = std::thread::Builder::new().stack_size(source.len() * STACK_PER_BYTE);
        match stack.spawn_scoped(scope, || build(source, names)).map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(filter)) => filter,
            Ok(Err(_)) => Err("the compiler failed on it".to_owned()),
            Err(error) => Err(format!("there is no room to compile it in: {error}")),
        }
    })
}

fn build(source: &str, names: &[String]) -> Result<Filter<Bounded>, String> {
    let body = rewrite::term::<true>(parse(source)?);
    let needed = calls::needed(&body, &LIBRARY);
    let prelude =
        PRELUDE.iter().enumerate().filter(|(index, _)| needed.definitions.contains(index)).map(|(_, def)| def.clone());
    let natives: Vec<_> = natives::natives().filter(|(name, ..)| needed.names.contains(name)).collect();
    let entry = Def { name: ENTRY, args: Vec::new(), body };
    let arena = Arena::default();
    let loader = Loader::new(prelude.chain([entry]));
    let modules = loader.load(&arena, File { code: ENTRY, path: () }).map_err(|_| "it cannot be loaded".to_owned())?;
    let compiler = Compiler::default().with_funs(natives);
    let compiler = compiler.with_global_vars(names.iter().map(String::as_str));
    compiler.compile(modules).map_err(|errors| {
        let undefined = errors.iter().flat_map(|(_, errors)| errors.iter());
        let texts: Vec<String> = undefined.map(|(name, what)| format!("undefined {} {name}", what.as_str())).collect();
        texts.join(", ")
    })
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
