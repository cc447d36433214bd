//! Whether two questions ask the same: what nearness of vectors cannot tell. Pure.
//!
//! Embeddings put "is flood covered" beside "is flood not covered", "$500" beside "$5,000" and "before" beside "after". Here
//! both questions are taken apart: what is asked for (who, when, how many, whether), what it speaks of (things, acts, names,
//! identifiers, numbers with their units, dates, in their order), and the words that turn the sense, each with what it is said
//! of (negations, quantifiers, comparisons, directions and conditions, modality, persons). All of it must agree. Left to differ
//! are politeness, articles, inflection, contractions, ways to write a number, a few synonyms, and "is X covered" for "does it
//! cover X". Whatever else differs is a difference, also where a person would see none: when in doubt, a model is asked.

mod inflection;
mod lexicon;
mod meaning;
mod numbers;
mod roles;
mod words;

use lexicon::{Role, Whose};
use meaning::{Meaning, Subject};

/// Longer texts are not compared, in bytes.
pub const TEXT_BYTES_MAX: usize = 4_000;

/// The first difference that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// One asks who, the other when; or one asks at all.
    Asked,
    /// Not, no, never, without, except, or a prefix that denies.
    Negation,
    /// A word and its opposite.
    Opposite,
    /// Another number, unit, currency or order of numbers.
    Number,
    /// Another name, identifier, date or time.
    Name,
    /// All, any, some, only.
    Quantifier,
    /// More, less, at least, at most.
    Comparison,
    /// From and to, before and after, if, by, or.
    Direction,
    /// Can, may, must, should, will, would, or the past.
    Modality,
    /// I, you, he, she, they.
    Person,
    /// One speaks of something of which the other does not.
    Subject,
    /// The same words in an order that may say something else.
    Order,
    /// Too long to be compared.
    Length,
}

impl Difference {
    /// As a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Negation => "negation",
            Self::Opposite => "opposite",
            Self::Number => "number",
            Self::Name => "name",
            Self::Quantifier => "quantifier",
            Self::Comparison => "comparison",
            Self::Direction => "direction",
            Self::Modality => "modality",
            Self::Person => "person",
            Self::Subject => "subject",
            Self::Order => "order",
            Self::Length => "length",
        }
    }
}

/// Whether the answer to one question answers the other.
///
/// # Errors
/// The first difference found. A difference is the answer in doubt.
pub fn same_question(one: &str, other: &str) -> Result<(), Difference> {
    if one == other {
        return Ok(());
    }
    if one.len().max(other.len()) > TEXT_BYTES_MAX {
        return Err(Difference::Length);
    }
    let (one, other) = (Meaning::of(one), Meaning::of(other));
    same_marks(&one, &other, Difference::Negation, |role| matches!(role, Role::Negation(_)))?;
    same_subjects(&one, &other)?;
    let asks = |meaning: &Meaning| meaning.asks.trim_start_matches("is ").to_owned();
    if asks(&one) != asks(&other) {
        return Err(Difference::Asked);
    }
    same_marks(&one, &other, Difference::Quantifier, |role| matches!(role, Role::Quantifier(_)))?;
    same_marks(&one, &other, Difference::Comparison, |role| matches!(role, Role::Comparison(_)))?;
    same_marks(&one, &other, Difference::Direction, |role| matches!(role, Role::Direction(_)))?;
    same_marks(&one, &other, Difference::Modality, |role| matches!(role, Role::Modality(_)))?;
    match (one.is_passive(), other.is_passive()) {
        (true, false) => same_deed(&one, &other)?,
        (false, true) => same_deed(&other, &one)?,
        _ => same_marks(&one, &other, Difference::Person, |role| matches!(role, Role::Person(_)))?,
    }
    own_is_determined(&one, &other)?;
    own_is_determined(&other, &one)?;
    let (one, other) = (one.in_order(), other.in_order());
    if !one.iter().zip(&other).all(|(one, other)| one.is(other)) {
        return Err(Difference::Order);
    }
    Ok(())
}

/// "Is X covered" is "does it cover X", as long as nobody is named who does it and X is named to whom it is done: "is it
/// covered" is not "does it cover", nor "is she paid" "does she pay".
fn same_deed(passive: &Meaning, active: &Meaning) -> Result<(), Difference> {
    let nobody_else =
        active.marks(|role| matches!(role, Role::Person(_))).iter().all(|(role, _)| *role == Role::Person("it"));
    let named = passive.names_who_suffers() && passive.marks(|role| matches!(role, Role::Person(_))).is_empty();
    if nobody_else && named { Ok(()) } else { Err(Difference::Person) }
}

/// What is one's own in one question is that or the one spoken of in the other.
fn own_is_determined(one: &Meaning, other: &Meaning) -> Result<(), Difference> {
    let determined = other.marks(|role| matches!(role, Role::Determiner(_)));
    let own = one.marks(|role| role == Role::Determiner(Whose::My));
    let also = |of: Option<&Subject>| {
        determined
            .iter()
            .any(|(_, other)| of.zip(*other).map_or(of.is_none() && other.is_none(), |(one, other)| one.is(other)))
    };
    if own.iter().all(|(_, of)| also(*of)) { Ok(()) } else { Err(Difference::Person) }
}

/// The same words, said of the same, in the same order.
fn same_marks(
    one: &Meaning,
    other: &Meaning,
    difference: Difference,
    kind: impl Fn(Role) -> bool,
) -> Result<(), Difference> {
    let (ones, others) = (one.marks(&kind), other.marks(&kind));
    let said_of_same = |one: Option<&Subject>, other: Option<&Subject>| match (one, other) {
        (Some(one), Some(other)) => one.is(other),
        (one, other) => one.is_none() && other.is_none(),
    };
    let same = ones.len() == others.len()
        && ones.iter().zip(&others).all(|(one, other)| one.0 == other.0 && said_of_same(one.1, other.1));
    if same { Ok(()) } else { Err(difference) }
}

/// The same things, in whatever order; if not, what kind of difference it is.
fn same_subjects(one: &Meaning, other: &Meaning) -> Result<(), Difference> {
    let mut others: Vec<&Subject> = other.subjects.iter().collect();
    let mut ones: Vec<&Subject> = Vec::new();
    for subject in &one.subjects {
        match others.iter().position(|other| subject.is(other)) {
            Some(place) => drop(others.remove(place)),
            None => ones.push(subject),
        }
    }
    if ones.is_empty() && others.is_empty() {
        return Ok(());
    }
    let pairs = || ones.iter().flat_map(|one| others.iter().map(move |other| (*one, *other)));
    let any_form = |one: &Subject, other: &Subject, test: fn(&str, &str) -> bool| {
        forms(one).iter().any(|one| forms(other).iter().any(|other| test(one, other)))
    };
    let all = || ones.iter().chain(&others);
    Err(if pairs().any(|(one, other)| any_form(one, other, lexicon::opposite)) {
        Difference::Opposite
    } else if pairs().any(|(one, other)| any_form(one, other, lexicon::denied)) {
        Difference::Negation
    } else if all().any(|subject| matches!(subject, Subject::Number(_))) {
        Difference::Number
    } else if all().any(|subject| matches!(subject, Subject::Name(_))) {
        Difference::Name
    } else {
        Difference::Subject
    })
}

fn forms(subject: &Subject) -> Vec<&str> {
    match subject {
        Subject::Word { forms, .. } => forms.iter().map(String::as_str).collect(),
        Subject::Name(name) => vec![name],
        Subject::Number(_) => Vec::new(),
    }
}
