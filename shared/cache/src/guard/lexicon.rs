//! The words that carry a question's sense rather than its subject, in English and basic German. Pure.

pub(super) use super::roles::{Role, Whose, role};

/// What a question asks for, by the word that asks.
pub(super) fn question_word(word: &str) -> Option<&'static str> {
    Some(match word {
        // In German "what"; in English the past, which then asks for another thing than "is".
        "was" => "was",
        "what" | "which" | "welche" | "welcher" | "welches" | "welchen" => "what",
        "who" | "whom" | "wer" | "wen" | "wem" => "who",
        "whose" | "wessen" => "whose",
        "when" | "wann" => "when",
        "where" | "wo" => "where",
        "wohin" => "where to",
        "woher" => "where from",
        "why" | "warum" | "wieso" | "weshalb" => "why",
        "how" | "wie" => "how",
        "wieviel" | "wieviele" => "how many",
        "womit" => "with what",
        "if" | "whether" | "ob" => "whether",
        _ => return None,
    })
}

/// What "how" asks for together with the word after it.
pub(super) fn how(word: &str) -> Option<&'static str> {
    Some(match word {
        "much" | "many" | "viel" | "viele" => "how many",
        "long" | "lange" => "how long",
        "often" | "oft" | "frequently" => "how often",
        "far" | "weit" => "how far",
        "old" | "alt" => "how old",
        "soon" | "quickly" | "fast" | "schnell" | "bald" => "how soon",
        "high" | "hoch" => "how high",
        "big" | "large" | "groß" => "how large",
        "late" | "spät" => "how late",
        "early" | "früh" => "how early",
        "come" => "why",
        _ => return None,
    })
}

/// Words with which a question begins whose answer is yes or no.
pub(super) fn begins_yes_or_no(word: &str) -> bool {
    matches!(role(word), Some(Role::Be | Role::Modality("can" | "may" | "must" | "should" | "will" | "would" | "past")))
        || matches!(word, "do" | "does" | "have" | "has" | "hat" | "habe" | "haben" | "hast")
}

/// Words that are written with a capital within a sentence and are no names.
pub(super) fn has_capital_anyway(word: &str) -> bool {
    matches!(word, "i" | "i'm" | "i'd" | "i've" | "i'll" | "sie" | "ihr" | "ihre" | "ihnen")
}

/// Numbers in words, up to ninety. "One" and "ein" are articles and pronouns more often, and so are not among the German ones.
pub(super) fn number_word(word: &str) -> Option<u64> {
    Some(match word {
        "zero" | "null" => 0,
        "one" | "eins" => 1,
        "two" | "zwei" => 2,
        "three" | "drei" => 3,
        "four" | "vier" => 4,
        "five" | "fünf" => 5,
        "six" | "sechs" => 6,
        "seven" | "sieben" => 7,
        "eight" | "acht" => 8,
        "nine" | "neun" => 9,
        "ten" | "zehn" => 10,
        "eleven" | "elf" => 11,
        "twelve" | "dozen" | "zwölf" => 12,
        "thirteen" | "dreizehn" => 13,
        "fourteen" | "vierzehn" => 14,
        "fifteen" | "fünfzehn" => 15,
        "sixteen" | "sechzehn" => 16,
        "seventeen" | "siebzehn" => 17,
        "eighteen" | "achtzehn" => 18,
        "nineteen" | "neunzehn" => 19,
        "twenty" | "zwanzig" => 20,
        "thirty" | "dreißig" => 30,
        "forty" | "vierzig" => 40,
        "fifty" | "fünfzig" => 50,
        "sixty" | "sechzig" => 60,
        "seventy" | "siebzig" => 70,
        "eighty" | "achtzig" => 80,
        "ninety" | "neunzig" => 90,
        _ => return None,
    })
}

/// Words that multiply the number before them.
pub(super) fn power_of_ten(word: &str) -> Option<usize> {
    Some(match word {
        "hundred" | "hundert" => 2,
        "thousand" | "tausend" => 3,
        "million" | "millions" | "millionen" => 6,
        "billion" | "milliarde" | "milliarden" => 9,
        _ => return None,
    })
}

/// Units of measure, of time, and percent.
pub(super) fn unit(word: &str) -> Option<&'static str> {
    Some(match word {
        "%" | "percent" | "prozent" | "pct" => "%",
        "km" | "kilometer" | "kilometers" | "kilometre" | "kilometres" => "km",
        "m" | "meter" | "meters" | "metre" | "metres" => "m",
        "cm" | "centimeter" | "centimeters" | "zentimeter" => "cm",
        "mi" | "mile" | "miles" | "meile" | "meilen" => "mile",
        "ft" | "foot" | "feet" => "foot",
        "kg" | "kilo" | "kilos" | "kilogram" | "kilograms" | "kilogramm" => "kg",
        "g" | "gram" | "grams" | "gramm" => "g",
        "l" | "liter" | "liters" | "litre" | "litres" => "l",
        "second" | "seconds" | "sec" | "secs" | "sekunde" | "sekunden" => "second",
        "minute" | "minutes" | "min" | "mins" | "minuten" => "minute",
        "hour" | "hours" | "hr" | "hrs" | "h" | "stunde" | "stunden" => "hour",
        "day" | "days" | "tag" | "tage" | "tagen" => "day",
        "week" | "weeks" | "woche" | "wochen" => "week",
        "month" | "months" | "monat" | "monate" | "monaten" => "month",
        "year" | "years" | "yr" | "yrs" | "jahr" | "jahre" | "jahren" => "year",
        "kb" => "kb",
        "mb" => "mb",
        "gb" => "gb",
        "tb" => "tb",
        "°c" | "celsius" => "celsius",
        "°f" | "fahrenheit" => "fahrenheit",
        _ => return None,
    })
}

/// Months by their names.
pub(super) fn month(word: &str) -> Option<u32> {
    Some(match word {
        "january" | "jan" | "januar" => 1,
        "february" | "feb" | "februar" => 2,
        "march" | "mar" | "märz" => 3,
        "april" | "apr" => 4,
        "may" | "mai" => 5,
        "june" | "jun" | "juni" => 6,
        "july" | "jul" | "juli" => 7,
        "august" | "aug" => 8,
        "september" | "sep" | "sept" => 9,
        "october" | "oct" | "oktober" | "okt" => 10,
        "november" | "nov" => 11,
        "december" | "dec" | "dezember" | "dez" => 12,
        _ => return None,
    })
}

/// What says only that a question follows.
pub(super) const OPENINGS: &[&str] = &[
    "i have a question",
    "i would like to know",
    "i want to know",
    "i must know",
    "i wonder",
    "i am wondering",
    "i wondering",
    "i was wondering",
    "just wondering",
    "do you know",
    "let me know",
    "good morning",
    "good afternoon",
    "good evening",
    "guten tag",
    "can you tell me",
    "could you tell me",
    "would you tell me",
    "can you please tell me",
    "could you please tell me",
    "can you explain",
    "could you explain",
    "can you explain to me",
    "could you explain to me",
    "please tell me",
    "please explain",
    "tell me",
    "kannst du mir sagen",
    "können sie mir sagen",
    "ich möchte wissen",
    "sagen sie mir",
    "sag mir",
    "hi",
    "hi there",
    "hello",
    "hey",
    "hallo",
    "please",
    "bitte",
];

/// Turns of phrase that are one word, or others.
pub(super) const PHRASES: &[(&str, &str)] = &[
    ("is it possible for me to", "can i"),
    ("is it possible to", "can i"),
    ("am i able to", "can i"),
    ("are we able to", "can i"),
    ("am i allowed to", "may i"),
    ("am i permitted to", "may i"),
    ("how do i", "how to"),
    ("how can i", "how to"),
    ("how do we", "how to"),
    ("how can we", "how to"),
    ("how do you", "how to"),
    ("how can you", "how to"),
    ("be able to", "can"),
    ("have to", "must"),
    ("has to", "must"),
    ("need to", "must"),
    ("needs to", "must"),
    ("required to", "must"),
    ("obliged to", "must"),
    ("going to", "will"),
    ("supposed to", "should"),
    ("no more than", "atmost"),
    ("not more than", "atmost"),
    ("up to", "atmost"),
    ("at most", "atmost"),
    ("at maximum", "atmost"),
    ("no less than", "atleast"),
    ("not less than", "atleast"),
    ("at least", "atleast"),
    ("greater than", "more than"),
    ("higher than", "more than"),
    ("larger than", "more than"),
    ("fewer than", "less than"),
    ("lower than", "less than"),
    ("smaller than", "less than"),
    ("other than", "except"),
    ("apart from", "except"),
    ("aside from", "except"),
    ("except for", "except"),
    ("as well as", "and"),
    ("in order to", "to"),
    ("due to", "because"),
    ("because of", "because"),
    ("as long as", "if"),
    ("provided that", "if"),
    ("per cent", "percent"),
    ("thank you", "thanks"),
    ("e mail", "email"),
    ("log in", "login"),
    ("sign in", "login"),
    ("make a claim", "file a claim"),
    ("submit a claim", "file a claim"),
    ("lodge a claim", "file a claim"),
    ("wie viel", "wieviel"),
    ("wie viele", "wieviel"),
];

/// Words for the same thing in any sentence.
pub(super) fn synonym(word: &str) -> &str {
    match word {
        "auto" | "automobile" => "car",
        "purchase" => "buy",
        "telephone" => "phone",
        "kid" => "child",
        "start" | "commence" => "begin",
        "repair" => "fix",
        "vacation" => "holiday",
        "photograph" | "picture" => "photo",
        "bicycle" => "bike",
        "physician" => "doctor",
        "attorney" => "lawyer",
        "modify" | "alter" => "change",
        "price" => "cost",
        "information" => "info",
        "big" => "large",
        "require" => "need",
        other => other,
    }
}

/// Words of which one says the opposite of the other.
#[rustfmt::skip] // a table
const OPPOSITES: &[(&str, &str)] = &[
    ("include", "exclude"), ("inclusion", "exclusion"), ("cover", "exclude"), ("accept", "reject"), ("accept", "refuse"),
    ("accept", "decline"), ("approve", "deny"), ("approve", "reject"), ("allow", "forbid"), ("allow", "prohibit"),
    ("allow", "deny"), ("permit", "prohibit"), ("open", "close"), ("begin", "end"), ("begin", "stop"), ("begin", "finish"),
    ("buy", "sell"), ("increase", "decrease"), ("increase", "reduce"), ("raise", "lower"), ("raise", "reduce"),
    ("high", "low"), ("higher", "lower"), ("highest", "lowest"), ("large", "small"), ("larger", "smaller"),
    ("largest", "smallest"), ("long", "short"), ("longer", "shorter"), ("longest", "shortest"), ("cheap", "expensive"),
    ("cheaper", "dearer"), ("cheapest", "dearest"), ("early", "late"), ("earlier", "later"), ("earliest", "latest"),
    ("first", "last"), ("new", "old"), ("newer", "older"), ("newest", "oldest"), ("good", "bad"), ("better", "worse"),
    ("best", "worst"), ("safe", "dangerous"), ("legal", "illegal"), ("valid", "invalid"), ("active", "inactive"),
    ("enable", "disable"), ("add", "remove"), ("insert", "delete"), ("upgrade", "downgrade"), ("deposit", "withdraw"),
    ("credit", "debit"), ("debtor", "creditor"), ("insurer", "insured"), ("lender", "borrower"), ("landlord", "tenant"),
    ("employer", "employee"), ("buyer", "seller"), ("mandatory", "optional"), ("compulsory", "voluntary"),
    ("domestic", "foreign"), ("internal", "external"), ("import", "export"), ("inside", "outside"), ("left", "right"),
    ("public", "private"), ("full", "empty"), ("full", "partial"), ("total", "partial"), ("gross", "net"), ("win", "lose"),
    ("pass", "fail"), ("succeed", "fail"), ("join", "leave"), ("enter", "leave"), ("send", "receive"), ("give", "take"),
    ("lend", "borrow"), ("push", "pull"), ("lock", "unlock"), ("subscribe", "unsubscribe"), ("install", "uninstall"),
    ("activate", "deactivate"), ("advantage", "disadvantage"), ("benefit", "drawback"), ("profit", "loss"),
    ("asset", "liability"), ("renew", "cancel"), ("keep", "cancel"), ("present", "absent"), ("present", "past"),
    ("true", "false"), ("yes", "no"), ("day", "night"), ("summer", "winter"), ("hot", "cold"), ("male", "female"),
    ("man", "woman"), ("husband", "wife"), ("single", "married"), ("arrive", "depart"), ("arrival", "departure"),
    ("inbound", "outbound"), ("upload", "download"), ("encrypt", "decrypt"), ("minimum", "maximum"), ("plus", "minus"),
    ("versichert", "unversichert"), ("gedeckt", "ausgeschlossen"), ("eingeschlossen", "ausgeschlossen"),
    ("enthalten", "ausgeschlossen"), ("erlaubt", "verboten"), ("kaufen", "verkaufen"), ("öffnen", "schließen"),
    ("kündigen", "verlängern"), ("erhöhen", "senken"), ("hoch", "niedrig"), ("vorher", "nachher"), ("innen", "außen"),
];

/// Whether one word says the opposite of the other.
pub(super) fn opposite(one: &str, other: &str) -> bool {
    OPPOSITES.iter().any(|&(left, right)| (one, other) == (left, right) || (other, one) == (left, right))
}

/// Whether one word is the other with a prefix that denies it.
pub(super) fn denied(one: &str, other: &str) -> bool {
    let denies = |word: &str, denied: &str| {
        ["un", "in", "im", "ir", "il", "non", "dis", "mis", "de"]
            .iter()
            .any(|prefix| word.strip_prefix(prefix) == Some(denied))
    };
    denies(one, other) || denies(other, one)
}
