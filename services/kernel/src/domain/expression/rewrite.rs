//! Puts the bounds into a program: every place where a value can grow becomes a weighed one, before compilation.
//! The meaning of programs within the bounds does not change.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};

use super::arithmetic::{self, WHOLE};
use super::natives::{self, WEIGH};

/// The name to which `a += b` binds `b`; no program can write it, since `jq` names hold no `!`.
const OPERAND: &str = "$!operand";

/// `there(paths)`: what the paths lead to, made if it is not there.
const THERE: &str = "orrery_there";

/// Definitions of the standard library that divide by zero on purpose.
const UNBOUNDED: [&str; 2] = ["nan", "infinite"];

/// A definition with bounds. `USER`: it is no part of the library, whose assignments know what they do.
pub fn definition<const USER: bool>(def: Def<&str>) -> Def<&str> {
    if UNBOUNDED.contains(&def.name) && def.args.is_empty() {
        return def;
    }
    Def { name: def.name, args: def.args, body: term::<USER>(def.body) }
}

fn boxed<const USER: bool>(inner: Term<&str>) -> Box<Term<&str>> {
    Box::new(term::<USER>(inner))
}

fn all<const USER: bool>(terms: Vec<Term<&str>>) -> Vec<Term<&str>> {
    terms.into_iter().map(term::<USER>).collect()
}

fn weighed(inner: Term<&str>) -> Term<&str> {
    let weigh = Term::Call(WEIGH, Vec::new());
    Term::BinOp(Box::new(inner), BinaryOp::Pipe(None), Box::new(weigh))
}

/// A term with bounds.
pub fn term<const USER: bool>(it: Term<&str>) -> Term<&str> {
    match it {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => it,
        Term::Str(format, parts) => text::<USER>(format, parts),
        Term::Arr(inner) => match inner {
            Some(inner) => weighed(Term::Arr(Some(boxed::<USER>(*inner)))),
            None => Term::Arr(None),
        },
        Term::Obj(fields) if fields.is_empty() => Term::Obj(fields),
        Term::Obj(fields) => weighed(Term::Obj(
            fields.into_iter().map(|(key, value)| (term::<USER>(key), value.map(term::<USER>))).collect(),
        )),
        Term::Neg(inner) => Term::Neg(boxed::<USER>(*inner)),
        Term::BinOp(left, op, right) => binary::<USER>(*left, op, *right),
        Term::Label(name, inner) => Term::Label(name, boxed::<USER>(*inner)),
        Term::Fold(name, source, bound, inner) => {
            Term::Fold(name, boxed::<USER>(*source), pattern::<USER>(bound), all::<USER>(inner))
        }
        Term::TryCatch(inner, handler) => Term::TryCatch(boxed::<USER>(*inner), handler.map(|it| boxed::<USER>(*it))),
        Term::IfThenElse(branches, otherwise) => Term::IfThenElse(
            branches.into_iter().map(|(condition, then)| (term::<USER>(condition), term::<USER>(then))).collect(),
            otherwise.map(|it| boxed::<USER>(*it)),
        ),
        Term::Def(defs, inner) => Term::Def(defs.into_iter().map(definition::<USER>).collect(), boxed::<USER>(*inner)),
        Term::Call(name, arguments) if natives::is_costly(name) => {
            let weigh = Term::Call(WEIGH, Vec::new());
            Term::BinOp(Box::new(weigh), BinaryOp::Pipe(None), Box::new(Term::Call(name, all::<USER>(arguments))))
        }
        Term::Call(name, arguments) if arithmetic::is_floating(name) => {
            let whole = Term::Call(WHOLE, Vec::new());
            Term::BinOp(Box::new(Term::Call(name, all::<USER>(arguments))), BinaryOp::Pipe(None), Box::new(whole))
        }
        Term::Call(name, arguments) => Term::Call(name, all::<USER>(arguments)),
        Term::Path(inner, path) => in_pieces(term::<USER>(*inner), path_of::<USER>(path)),
    }
}

fn binary<'s, const USER: bool>(left: Term<&'s str>, op: BinaryOp<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    let (left, right) = (Box::new(term::<USER>(left)), Box::new(term::<USER>(right)));
    match op {
        BinaryOp::Pipe(bound) => Term::BinOp(left, BinaryOp::Pipe(bound.map(pattern::<USER>)), right),
        BinaryOp::Math(math) => Term::Call(arithmetic::operator(math), vec![*left, *right]),
        BinaryOp::UpdateMath(math) => {
            let step = Term::Call(arithmetic::operator(math), vec![Term::Id, Term::Var(OPERAND)]);
            with_operand(*right, there::<USER>(left, BinaryOp::Update, step))
        }
        BinaryOp::Assign => with_operand(*right, there::<USER>(left, BinaryOp::Assign, Term::Var(OPERAND))),
        BinaryOp::Update | BinaryOp::UpdateAlt => weighed(there::<USER>(left, op, *right)),
        BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => {
            Term::BinOp(left, op, right)
        }
    }
}

/// Evaluates the right side of an assignment where the assignment stands, and remembers it.
fn with_operand<'s>(right: Term<&'s str>, assignment: Term<&'s str>) -> Term<&'s str> {
    let bound = BinaryOp::Pipe(Some(Pattern::Var(OPERAND)));
    weighed(Term::BinOp(Box::new(right), bound, Box::new(assignment)))
}

/// An assignment. In jq, what its paths lead to comes into being on the way; here it has to be there before.
fn there<'s, const USER: bool>(
    paths: Box<Term<&'s str>>,
    op: BinaryOp<&'s str>,
    right: Term<&'s str>,
) -> Term<&'s str> {
    let there = USER.then(|| Term::Call(THERE, vec![(*paths).clone()]));
    let assignment = Term::BinOp(paths, op, Box::new(right));
    match there {
        Some(there) => Term::BinOp(Box::new(there), BinaryOp::Pipe(None), Box::new(assignment)),
        None => assignment,
    }
}

/// `"a\(b)c"` with its parts joined by the bounded plus, each interpolated value weighed before it becomes text.
fn text<'s, const USER: bool>(format: Option<&'s str>, parts: Vec<StrPart<&'s str, Term<&'s str>>>) -> Term<&'s str> {
    let interpolates = parts.iter().any(|part| matches!(part, StrPart::Term(_)));
    if !interpolates {
        return Term::Str(format, parts);
    }
    let pieces = parts.into_iter().map(|part| match part {
        StrPart::Term(inner) => Term::Str(format, vec![StrPart::Term(weighed(term::<USER>(inner)))]),
        constant => Term::Str(None, vec![constant]),
    });
    pieces.reduce(|left, right| Term::Call(arithmetic::operator(Math::Add), vec![left, right])).unwrap_or(Term::Id)
}

fn pattern<const USER: bool>(it: Pattern<&str>) -> Pattern<&str> {
    match it {
        Pattern::Var(name) => Pattern::Var(name),
        Pattern::Arr(items) => Pattern::Arr(items.into_iter().map(pattern::<USER>).collect()),
        Pattern::Obj(fields) => {
            Pattern::Obj(fields.into_iter().map(|(key, value)| (term::<USER>(key), pattern::<USER>(value))).collect())
        }
    }
}

/// Evaluating follows a path part by part without charging for it; a long one becomes a path of paths, each of which is charged.
fn in_pieces<'s>(inner: Term<&'s str>, path: Path<Term<&'s str>>) -> Term<&'s str> {
    const PARTS_MAX: usize = 32;
    let (mut inner, mut parts) = (inner, path.0.into_iter().peekable());
    while parts.peek().is_some() {
        inner = Term::Path(Box::new(inner), Path(parts.by_ref().take(PARTS_MAX).collect()));
    }
    inner
}

fn path_of<const USER: bool>(path: Path<Term<&str>>) -> Path<Term<&str>> {
    let part = |part| match part {
        Part::Index(index) => Part::Index(term::<USER>(index)),
        Part::Range(from, to) => Part::Range(from.map(term::<USER>), to.map(term::<USER>)),
    };
    Path(path.0.into_iter().map(|(it, optional)| (part(it), optional)).collect())
}
