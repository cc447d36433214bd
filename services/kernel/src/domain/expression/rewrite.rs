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

/// Definitions of the standard library that divide by zero on purpose.
const UNBOUNDED: [&str; 2] = ["nan", "infinite"];

/// A definition with bounds.
pub fn definition(def: Def<&str>) -> Def<&str> {
    if UNBOUNDED.contains(&def.name) && def.args.is_empty() {
        return def;
    }
    Def { name: def.name, args: def.args, body: term(def.body) }
}

fn boxed(inner: Term<&str>) -> Box<Term<&str>> {
    Box::new(term(inner))
}

fn all(terms: Vec<Term<&str>>) -> Vec<Term<&str>> {
    terms.into_iter().map(term).collect()
}

fn weighed(inner: Term<&str>) -> Term<&str> {
    let weigh = Term::Call(WEIGH, Vec::new());
    Term::BinOp(Box::new(inner), BinaryOp::Pipe(None), Box::new(weigh))
}

/// A term with bounds.
pub fn term(it: Term<&str>) -> Term<&str> {
    match it {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) => it,
        Term::Str(format, parts) => text(format, parts),
        Term::Arr(inner) => match inner {
            Some(inner) => weighed(Term::Arr(Some(boxed(*inner)))),
            None => Term::Arr(None),
        },
        Term::Obj(fields) if fields.is_empty() => Term::Obj(fields),
        Term::Obj(fields) => {
            weighed(Term::Obj(fields.into_iter().map(|(key, value)| (term(key), value.map(term))).collect()))
        }
        Term::Neg(inner) => Term::Neg(boxed(*inner)),
        Term::BinOp(left, op, right) => binary(*left, op, *right),
        Term::Label(name, inner) => Term::Label(name, boxed(*inner)),
        Term::Fold(name, source, bound, inner) => Term::Fold(name, boxed(*source), pattern(bound), all(inner)),
        Term::TryCatch(inner, handler) => Term::TryCatch(boxed(*inner), handler.map(|it| boxed(*it))),
        Term::IfThenElse(branches, otherwise) => Term::IfThenElse(
            branches.into_iter().map(|(condition, then)| (term(condition), term(then))).collect(),
            otherwise.map(|it| boxed(*it)),
        ),
        Term::Def(defs, inner) => Term::Def(defs.into_iter().map(definition).collect(), boxed(*inner)),
        Term::Call(name, arguments) if natives::is_costly(name) => {
            let weigh = Term::Call(WEIGH, Vec::new());
            Term::BinOp(Box::new(weigh), BinaryOp::Pipe(None), Box::new(Term::Call(name, all(arguments))))
        }
        Term::Call(name, arguments) if arithmetic::is_floating(name) => {
            let whole = Term::Call(WHOLE, Vec::new());
            Term::BinOp(Box::new(Term::Call(name, all(arguments))), BinaryOp::Pipe(None), Box::new(whole))
        }
        Term::Call(name, arguments) => Term::Call(name, all(arguments)),
        Term::Path(inner, path) => in_pieces(term(*inner), path_of(path)),
    }
}

fn binary<'s>(left: Term<&'s str>, op: BinaryOp<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    let (left, right) = (Box::new(term(left)), Box::new(term(right)));
    match op {
        BinaryOp::Pipe(bound) => Term::BinOp(left, BinaryOp::Pipe(bound.map(pattern)), right),
        BinaryOp::Math(math) => Term::Call(arithmetic::operator(math), vec![*left, *right]),
        BinaryOp::UpdateMath(math) => {
            let step = Term::Call(arithmetic::operator(math), vec![Term::Id, Term::Var(OPERAND)]);
            let update = Term::BinOp(left, BinaryOp::Update, Box::new(step));
            let bound = BinaryOp::Pipe(Some(Pattern::Var(OPERAND)));
            weighed(Term::BinOp(right, bound, Box::new(update)))
        }
        BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateAlt => weighed(Term::BinOp(left, op, right)),
        BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => {
            Term::BinOp(left, op, right)
        }
    }
}

/// `"a\(b)c"` with its parts joined by the bounded plus, each interpolated value weighed before it becomes text.
fn text<'s>(format: Option<&'s str>, parts: Vec<StrPart<&'s str, Term<&'s str>>>) -> Term<&'s str> {
    let interpolates = parts.iter().any(|part| matches!(part, StrPart::Term(_)));
    if !interpolates {
        return Term::Str(format, parts);
    }
    let pieces = parts.into_iter().map(|part| match part {
        StrPart::Term(inner) => Term::Str(format, vec![StrPart::Term(weighed(term(inner)))]),
        constant => Term::Str(None, vec![constant]),
    });
    pieces.reduce(|left, right| Term::Call(arithmetic::operator(Math::Add), vec![left, right])).unwrap_or(Term::Id)
}

fn pattern(it: Pattern<&str>) -> Pattern<&str> {
    match it {
        Pattern::Var(name) => Pattern::Var(name),
        Pattern::Arr(items) => Pattern::Arr(items.into_iter().map(pattern).collect()),
        Pattern::Obj(fields) => {
            Pattern::Obj(fields.into_iter().map(|(key, value)| (term(key), pattern(value))).collect())
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

fn path_of(path: Path<Term<&str>>) -> Path<Term<&str>> {
    let part = |part| match part {
        Part::Index(index) => Part::Index(term(index)),
        Part::Range(from, to) => Part::Range(from.map(term), to.map(term)),
    };
    Path(path.0.into_iter().map(|(it, optional)| (part(it), optional)).collect())
}
