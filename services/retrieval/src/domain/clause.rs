//! Clause numbers at the beginning of a paragraph: `H-2.1`, `4.2.1`, `§ 5`, `Article 7`, `12.`.

use std::sync::LazyLock;

use regex::Regex;

#[allow(clippy::expect_used)] // the pattern is a constant, and a test compiles it
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(?:(?P<keyword>§|(?i:article|section|clause|art\.|sec\.))\s*)?(?P<number>[A-Z]{1,4}-?\d+(?:\.\d+)*|\d+(?:\.\d+)+|\d+)(?P<end>[.):]?)(?:\s+|$)",
    )
    .expect("a valid pattern")
});

/// The clause number that a text begins with, and the rest of it.
pub fn number_of(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    let found = NUMBER.captures(text)?;
    let number = found.name("number")?.as_str();
    let bare = number.bytes().all(|byte| byte.is_ascii_digit());
    let marked = found.name("end").is_some_and(|end| !end.as_str().is_empty());
    let keyword = found.name("keyword").map(|keyword| keyword.as_str());
    let rest = text.get(found.get(0)?.end()..)?;
    // "14 days later" begins with a number that is no clause's; "14. Days" and "3 Exclusions" do not.
    if bare && keyword.is_none() && !marked && !rest.starts_with(char::is_uppercase) {
        return None;
    }
    // A year or an amount is no clause either.
    if bare && keyword.is_none() && number.len() > 3 {
        return None;
    }
    let number = match keyword {
        Some("§") => format!("§ {number}"),
        _ => number.to_owned(),
    };
    Some((number, rest))
}

/// The clause number that a paragraph begins with. Unlike a heading, it may begin with a plain number that numbers nothing:
/// "3 March was dry".
pub fn number_of_paragraph(text: &str) -> Option<(String, &str)> {
    let plain = |number: &str| text.trim_start().strip_prefix(number).is_some_and(|rest| rest.starts_with(' '));
    number_of(text).filter(|(number, _)| !(number.bytes().all(|byte| byte.is_ascii_digit()) && plain(number)))
}

/// Whether a line in the middle of a paragraph begins a clause of its own. Stricter than [`number_of`]: a wrapped line may
/// well begin with a plain number.
pub fn begins_clause(line: &str) -> bool {
    number_of(line).is_some_and(|(number, _)| !number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The title that a clause opens with, when it has one: a few words before the first full stop.
pub fn title_of(text: &str) -> Option<(&str, &str)> {
    const WORDS_MAX: usize = 6;
    let (title, rest) = text.split_once(". ")?;
    let title_like = title.split_whitespace().count() <= WORDS_MAX && !title.contains([',', ';', '"', '“']);
    (title_like && !rest.trim().is_empty()).then_some((title, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clause_numbers_are_found_and_plain_numbers_are_not() {
        let number = |text| number_of(text).map(|(number, _)| number);
        for (text, expected) in [
            ("H-2.1 Storm and flood. We pay", Some("H-2.1")),
            ("4.2.1 Excess", Some("4.2.1")),
            ("§ 5 Haftung", Some("§ 5")),
            ("Article 7 Records", Some("7")),
            ("12. Notice", Some("12")),
            ("3 Exclusions", Some("3")),
            ("M-2 What is covered", Some("M-2")),
            ("14 days after", None),
            ("2026 was dry", None),
            ("We pay", None),
        ] {
            assert_eq!(number(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_plain_number_numbers_a_heading_but_not_a_paragraph() {
        let number = |text| number_of_paragraph(text).map(|(number, _)| number);
        for (text, expected) in [
            ("3 March was dry", None),
            ("3. March", Some("3")),
            ("Article 3 March", Some("3")),
            ("3.1 March", Some("3.1")),
        ] {
            assert_eq!(number(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_short_opening_is_a_title_and_a_sentence_is_not() {
        assert_eq!(title_of("Storm and flood. We pay."), Some(("Storm and flood", "We pay.")));
        assert_eq!(title_of("We do not pay for money in cash above the limit. Ever."), None);
    }
}
