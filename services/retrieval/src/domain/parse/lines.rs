//! From the lines of pages, as a model read them, to blocks: lines close to each other make a paragraph; a line that is
//! clearly larger than most, or reads as a heading, is one.

use super::{BlockKind, Collector, Parsed, plain};
use crate::domain::clause;

/// A line this much higher than the page's median line is a heading.
const HEADING_HEIGHT: f32 = 1.25;
/// A gap above this share of the line height parts paragraphs.
const GAP: f32 = 0.9;

/// A line on a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its text.
    pub text: String,
    /// From 1.
    pub page: u32,
    /// Upper edge in pixels.
    pub top: f32,
    /// Lower edge in pixels.
    pub bottom: f32,
}

/// Forms blocks out of lines in reading order.
pub fn from_lines(lines: &[Line]) -> Parsed {
    let median = median_height(lines);
    let mut collector = Collector::default();
    let mut paragraph: Vec<&Line> = Vec::new();
    let followers = lines.iter().skip(1).map(Some).chain([None]);
    for (line, follower) in lines.iter().zip(followers) {
        let height = line.bottom - line.top;
        // The first line of a clause that goes on below looks like a numbered heading.
        let goes_on = follower.is_some_and(|next| next.text.starts_with(char::is_lowercase));
        let heading = height > median * HEADING_HEIGHT || (plain::is_heading(&line.text) && !goes_on);
        let apart =
            paragraph.last().is_some_and(|last| last.page != line.page || line.top - last.bottom > GAP * median);
        if heading || apart || clause::begins_clause(&line.text) {
            flush(&mut collector, &mut paragraph);
        }
        if heading {
            let level = if height > median * HEADING_HEIGHT * HEADING_HEIGHT { 1 } else { 2 };
            collector.push(BlockKind::Heading(level), &line.text, line.page);
        } else {
            paragraph.push(line);
        }
    }
    flush(&mut collector, &mut paragraph);
    collector.parsed
}

fn flush(collector: &mut Collector, paragraph: &mut Vec<&Line>) {
    let Some(page) = paragraph.first().map(|line| line.page) else { return };
    let mut text = String::new();
    for line in paragraph.drain(..) {
        // A word parted at the end of a line is put together again.
        match text.strip_suffix('-') {
            Some(joined) if line.text.starts_with(char::is_lowercase) => text = joined.to_owned(),
            _ if !text.is_empty() => text.push(' '),
            _ => {}
        }
        text.push_str(&line.text);
    }
    collector.push(BlockKind::Paragraph, &text, page);
}

fn median_height(lines: &[Line]) -> f32 {
    let mut heights: Vec<f32> = lines.iter().map(|line| line.bottom - line.top).collect();
    heights.sort_by(f32::total_cmp);
    heights.get(heights.len() / 2).copied().unwrap_or(1.0).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, top: f32, height: f32) -> Line {
        Line { text: text.to_owned(), page: 1, top, bottom: top + height }
    }

    #[test]
    fn size_gaps_and_clause_numbers_part_blocks() {
        let parsed = from_lines(&[
            line("Home policy", 0.0, 40.0),
            line("H-2 What is covered", 50.0, 20.0),
            line("H-2.1 Storm. We pay for dam-", 74.0, 20.0),
            line("age by wind.", 98.0, 20.0),
            line("H-2.2 Leaks of any", 122.0, 20.0),
            line("pipe since", 146.0, 20.0),
            line("2 March.", 170.0, 20.0),
            line("A paragraph apart.", 250.0, 20.0),
        ]);
        let found: Vec<_> = parsed.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
        assert_eq!(
            found,
            [
                (BlockKind::Heading(1), "Home policy"),
                (BlockKind::Heading(2), "H-2 What is covered"),
                (BlockKind::Paragraph, "H-2.1 Storm. We pay for damage by wind."),
                (BlockKind::Paragraph, "H-2.2 Leaks of any pipe since 2 March."),
                (BlockKind::Paragraph, "A paragraph apart."),
            ]
        );
    }
}
