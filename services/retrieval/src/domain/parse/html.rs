//! HTML by scraper (html5ever). The document's text is what a reader sees, block by block.

use scraper::{ElementRef, Html, Node};

use super::{BlockKind, Collector, Parsed};

/// Not for readers.
const SKIPPED: &[&str] = &["script", "style", "noscript", "template", "head", "nav", "svg", "iframe"];
/// Begin a block of their own.
const BLOCKS: &[&str] = &["p", "li", "dd", "dt", "pre", "blockquote", "td", "th", "figcaption", "caption", "address"];
/// Deeper nesting is a defect of the page; what lies below is left out.
const DEPTH_MAX: usize = 256;

pub(super) fn parse(source: &str) -> Parsed {
    let document = Html::parse_document(source);
    let mut collector = Collector::default();
    let mut loose = String::new();
    walk(document.root_element(), 0, &mut collector, &mut loose);
    collector.push(BlockKind::Paragraph, &loose, 0);
    collector.parsed
}

fn walk(element: ElementRef<'_>, depth: usize, collector: &mut Collector, loose: &mut String) {
    if depth > DEPTH_MAX {
        return;
    }
    for child in element.children() {
        match child.value() {
            Node::Text(text) => loose.push_str(text),
            Node::Element(_) => {
                let Some(child) = ElementRef::wrap(child) else { continue };
                enter(child, depth, collector, loose);
            }
            _ => {}
        }
    }
}

fn enter(element: ElementRef<'_>, depth: usize, collector: &mut Collector, loose: &mut String) {
    let name = element.value().name();
    if SKIPPED.contains(&name) {
        return;
    }
    let heading =
        name.strip_prefix('h').and_then(|level| level.parse::<u8>().ok()).filter(|level| (1..=6).contains(level));
    let kind = heading.map_or(BlockKind::Paragraph, BlockKind::Heading);
    let has_blocks = element.descendent_elements().skip(1).any(|inner| BLOCKS.contains(&inner.value().name()));
    if name == "table" {
        flush(collector, loose);
        collector.push(BlockKind::Paragraph, &table(element), 0);
    } else if heading.is_some() || (BLOCKS.contains(&name) && !has_blocks) {
        flush(collector, loose);
        collector.push(kind, &text_of(element), 0);
    } else if name == "br" {
        loose.push('\n');
    } else if is_inline(name) {
        walk(element, depth + 1, collector, loose);
    } else {
        flush(collector, loose);
        walk(element, depth + 1, collector, loose);
        flush(collector, loose);
    }
}

fn flush(collector: &mut Collector, loose: &mut String) {
    collector.push(BlockKind::Paragraph, &std::mem::take(loose), 0);
}

/// What a reader sees of an element.
fn text_of(element: ElementRef<'_>) -> String {
    let mut text = String::new();
    for node in element.descendants() {
        let unseen = |above: &scraper::node::Element| SKIPPED.contains(&above.name());
        match node.value() {
            Node::Text(piece) => {
                let above = node.ancestors().filter_map(|ancestor| ancestor.value().as_element());
                if !above.take(DEPTH_MAX).any(unseen) {
                    text.push_str(piece);
                }
            }
            Node::Element(inner) if inner.name() == "br" => text.push('\n'),
            _ => {}
        }
    }
    text
}

fn is_inline(name: &str) -> bool {
    matches!(name, "a" | "b" | "i" | "em" | "strong" | "span" | "code" | "small" | "sub" | "sup" | "u" | "mark")
}

/// A row a line, so that a cell stays with its row and its header.
fn table(element: ElementRef<'_>) -> String {
    let rows = element.descendent_elements().filter(|inner| inner.value().name() == "tr").map(|row| {
        let cells = row.child_elements().map(|cell| text_of(cell).split_whitespace().collect::<Vec<_>>().join(" "));
        cells.collect::<Vec<_>>().join(" | ")
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_headings_paragraphs_and_rows_but_no_scripts() {
        let source = "<html><head><title>x</title></head><body><h1>Policy</h1><div>Loose <b>text</b>.</div>\
                      <script>evil()</script><p>First<br>second<script>evil()</script></p><ul><li>one</li><li>two</li></ul>\
                      <table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table></body></html>";
        let parsed = parse(source);
        let found: Vec<_> = parsed.blocks.iter().map(|block| (block.kind, block.text.as_str())).collect();
        assert_eq!(
            found,
            [
                (BlockKind::Heading(1), "Policy"),
                (BlockKind::Paragraph, "Loose text."),
                (BlockKind::Paragraph, "First\nsecond"),
                (BlockKind::Paragraph, "one"),
                (BlockKind::Paragraph, "two"),
                (BlockKind::Paragraph, "a | b\n1 | 2"),
            ]
        );
        for block in &parsed.blocks {
            let cited: String = parsed.text.chars().skip(block.start).take(block.end - block.start).collect();
            assert_eq!(cited, block.text);
        }
    }

    #[test]
    fn a_page_nested_a_thousand_deep_does_not_overflow_the_stack() {
        let source = format!("{}deep{}", "<div>".repeat(1_000), "</div>".repeat(1_000));
        assert!(parse(&source).blocks.len() <= 1);
    }
}
