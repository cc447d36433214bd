//! From a document to its blocks: headings and paragraphs, each with its place in the document's text. A new format is a
//! file here and a line in [`Format::of`].

mod html;
mod lines;
mod markdown;
mod plain;

use orrery_errors::{Error, ErrorCode};

pub use lines::{Line, from_lines};

/// A piece of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its text, without markup.
    pub text: String,
    /// First character of it in the document's text.
    pub start: usize,
    /// One past its last character.
    pub end: usize,
    /// From 1; 0 where the document has no pages.
    pub page: u32,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// A heading; 1 is the document's title.
    Heading(u8),
    /// Running text, a list item, or a table.
    Paragraph,
}

/// A document as text with its blocks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parsed {
    /// The text that positions refer to.
    pub text: String,
    /// In order.
    pub blocks: Vec<Block>,
}

/// How a document is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// CommonMark with tables.
    Markdown,
    /// HTML, any version.
    Html,
    /// Text with blank lines between paragraphs.
    Plain,
    /// Pages that a model reads.
    Pdf,
}

impl Format {
    /// By media type, or by the name's ending where the type says nothing.
    pub fn of(media_type: &str, name: &str) -> Result<Self, Error> {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
        match (essence.as_str(), ending.as_str()) {
            ("text/markdown", _) | ("text/plain" | "application/octet-stream" | "", "md" | "markdown") => {
                Ok(Self::Markdown)
            }
            ("text/html" | "application/xhtml+xml", _) | ("application/octet-stream" | "", "html" | "htm") => {
                Ok(Self::Html)
            }
            ("application/pdf", _) | ("application/octet-stream" | "", "pdf") => Ok(Self::Pdf),
            ("text/plain", _) | ("application/octet-stream" | "", "txt" | "text") => Ok(Self::Plain),
            _ => Err(Error::new(
                ErrorCode::UnsupportedMedia,
                format!("{name:?} is of type {media_type:?}; knowledge is Markdown, text, HTML or PDF"),
            )),
        }
    }
}

/// Parses a textual format. `Pdf` has no text of its own and goes through [`from_lines`].
pub fn parse(format: Format, source: &str) -> Parsed {
    match format {
        Format::Markdown => markdown::parse(source),
        Format::Html => html::parse(source),
        Format::Plain | Format::Pdf => plain::parse(source),
    }
}

/// Collects blocks into a text that is built along the way.
#[derive(Debug, Default)]
struct Collector {
    parsed: Parsed,
    /// Characters so far.
    length: usize,
}

impl Collector {
    fn push(&mut self, kind: BlockKind, text: &str, page: u32) {
        let text = collapse(text);
        if text.is_empty() {
            return;
        }
        if self.length > 0 {
            self.parsed.text.push_str("\n\n");
            self.length += 2;
        }
        let start = self.length;
        self.parsed.text.push_str(&text);
        self.length += text.chars().count();
        self.parsed.blocks.push(Block { kind, text, start, end: self.length, page });
    }
}

/// Runs of white space to one blank; line breaks between table rows stay.
fn collapse(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
