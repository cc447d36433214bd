//! What a question says, taken apart so that each part can be compared. Pure.

use super::inflection;
use super::lexicon::{self, Role};
use super::words::{self, Piece};

/// A thing, an act or a number of which a question speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// Perhaps in another form elsewhere.
    Word { exact: String, forms: Vec<String>, participle: bool },
    /// Equal to nothing but itself: a name, an identifier, a date.
    Name(String),
    /// With its unit.
    Number(String),
}

impl Subject {
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Word { forms, .. }, Self::Word { forms: others, .. }) => {
                forms.iter().any(|form| others.contains(form))
            }
            (Self::Word { exact, .. } | Self::Name(exact), Self::Name(other) | Self::Word { exact: other, .. }) => {
                exact == other
            }
            (Self::Number(one), Self::Number(other)) => one == other,
            (Self::Number(_), _) | (_, Self::Number(_)) => false,
        }
    }
}

/// A word with a role, and the place among the subjects of what it is said of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub role: Role,
    pub of: usize,
}

/// A question taken apart.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    /// What is asked for: "who", "how many", "whether"; empty for a statement.
    pub asks: String,
    pub subjects: Vec<Subject>,
    pub marks: Vec<Mark>,
    /// The verb of which its subject suffers, by its place.
    passive: Option<usize>,
}

impl Meaning {
    pub fn of(text: &str) -> Self {
        let pieces = without_openings(with_phrases(words::pieces(text)));
        let (asks, pieces) = asks(&pieces);
        let mut meaning = Self { asks, ..Self::default() };
        let from = pieces.iter().any(|piece| piece.plain() == Some("from"));
        let mut being = meaning.asks.starts_with("is ") || meaning.asks == "was";
        for piece in pieces {
            let role = piece.plain().and_then(lexicon::role);
            match (piece, role) {
                (_, Some(Role::Be)) => being = true,
                // "To" is of a verb more often than of a place.
                (_, Some(Role::Filler)) if from && piece.plain() == Some("to") => meaning.mark(Role::Direction("to")),
                (_, Some(Role::Filler)) => {}
                (_, Some(role)) => {
                    being |= matches!(piece.plain(), Some("was" | "were"));
                    meaning.mark(role);
                }
                (Piece::Word { text, name, capital }, None) => meaning.word(text, *name || *capital, being),
                (Piece::Number { value, unit }, None) => {
                    let unit = unit.as_deref().unwrap_or_default();
                    meaning.subjects.push(Subject::Number(format!("{value} {unit}")));
                }
                (Piece::Name(name), None) => meaning.subjects.push(Subject::Name(name.clone())),
            }
        }
        meaning
    }

    fn mark(&mut self, role: Role) {
        self.marks.push(Mark { role, of: self.subjects.len() });
    }

    fn word(&mut self, text: &str, name: bool, being: bool) {
        if name {
            return self.subjects.push(Subject::Name(text.to_owned()));
        }
        let participle = inflection::is_participle(text);
        if being && participle {
            self.passive = Some(self.subjects.len());
        } else if participle {
            // "I paid" is not "I pay".
            self.mark(Role::Modality("past"));
        }
        let forms = inflection::forms(text).iter().map(|form| lexicon::synonym(form).to_owned()).collect();
        self.subjects.push(Subject::Word { exact: text.to_owned(), forms, participle });
    }

    /// The subjects in an order in which "is X covered" and "does it cover X" are alike, and "does X cover it" is not: the verb
    /// of which the subject suffers comes first.
    pub fn in_order(&self) -> Vec<&Subject> {
        let mut ordered: Vec<&Subject> = self.subjects.iter().collect();
        if let Some(place) = self.passive.filter(|place| *place < ordered.len()) {
            let verb = ordered.remove(place);
            ordered.insert(0, verb);
        }
        ordered
    }

    /// Whether its last verb says what is done to its subject.
    pub fn is_passive(&self) -> bool {
        self.passive.is_some()
    }

    /// Whether it says in so many words to what something is done.
    pub fn names_who_suffers(&self) -> bool {
        self.passive.is_some_and(|place| place > 0)
    }

    /// Words of one kind of role, each with what it is said of.
    pub fn marks(&self, kind: impl Fn(Role) -> bool) -> Vec<(Role, Option<&Subject>)> {
        let of = |mark: &Mark| {
            // What applies to the question as a whole is said of nothing in it. Of a person the place says who acts.
            let whole = matches!(mark.role, Role::Modality(_));
            (mark.role, if whole { None } else { self.subjects.get(mark.of) })
        };
        self.marks.iter().filter(|mark| kind(mark.role)).map(of).collect()
    }
}

fn plain(pieces: &[Piece], length: usize) -> Option<Vec<&str>> {
    pieces.get(..length)?.iter().map(Piece::plain).collect()
}

/// Replaces turns of phrase, the longest first.
fn with_phrases(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut replaced = Vec::new();
    let mut rest = pieces.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let fits = |phrase: &&(&str, &str)| {
            let length = phrase.0.split(' ').count();
            plain(rest, length).is_some_and(|words| words.iter().copied().eq(phrase.0.split(' ')))
        };
        let longest = lexicon::PHRASES.iter().filter(fits).max_by_key(|phrase| phrase.0.len());
        match longest {
            Some((phrase, by)) => {
                replaced.extend(by.split(' ').map(Piece::word));
                rest = rest.get(phrase.split(' ').count()..).unwrap_or_default();
            }
            None => {
                replaced.push(first.clone());
                rest = after;
            }
        }
    }
    replaced
}

fn without_openings(mut pieces: Vec<Piece>) -> Vec<Piece> {
    loop {
        let fits = |opening: &&&str| {
            let length = opening.split(' ').count();
            // What is left must still ask something.
            length < pieces.len()
                && plain(&pieces, length).is_some_and(|words| words.iter().copied().eq(opening.split(' ')))
        };
        let Some(longest) = lexicon::OPENINGS.iter().filter(fits).max_by_key(|opening| opening.len()) else {
            return pieces;
        };
        pieces.drain(..longest.split(' ').count());
    }
}

/// What is asked for, and what is left to say it of.
fn asks(pieces: &[Piece]) -> (String, &[Piece]) {
    let word = |place: usize| pieces.get(place).and_then(Piece::plain);
    let rest = |place: usize| pieces.get(place..).unwrap_or_default();
    let Some(first) = word(0) else { return (String::new(), pieces) };
    // "By when", "from where", "at what": which of them belongs to what is asked for.
    if let (Some(Role::Direction(_) | Role::Filler), Some(second)) = (lexicon::role(first), word(1))
        && let Some(asked) = lexicon::question_word(second).filter(|_| lexicon::question_word(first).is_none())
    {
        let (asked, taken) = with_how(asked, word(2));
        return (format!("{first} {asked}"), rest(2 + taken));
    }
    if let Some(asked) = lexicon::question_word(first) {
        let (asked, taken) = with_how(asked, word(1));
        let is = matches!(word(1 + taken), Some("is" | "are" | "was" | "were" | "ist" | "sind"));
        if asked == "what" && is {
            // "What is a deductible" asks for another thing than "what is my deductible".
            let specific = matches!(
                word(2 + taken),
                Some(
                    "the"
                        | "my"
                        | "our"
                        | "this"
                        | "that"
                        | "der"
                        | "die"
                        | "das"
                        | "mein"
                        | "meine"
                        | "unser"
                        | "unsere"
                )
            );
            return (format!("what {}", if specific { "the" } else { "a" }), rest(1 + taken));
        }
        return (asked.to_owned(), rest(1 + taken));
    }
    if lexicon::begins_yes_or_no(first) {
        let is = lexicon::role(first) == Some(Role::Be);
        // "Do" and "is" only ask; "can" says more, and "have" may be what is asked.
        let only_asks = is || matches!(first, "do" | "does");
        return (if is { "is whether" } else { "whether" }.to_owned(), rest(usize::from(only_asks)));
    }
    (String::new(), pieces)
}

fn with_how<'a>(asked: &'a str, next: Option<&str>) -> (&'a str, usize) {
    match next.and_then(lexicon::how).filter(|_| asked == "how") {
        Some(more) => (more, 1),
        None => (asked, 0),
    }
}
