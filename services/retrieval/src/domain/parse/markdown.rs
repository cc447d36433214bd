//! Markdown by pulldown-cmark. Positions are in characters of the source itself.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::{Block, BlockKind, Parsed, collapse};
use crate::domain::clause;

/// A block while its events come in.
struct Open {
    kind: BlockKind,
    text: String,
    start: usize,
}

pub(super) fn parse(source: &str) -> Parsed {
    let positions = CharPositions::of(source);
    let mut blocks = Vec::new();
    let mut open: Option<Open> = None;
    for (event, range) in Parser::new_ext(source, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                open = Some(Open { kind: BlockKind::Heading(depth(level)), text: String::new(), start: range.start });
            }
            Event::Start(Tag::Paragraph | Tag::Item | Tag::Table(_) | Tag::CodeBlock(_)) => {
                // A paragraph within a list item belongs to the item.
                open.get_or_insert(Open { kind: BlockKind::Paragraph, text: String::new(), start: range.start });
            }
            Event::End(TagEnd::Paragraph) if in_item(source, open.as_ref()) => push(&mut open, "\n"),
            Event::End(TagEnd::Heading(_) | TagEnd::Paragraph | TagEnd::Item | TagEnd::Table | TagEnd::CodeBlock) => {
                if let Some(block) = open.take() {
                    blocks.extend(close(&block, range.end, &positions));
                }
            }
            Event::End(TagEnd::TableCell) => push(&mut open, " | "),
            Event::End(TagEnd::TableHead | TagEnd::TableRow) | Event::HardBreak => push(&mut open, "\n"),
            // Wordings often list their clauses line by line, without blank lines between them.
            Event::SoftBreak if source.get(range.end..).is_some_and(clause::begins_clause) => {
                if let Some(block) = open.take() {
                    blocks.extend(close(&block, range.start, &positions));
                    open = Some(Open { kind: block.kind, text: String::new(), start: range.end });
                }
            }
            Event::SoftBreak => push(&mut open, " "),
            Event::Text(text) | Event::Code(text) => push(&mut open, &text),
            // Raw HTML among it: a reader does not see tags and comments, so they are not found either.
            _ => {}
        }
    }
    Parsed { text: source.to_owned(), blocks }
}

fn push(open: &mut Option<Open>, text: &str) {
    if let Some(block) = open {
        block.text.push_str(text);
    }
}

/// Whether the open block began as a list item, by the marker in the source.
fn in_item(source: &str, open: Option<&Open>) -> bool {
    let Some(rest) = open.and_then(|block| source.get(block.start..)) else { return false };
    let after_number = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.starts_with(['-', '*', '+']) || (after_number.len() < rest.len() && after_number.starts_with(['.', ')']))
}

fn close(block: &Open, end: usize, positions: &CharPositions) -> Option<Block> {
    let text = collapse(&block.text);
    let (start, end) = (positions.of_byte(block.start), positions.of_byte(end));
    (!text.is_empty()).then_some(Block { kind: block.kind, text, start, end, page: 0 })
}

fn depth(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

/// Byte offsets to character offsets.
struct CharPositions(Vec<usize>);

impl CharPositions {
    fn of(source: &str) -> Self {
        Self(source.char_indices().map(|(byte, _)| byte).collect())
    }

    fn of_byte(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start < byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_paragraphs_and_tables_keep_their_places_in_the_source() {
        let source = "# Título\n\n## A-1 Cover\nA-1.1 We pay\nfor *fire*.<!-- hidden -->\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n- two\n";
        let parsed = parse(source);
        let found: Vec<_> = parsed.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
        assert_eq!(
            found,
            [
                (BlockKind::Heading(1), "Título"),
                (BlockKind::Heading(2), "A-1 Cover"),
                (BlockKind::Paragraph, "A-1.1 We pay for fire."),
                (BlockKind::Paragraph, "a | b |\n1 | 2 |"),
                (BlockKind::Paragraph, "one"),
                (BlockKind::Paragraph, "two"),
            ]
        );
        for block in &parsed.blocks {
            let cited: String = parsed.text.chars().skip(block.start).take(block.end - block.start).collect();
            let word = block.text.split(' ').next().unwrap_or_default();
            assert!(cited.contains(word), "{cited:?} does not hold {word:?}");
        }
    }

    #[test]
    fn a_paragraph_in_a_list_item_stays_with_its_item() {
        let parsed = parse("1. first\n\n   more of it\n\n2. second\n");
        let texts: Vec<_> = parsed.blocks.iter().map(|block| block.text.as_str()).collect();
        assert_eq!(texts, ["first\nmore of it", "second"]);
    }
}
