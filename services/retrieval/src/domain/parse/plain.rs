//! Plain text: blank lines part paragraphs; a short line that stands alone and is numbered, underlined or in capitals is
//! a heading.

use super::{BlockKind, Collector, Parsed};
use crate::domain::clause;

/// A longer line is a sentence.
const HEADING_CHARS_MAX: usize = 80;

pub(super) fn parse(source: &str) -> Parsed {
    let mut collector = Collector::default();
    let source = source.replace("\r\n", "\n");
    for paragraph in source.split("\n\n") {
        let mut lines: Vec<&str> =
            paragraph.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
        if let [title, rule, ..] = lines.as_slice()
            && let Some(level) = underline(rule)
        {
            collector.push(BlockKind::Heading(level), title, 0);
            lines.drain(..2);
        }
        if let [only] = lines.as_slice()
            && is_heading(only)
        {
            collector.push(BlockKind::Heading(2), only, 0);
            continue;
        }
        let mut text = String::new();
        for line in lines {
            // Clauses are often listed line by line, without blank lines between them.
            if clause::begins_clause(line) {
                collector.push(BlockKind::Paragraph, &std::mem::take(&mut text), 0);
            }
            text.push_str(line);
            text.push(' ');
        }
        collector.push(BlockKind::Paragraph, &text, 0);
    }
    collector.parsed
}

/// Whether a line that stands alone reads as a heading.
pub(super) fn is_heading(line: &str) -> bool {
    let line = line.trim();
    let letters = line.chars().filter(|c| c.is_alphabetic()).count();
    let short = line.chars().count() <= HEADING_CHARS_MAX && letters > 1;
    let ends_like_a_sentence = line.ends_with(['.', ',', ';', ':', '!', '?']);
    let capitals = !line.chars().any(char::is_lowercase);
    // "2.1 Storm. We pay" is a clause that begins with its title, not a heading.
    let one_phrase = !line.trim_start_matches(|c: char| !c.is_whitespace()).contains(". ");
    short && one_phrase && !ends_like_a_sentence && (capitals || clause::number_of(line).is_some())
}

fn underline(line: &str) -> Option<u8> {
    let line = line.trim();
    let all = |mark: char| line.len() >= 3 && line.chars().all(|c| c == mark);
    match line {
        _ if all('=') => Some(1),
        _ if all('-') => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_told_from_sentences() {
        let parsed = parse(
            "Policy\n======\nIntro text.\n\nWHAT IS COVERED\n\n2.1 Storm. We pay\nfor wind.\r\n\r\n3 Exclusions\n",
        );
        let found: Vec<_> = parsed.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
        assert_eq!(
            found,
            [
                (BlockKind::Heading(1), "Policy"),
                (BlockKind::Paragraph, "Intro text."),
                (BlockKind::Heading(2), "WHAT IS COVERED"),
                (BlockKind::Paragraph, "2.1 Storm. We pay for wind."),
                (BlockKind::Heading(2), "3 Exclusions"),
            ]
        );
    }
}
