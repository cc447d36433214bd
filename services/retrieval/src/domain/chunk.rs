//! From blocks to chunks: a numbered clause begins a chunk of its own, and paragraphs are joined to what they continue up
//! to a size; a long one is cut at sentences. A chunk never crosses a heading, and keeps the headings above it.

use orrery_types::Sha256Digest;

use super::clause;
use super::parse::{Block, BlockKind, Parsed};

/// Characters up to which paragraphs of a section are joined.
const JOINED_CHARS: usize = 900;
/// A longer paragraph is cut; the embedding model reads about this much.
const CHARS_MAX: usize = 1_600;

/// A piece of a document that is found and cited as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its text.
    pub text: String,
    /// Headings from the top.
    pub section_path: Vec<String>,
    /// Clause number; empty without one.
    pub clause: String,
    /// First character in the document's text.
    pub start: usize,
    /// One past the last.
    pub end: usize,
    /// From 1; 0 without pages.
    pub page: u32,
}

impl Chunk {
    /// Digest of the text.
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(self.text.as_bytes())
    }

    /// The text without its clause number.
    pub fn wording(&self) -> &str {
        clause::number_of_paragraph(&self.text).map_or(&self.text, |(_, rest)| rest)
    }

    /// The wording without its title.
    pub fn body(&self) -> &str {
        clause::title_of(self.wording()).map_or_else(|| self.wording(), |(_, body)| body)
    }
}

/// The title of a document: its first heading of the highest level.
pub fn title_of(parsed: &Parsed) -> Option<&str> {
    let headings = parsed.blocks.iter().filter_map(|block| match block.kind {
        BlockKind::Heading(level) => Some((level, block.text.as_str())),
        BlockKind::Paragraph => None,
    });
    headings.min_by_key(|(level, _)| *level).map(|(_, text)| text)
}

/// Cuts a document into chunks.
pub fn chunks_of(parsed: &Parsed) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    let mut path: Vec<(u8, String)> = Vec::new();
    // The clause that unnumbered paragraphs continue; empty under a heading without a number.
    let mut clause = String::new();
    let mut joinable = false;
    for block in &parsed.blocks {
        match block.kind {
            BlockKind::Heading(level) => {
                path.retain(|(above, _)| *above < level);
                path.push((level, block.text.clone()));
                clause = clause::number_of(&block.text).map(|(number, _)| number).unwrap_or_default();
                joinable = false;
            }
            BlockKind::Paragraph => {
                if let Some((number, _)) = clause::number_of_paragraph(&block.text) {
                    clause = number;
                    joinable = false;
                }
                match chunks.last_mut().filter(|last| joinable && fits(last, block)) {
                    Some(last) => {
                        last.text.push('\n');
                        last.text.push_str(&block.text);
                        last.end = block.end;
                    }
                    None => chunks.extend(cut(block, &path, &clause)),
                }
                joinable = true;
            }
        }
    }
    chunks
}

fn fits(chunk: &Chunk, block: &Block) -> bool {
    chunk.page == block.page && chunk.text.chars().count() + block.text.chars().count() < JOINED_CHARS
}

/// One chunk, or several where the block is too long. A block's text and its place in the source can differ by markup;
/// where it is cut, the places of its parts are in proportion.
fn cut(block: &Block, path: &[(u8, String)], clause: &str) -> Vec<Chunk> {
    let section_path: Vec<String> = path.iter().map(|(_, heading)| heading.clone()).collect();
    let parts = sentences_up_to(&block.text, CHARS_MAX);
    let length = block.text.chars().count().max(1);
    let span = block.end - block.start;
    let place = |chars: usize| block.start + chars * span / length;
    let mut chars = 0;
    let chunk = |text: &str| {
        let start = chars;
        chars += text.chars().count();
        Chunk {
            text: text.trim().to_owned(),
            section_path: section_path.clone(),
            clause: clause.to_owned(),
            start: place(start),
            end: place(chars),
            page: block.page,
        }
    };
    parts.into_iter().map(chunk).collect()
}

/// Parts of at most `chars_max` characters that end with sentences where that is possible, else with words.
fn sentences_up_to(text: &str, chars_max: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((limit, _)) = rest.char_indices().nth(chars_max) {
        let window = rest.get(..limit).unwrap_or(rest);
        let sentence = window.rfind(". ").or_else(|| window.rfind('\n')).or_else(|| window.rfind(' '));
        let at = sentence.map_or(limit, |at| at + 1);
        let (part, remaining) = rest.split_at(at);
        parts.push(part);
        rest = remaining;
    }
    parts.push(rest);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::super::parse::{Format, parse};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clause_is_a_chunk_with_its_headings_and_number() {
        let source = "# Home policy\n\n## H-2 What is covered\nH-2.1 Storm. We pay.\n\nH-2.2 Water. We pay.\n\n## Notes\nOne.\n\nTwo.\n";
        let chunks = chunks_of(&parse(Format::Markdown, source));
        let found: Vec<_> = chunks.iter().map(|chunk| (chunk.clause.as_str(), chunk.text.as_str())).collect();
        assert_eq!(found, [("H-2.1", "H-2.1 Storm. We pay."), ("H-2.2", "H-2.2 Water. We pay."), ("", "One.\nTwo.")]);
        assert_eq!(chunks[0].section_path, ["Home policy", "H-2 What is covered"]);
        assert_eq!((chunks[0].wording(), chunks[0].body()), ("Storm. We pay.", "We pay."));
    }

    #[test]
    fn what_follows_a_clause_or_a_numbered_heading_belongs_to_it() {
        let source = "## 4 Limits\nIn general.\n\n4.1 We pay for:\n\n- storm\n- flood\n\n## Notes\nOne.\n";
        let chunks = chunks_of(&parse(Format::Markdown, source));
        let found: Vec<_> = chunks.iter().map(|chunk| (chunk.clause.as_str(), chunk.text.as_str())).collect();
        assert_eq!(found, [("4", "In general."), ("4.1", "4.1 We pay for:\nstorm\nflood"), ("", "One.")]);
    }

    #[test]
    fn clauses_on_consecutive_lines_are_still_clauses_of_their_own() {
        let source = "## H-3 Not covered\nH-3.1 Rust.\nH-3.2 Mould.\n";
        let chunks = chunks_of(&parse(Format::Markdown, source));
        let clauses: Vec<_> = chunks.iter().map(|chunk| chunk.clause.as_str()).collect();
        assert_eq!(clauses, ["H-3.1", "H-3.2"]);
    }

    proptest! {
        #[test]
        fn cutting_loses_no_word_and_keeps_the_limit(words in prop::collection::vec("[a-zé]{1,12}[.]?", 1..600)) {
            let text = words.join(" ");
            let parts = sentences_up_to(&text, 100);
            prop_assert!(parts.iter().all(|part| part.chars().count() <= 101));
            let again: Vec<&str> = parts.iter().flat_map(|part| part.split_whitespace()).collect();
            prop_assert_eq!(again, words.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
