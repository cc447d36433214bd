//! The words that a word may be a form of. Pure; English only, other languages keep to the letter.
//!
//! Narrower than a stemmer on purpose: a stemmer takes the insurer for the insured and an organ for an organisation.

/// Plurals and names of their own that look like forms of another word.
const OWN: [&str; 14] = [
    "news", "goods", "customs", "arms", "glasses", "means", "damages", "savings", "building", "housing", "evening",
    "morning", "wedding", "ring",
];

/// The word itself and what it may be a form of.
pub(super) fn forms(word: &str) -> Vec<String> {
    let mut forms = vec![word.to_owned()];
    if let Some(base) = irregular(word) {
        forms.push(base.to_owned());
    } else if !word.is_ascii() || OWN.contains(&word) {
        return forms;
    } else if let Some(stem) = word.strip_suffix("ies").filter(|stem| stem.len() > 2) {
        forms.push(format!("{stem}y"));
    } else if let Some(stem) = plural(word) {
        forms.push(stem.to_owned());
        forms.extend(stem.strip_suffix('e').filter(|stem| ends_hissing(stem)).map(str::to_owned));
    } else if let Some(stem) = word.strip_suffix("ied").filter(|stem| stem.len() > 2) {
        forms.push(format!("{stem}y"));
    } else if let Some(stem) = word.strip_suffix("ed").filter(|_| word.len() > 4 && !word.ends_with("eed")) {
        without_ending(stem, &mut forms);
    } else if let Some(stem) = word.strip_suffix("ing").filter(|_| word.len() > 4) {
        without_ending(stem, &mut forms);
    }
    forms
}

fn plural(word: &str) -> Option<&str> {
    word.strip_suffix('s').filter(|stem| stem.len() > 2 && !stem.ends_with(['s', 'u', 'i']))
}

fn ends_hissing(stem: &str) -> bool {
    ["s", "x", "z", "ch", "sh"].iter().any(|end| stem.ends_with(end))
}

/// A verb without "-ed" or "-ing": as it stands, with an e, or with its last letter once.
fn without_ending(stem: &str, forms: &mut Vec<String>) {
    let letters: Vec<char> = stem.chars().collect();
    let vowel = |c: &char| matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y');
    if !letters.iter().any(vowel) {
        return;
    }
    let (last, before) = (letters.last(), letters.iter().rev().nth(1));
    if last == before && last.is_some_and(|last| !vowel(last)) {
        forms.push(stem.to_owned());
        forms.push(letters.iter().take(letters.len() - 1).collect());
        return;
    }
    // One vowel and one consonant: "planing" is of "plane", for "plan" would have doubled its end.
    let vowels = letters.iter().filter(|c| vowel(c)).count();
    let short = vowels == 1
        && before.is_some_and(vowel)
        && last.is_some_and(|last| !vowel(last) && !matches!(last, 'w' | 'x' | 'h'));
    if !short {
        forms.push(stem.to_owned());
    }
    forms.push(format!("{stem}e"));
}

/// The base of an irregular form.
fn irregular(word: &str) -> Option<&'static str> {
    Some(match word {
        "paid" => "pay",
        "bought" => "buy",
        "sold" => "sell",
        "made" => "make",
        "lost" => "lose",
        "stolen" | "stole" => "steal",
        "broken" | "broke" => "break",
        "driven" | "drove" => "drive",
        "given" | "gave" => "give",
        "taken" | "took" => "take",
        "got" | "gotten" => "get",
        "sent" => "send",
        "kept" => "keep",
        "held" => "hold",
        "found" => "find",
        "known" | "knew" => "know",
        "written" | "wrote" => "write",
        "begun" | "began" => "begin",
        "gone" | "went" => "go",
        "done" => "do",
        "has" | "had" => "have",
        "people" => "person",
        "children" => "child",
        "men" => "man",
        "women" => "woman",
        "teeth" => "tooth",
        "wives" => "wife",
        "thieves" => "thief",
        _ => return None,
    })
}

/// Whether a verb in this form, after "to be", says what is done to its subject.
pub(super) fn is_participle(word: &str) -> bool {
    (word.len() > 4 && word.ends_with("ed") && !word.ends_with("eed"))
        || matches!(
            word,
            "paid"
                | "bought"
                | "sold"
                | "made"
                | "lost"
                | "stolen"
                | "broken"
                | "driven"
                | "given"
                | "taken"
                | "sent"
                | "kept"
                | "held"
                | "found"
                | "known"
                | "written"
        )
}

#[cfg(test)]
mod tests {
    use super::forms;

    fn related(one: &str, other: &str) -> bool {
        forms(one).iter().any(|form| forms(other).contains(form))
    }

    #[test]
    fn forms_of_one_word_meet() {
        for (one, other) in [
            ("covered", "cover"),
            ("covers", "covering"),
            ("insured", "insure"),
            ("cancelled", "cancel"),
            ("canceling", "cancelled"),
            ("policies", "policy"),
            ("losses", "loss"),
            ("houses", "house"),
            ("paid", "pays"),
            ("planned", "planning"),
            ("applied", "apply"),
            ("filed", "filing"),
            ("children", "child"),
        ] {
            assert!(related(one, other), "{one} {other}");
        }
    }

    #[test]
    fn different_words_do_not() {
        for (one, other) in [
            ("insurer", "insured"),
            ("insurance", "insured"),
            ("car", "care"),
            ("car", "caring"),
            ("rat", "rate"),
            ("rat", "rating"),
            ("plan", "plane"),
            ("plan", "planing"),
            ("organ", "organization"),
            ("news", "new"),
            ("damages", "damage"),
            ("employer", "employee"),
            ("uninsured", "insured"),
            ("file", "filled"),
            ("need", "ne"),
        ] {
            assert!(!related(one, other), "{one} {other}");
        }
    }
}
