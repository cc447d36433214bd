//! What of the standard library a program needs. Compiling and keeping all of it costs far more than what an expression says,
//! and definitions have thousands of expressions.

use std::collections::{BTreeSet, HashMap, HashSet};

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::path::{Part, Path};

/// What a term needs.
#[derive(Debug, Default)]
pub struct Needed<'s> {
    /// Definitions, by position in the library.
    pub definitions: BTreeSet<usize>,
    /// All that it calls by name, directly or through them.
    pub names: HashSet<&'s str>,
}

/// What a term needs of a library.
pub fn needed<'s>(term: &Term<&'s str>, library: &Library) -> Needed<'s> {
    let mut open = Vec::new();
    in_term(term, &mut open);
    let mut needed = Needed::default();
    while let Some(name) = open.pop() {
        if !needed.names.insert(name) {
            continue;
        }
        for &index in library.by_name.get(name).map_or(&[] as &[usize], Vec::as_slice) {
            needed.definitions.insert(index);
            open.extend(library.calls.get(index).into_iter().flatten().copied());
        }
    }
    needed
}

/// What the definitions of the library call.
#[derive(Debug)]
pub struct Library {
    by_name: HashMap<&'static str, Vec<usize>>,
    calls: Vec<Vec<&'static str>>,
}

impl Library {
    /// Looks through the definitions.
    pub fn of(defs: &[Def<&'static str>]) -> Self {
        let mut by_name: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, def) in defs.iter().enumerate() {
            by_name.entry(def.name).or_default().push(index);
        }
        let calls = defs.iter().map(|def| {
            let mut names = Vec::new();
            in_def(def, &mut names);
            names
        });
        Self { by_name, calls: calls.collect() }
    }
}

fn in_def<'s>(def: &Def<&'s str>, names: &mut Vec<&'s str>) {
    in_term(&def.body, names);
}

fn in_term<'s>(term: &Term<&'s str>, names: &mut Vec<&'s str>) {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => {}
        Term::Str(format, parts) => {
            names.extend(format);
            for part in parts {
                if let StrPart::Term(inner) = part {
                    in_term(inner, names);
                }
            }
        }
        Term::Arr(Some(inner)) | Term::Neg(inner) | Term::Label(_, inner) => in_term(inner, names),
        Term::Obj(fields) => {
            for (key, value) in fields {
                in_term(key, names);
                value.iter().for_each(|value| in_term(value, names));
            }
        }
        Term::BinOp(left, op, right) => {
            if let BinaryOp::Pipe(Some(pattern)) = op {
                in_pattern(pattern, names);
            }
            in_term(left, names);
            in_term(right, names);
        }
        Term::Fold(name, source, bound, inner) => {
            names.push(name);
            in_term(source, names);
            in_pattern(bound, names);
            inner.iter().for_each(|inner| in_term(inner, names));
        }
        Term::TryCatch(inner, handler) => {
            in_term(inner, names);
            handler.iter().for_each(|handler| in_term(handler, names));
        }
        Term::IfThenElse(branches, otherwise) => {
            for (condition, then) in branches {
                in_term(condition, names);
                in_term(then, names);
            }
            otherwise.iter().for_each(|otherwise| in_term(otherwise, names));
        }
        Term::Def(defs, inner) => {
            defs.iter().for_each(|def| in_def(def, names));
            in_term(inner, names);
        }
        Term::Call(name, arguments) => {
            names.push(name);
            arguments.iter().for_each(|argument| in_term(argument, names));
        }
        Term::Path(inner, path) => {
            in_term(inner, names);
            in_path(path, names);
        }
    }
}

fn in_pattern<'s>(pattern: &Pattern<&'s str>, names: &mut Vec<&'s str>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(items) => items.iter().for_each(|item| in_pattern(item, names)),
        Pattern::Obj(fields) => {
            for (key, value) in fields {
                in_term(key, names);
                in_pattern(value, names);
            }
        }
    }
}

fn in_path<'s>(path: &Path<Term<&'s str>>, names: &mut Vec<&'s str>) {
    for (part, _) in &path.0 {
        match part {
            Part::Index(index) => in_term(index, names),
            Part::Range(from, to) => from.iter().chain(to).for_each(|bound| in_term(bound, names)),
        }
    }
}
