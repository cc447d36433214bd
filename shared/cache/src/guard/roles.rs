//! What words do in a question, where they do more than name something. English and basic German. Pure.

/// What a word does in a question, where it does more than name something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Turns the sense of what follows.
    Negation(&'static str),
    /// Says how many, how often, or that nothing else.
    Quantifier(&'static str),
    /// Says more or less.
    Comparison(&'static str),
    /// Says from where, to where, before, after, on which condition.
    Direction(&'static str),
    /// Says whether it can, may, must, should or will be, or was.
    Modality(&'static str),
    /// Says who.
    Person(&'static str),
    /// Says whose it is: one's own, or the one that is spoken of.
    Determiner(Whose),
    /// A form of "to be".
    Be,
    /// Says nothing of its own.
    Filler,
}

/// What an article says. "The policy" may be "my policy" or "policy"; "my data" is not "data".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    My,
    The,
}

/// The role of a word; `None` for one that names something.
pub(super) fn role(word: &str) -> Option<Role> {
    negation(word)
        .map(Role::Negation)
        .or_else(|| quantifier(word).map(Role::Quantifier))
        .or_else(|| comparison(word).map(Role::Comparison))
        .or_else(|| direction(word).map(Role::Direction))
        .or_else(|| modality(word).map(Role::Modality))
        .or_else(|| person(word).map(Role::Person))
        .or_else(|| says_nothing(word))
}

#[rustfmt::skip] // a table
fn negation(word: &str) -> Option<&'static str> {
    Some(match word {
        "not" | "nicht" => "not",
        "no" | "kein" | "keine" | "keinen" | "keinem" | "keiner" | "keines" => "no",
        "never" | "nie" | "niemals" => "never",
        "non" => "non",
        "neither" | "weder" => "neither",
        "nor" => "nor",
        "none" | "nobody" | "niemand" => "nobody",
        "nothing" | "nichts" => "nothing",
        "nowhere" => "nowhere",
        "without" | "ohne" => "without",
        "except" | "excepting" | "excluding" | "außer" | "ausgenommen" | "barring" => "except",
        "unless" => "unless",
        "hardly" | "barely" | "scarcely" | "kaum" => "hardly",
        "rarely" | "seldom" | "selten" => "rarely",
        _ => return None,
    })
}

#[rustfmt::skip] // a table
fn quantifier(word: &str) -> Option<&'static str> {
    Some(match word {
        "all" | "every" | "each" | "alle" | "allen" | "aller" | "alles" | "jede" | "jeder" | "jedes" | "jeden" => "all",
        "whole" | "entire" | "entirely" | "fully" | "ganz" => "whole",
        "any" | "anything" | "anyone" | "anybody" | "irgendein" | "irgendeine" => "any",
        "some" | "something" | "someone" | "einige" | "manche" => "some",
        "only" | "just" | "solely" | "exclusively" | "nur" | "ausschließlich" => "only",
        "both" | "beide" => "both",
        "either" => "either",
        "few" | "wenige" => "few",
        "several" | "mehrere" => "several",
        "many" | "much" | "viele" | "viel" => "many",
        "always" | "immer" => "always",
        "sometimes" | "manchmal" => "sometimes",
        "usually" | "often" | "meistens" | "oft" => "often",
        "partly" | "partially" | "teilweise" => "partly",
        "almost" | "nearly" | "fast" | "about" | "approximately" | "around" | "ungefähr" | "etwa" => "about",
        _ => return None,
    })
}

#[rustfmt::skip] // a table
fn comparison(word: &str) -> Option<&'static str> {
    Some(match word {
        "more" | "mehr" => "more",
        "most" | "meisten" => "most",
        "less" | "fewer" | "weniger" => "less",
        "least" | "fewest" | "wenigsten" => "least",
        "too" | "zu" => "too",
        "atleast" | "minimum" | "mindestens" => "at least",
        "atmost" | "maximum" | "max" | "höchstens" | "maximal" => "at most",
        _ => return None,
    })
}

#[rustfmt::skip] // a table
fn direction(word: &str) -> Option<&'static str> {
    Some(match word {
        "from" | "von" | "vom" => "from",
        "into" => "into",
        "onto" => "onto",
        "by" | "durch" => "by",
        "with" | "mit" => "with",
        "via" | "through" => "through",
        "against" | "gegen" => "against",
        "until" | "till" | "bis" => "until",
        "since" | "seit" => "since",
        "before" | "vor" | "bevor" | "prior" => "before",
        "after" | "nach" | "nachdem" | "following" => "after",
        "during" | "while" | "während" => "during",
        "within" | "innerhalb" => "within",
        "between" | "zwischen" => "between",
        "beyond" | "past" => "beyond",
        "above" | "over" | "über" => "over",
        "under" | "below" | "beneath" | "unter" => "under",
        "behind" | "hinter" => "behind",
        "toward" | "towards" => "toward",
        "or" | "oder" => "or",
        "if" | "wenn" | "falls" => "if",
        "ob" | "whether" => "whether",
        "because" | "weil" => "because",
        "although" | "though" | "despite" | "obwohl" | "trotz" => "although",
        "instead" | "statt" | "anstatt" => "instead",
        "per" | "pro" => "per",
        "out" | "outside" => "out",
        "off" => "off",
        "up" => "up",
        "down" => "down",
        "away" => "away",
        "back" => "back",
        // In German the article says who does it and to whom it is done.
        "der" | "meiner" | "einer" => "der",
        "den" | "meinen" | "einen" => "den",
        "dem" | "meinem" | "einem" => "dem",
        "des" | "meines" | "eines" => "des",
        _ => return None,
    })
}

#[rustfmt::skip] // a table
fn modality(word: &str) -> Option<&'static str> {
    Some(match word {
        "can" | "could" | "kann" | "können" | "könnte" => "can",
        "may" | "might" | "allowed" | "permitted" | "darf" | "dürfen" => "may",
        "must" | "muss" | "müssen" => "must",
        "should" | "ought" | "soll" | "sollte" | "sollen" => "should",
        "will" | "shall" | "wird" | "werden" | "werde" => "will",
        "would" | "würde" => "would",
        "was" | "were" | "did" | "had" | "war" | "waren" | "wurde" | "wurden" | "hatte" => "past",
        _ => return None,
    })
}

#[rustfmt::skip] // a table
fn person(word: &str) -> Option<&'static str> {
    Some(match word {
        "i" | "we" | "ich" | "wir" => "I",
        "mine" | "ours" => "mine",
        "me" | "us" | "myself" | "ourselves" | "mich" | "mir" | "uns" => "me",
        "you" | "your" | "yours" | "yourself" | "sie" | "ihr" | "ihre" | "ihnen" | "du" | "dein" | "deine" => "you",
        "he" | "him" | "his" | "himself" | "er" | "ihn" | "ihm" | "sein" | "seine" => "he",
        "she" | "her" | "hers" | "herself" => "she",
        "they" | "them" | "their" | "theirs" | "themselves" => "they",
        "it" | "es" => "it",
        _ => return None,
    })
}

#[rustfmt::skip] // a table
fn says_nothing(word: &str) -> Option<Role> {
    Some(match word {
        "my" | "our" | "mein" | "meine" | "unser" | "unsere" => Role::Determiner(Whose::My),
        "the" | "this" | "that" | "these" | "those" | "die" | "das" => Role::Determiner(Whose::The),
        "is" | "are" | "am" | "be" | "been" | "being" | "ist" | "sind" | "bin" => Role::Be,
        "a" | "an" | "there" | "its"
        | "do" | "does" | "to" | "of" | "for" | "in" | "on" | "at" | "and" | "as" | "than" | "so" | "please" | "thanks"
        | "really" | "actually" | "exactly" | "hi" | "hello" | "hey"
        | "ein" | "eine"
        | "und" | "im" | "bei" | "auf" | "für" | "als" | "bitte" | "hallo" | "denn" => Role::Filler,
        _ => return None,
    })
}
