//! Reads a definition's text, YAML or JSON, into a JSON value with the place of every node.
//!
//! Strict: one document, text keys, no key twice, no custom tags; bounded in size, depth and nodes, so that no alias can
//! grow into gigabytes.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Value};

use super::number;
use super::problem::{Problem, Problems};

/// Longest accepted source.
pub const SOURCE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What some systems put before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';
const DEPTH_MAX: usize = 128;
const NODES_MAX: usize = 200_000;

/// A parsed source.
#[derive(Debug)]
pub struct Source {
    /// The value.
    pub value: Value,
    places: HashMap<String, (usize, usize)>,
}

impl Source {
    /// A value whose places are not known.
    pub fn bare(value: Value) -> Self {
        Self { value, places: HashMap::new() }
    }

    /// A problem at a pointer, placed at that node or its nearest ancestor.
    pub fn problem(&self, pointer: &str, reason: impl Into<String>) -> Problem {
        let mut known = pointer;
        let (line, column) = loop {
            if let Some(place) = self.places.get(known) {
                break *place;
            }
            match known.rfind('/') {
                Some(at) => known = known.get(..at).unwrap_or(""),
                None => break (1, 1),
            }
        };
        Problem { line, column, pointer: pointer.to_owned(), reason: reason.into() }
    }
}

/// Escapes one segment of a JSON pointer (RFC 6901).
pub fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// Parses.
pub fn parse(text: &str) -> Result<Source, Problems> {
    if text.len() > SOURCE_BYTES_MAX {
        let reason = format!("it is longer than {SOURCE_BYTES_MAX} bytes");
        return Err(Problems(vec![Problem { line: 1, column: 1, pointer: String::new(), reason }]));
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    if let Some(at) = text.find('\0') {
        let before = text.get(..at).unwrap_or_default();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        return Err(single(
            before.matches('\n').count() + 1,
            column,
            "",
            "it holds a NUL character, which ends nothing",
        ));
    }
    let text = &*joined(text);
    let mut reader = Reader::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let mark = error.marker();
            single(mark.line(), mark.col() + 1, "", error.info())
        })?;
        reader.take(event, span)?;
    }
    match reader.root {
        Some(value) if reader.problems.is_empty() => Ok(Source { value, places: reader.places }),
        Some(_) => Err(Problems(reader.problems)),
        None => Err(single(1, 1, "", "it is empty")),
    }
}

/// JSON writes characters beyond the first 65,536 as two escapes, which YAML does not know: here they become the characters.
fn joined(text: &str) -> Cow<'_, str> {
    let is_json = text.trim_start().starts_with('{');
    if !is_json || !(text.contains("\\ud") || text.contains("\\uD")) {
        return Cow::Borrowed(text);
    }
    let (mut joined, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        joined.push_str(before);
        let pair = surrogates(escape);
        let taken = if pair.is_some() { 12 } else { 1 + escape.chars().nth(1).map_or(0, char::len_utf8) };
        match pair {
            Some(character) => joined.push(character),
            None => joined.push_str(escape.get(..taken).unwrap_or_default()),
        }
        rest = escape.get(taken..).unwrap_or_default();
    }
    joined.push_str(rest);
    Cow::Owned(joined)
}

/// The character of two escapes at the beginning of a text, such as `\ud83d\ude00`.
fn surrogates(text: &str) -> Option<char> {
    let unit = |at: usize| {
        let hex = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(hex, 16).ok().filter(|_| hex.bytes().all(|it| it.is_ascii_hexdigit()))
    };
    char::decode_utf16([unit(0)?, unit(6)?]).next()?.ok().filter(|it| it.len_utf16() == 2)
}

fn single(line: usize, column: usize, pointer: &str, reason: &str) -> Problems {
    Problems(vec![Problem { line, column, pointer: pointer.to_owned(), reason: reason.to_owned() }])
}

enum Open {
    Sequence { items: Vec<Value>, anchor: usize },
    Mapping { fields: Map<String, Value>, key: Option<String>, anchor: usize },
}

#[derive(Default)]
struct Reader {
    stack: Vec<(String, Open)>,
    anchors: HashMap<usize, (Value, usize)>,
    places: HashMap<String, (usize, usize)>,
    problems: Vec<Problem>,
    root: Option<Value>,
    nodes: usize,
    documents: usize,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Problems> {
        let place = (span.start.line(), span.start.col() + 1);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(single(place.0, place.1, "", "one document is expected, not several"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                if tag.is_some() && style == ScalarStyle::Plain {
                    return Err(single(place.0, place.1, &self.pointer(), "tags are not supported"));
                }
                if self.awaits_key() {
                    return self.take_key(text.into_owned(), place);
                }
                let value = match style {
                    ScalarStyle::Plain => plain(&text).map_err(|why| single(place.0, place.1, &self.pointer(), why))?,
                    _ => Value::String(text.into_owned()),
                };
                self.complete(value, 1, anchor, place)?;
            }
            Event::SequenceStart(anchor, _) => self.open(Open::Sequence { items: Vec::new(), anchor }, place)?,
            Event::MappingStart(anchor, _) => {
                self.open(Open::Mapping { fields: Map::new(), key: None, anchor }, place)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (value, anchor) = match self.stack.pop() {
                    Some((_, Open::Sequence { items, anchor })) => (Value::Array(items), anchor),
                    Some((_, Open::Mapping { fields, anchor, .. })) => (Value::Object(fields), anchor),
                    None => return Ok(()),
                };
                self.complete(value, 0, anchor, place)?;
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some((value, nodes)) => self.complete(value, nodes, 0, place)?,
                None => return Err(single(place.0, place.1, &self.pointer(), "the alias has no anchor before it")),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.stack.last(), Some((_, Open::Mapping { key: None, .. })))
    }

    /// The pointer of the value that comes next.
    fn pointer(&self) -> String {
        match self.stack.last() {
            None => String::new(),
            Some((base, Open::Sequence { items, .. })) => format!("{base}/{}", items.len()),
            Some((base, Open::Mapping { key, .. })) => {
                format!("{base}/{}", escape(key.as_deref().unwrap_or_default()))
            }
        }
    }

    fn take_key(&mut self, text: String, place: (usize, usize)) -> Result<(), Problems> {
        let Some((base, Open::Mapping { fields, key, .. })) = self.stack.last_mut() else { return Ok(()) };
        let pointer = format!("{base}/{}", escape(&text));
        if fields.contains_key(&text) {
            let reason = format!("the key {text:?} stands twice in this mapping");
            self.problems.push(Problem { line: place.0, column: place.1, pointer, reason });
        } else {
            self.places.insert(pointer, place);
        }
        *key = Some(text);
        Ok(())
    }

    fn open(&mut self, open: Open, place: (usize, usize)) -> Result<(), Problems> {
        let pointer = self.pointer();
        if self.awaits_key() {
            return Err(single(place.0, place.1, &pointer, "a key must be text"));
        }
        if self.stack.len() >= DEPTH_MAX {
            return Err(single(place.0, place.1, &pointer, &format!("nested more than {DEPTH_MAX} levels deep")));
        }
        self.count(1, place, &pointer)?;
        self.places.entry(pointer.clone()).or_insert(place);
        self.stack.push((pointer, open));
        Ok(())
    }

    fn count(&mut self, nodes: usize, place: (usize, usize), pointer: &str) -> Result<(), Problems> {
        self.nodes += nodes;
        match self.nodes > NODES_MAX {
            true => Err(single(place.0, place.1, pointer, &format!("it has more than {NODES_MAX} values"))),
            false => Ok(()),
        }
    }

    fn complete(&mut self, value: Value, nodes: usize, anchor: usize, place: (usize, usize)) -> Result<(), Problems> {
        let pointer = self.pointer();
        self.count(nodes, place, &pointer)?;
        self.places.entry(pointer).or_insert(place);
        if anchor > 0 {
            self.anchors.insert(anchor, (value.clone(), count_nodes(&value)));
        }
        match self.stack.last_mut() {
            None => self.root = Some(value),
            Some((_, Open::Sequence { items, .. })) => items.push(value),
            Some((_, Open::Mapping { fields, key, .. })) => {
                if let Some(key) = key.take() {
                    fields.entry(key).or_insert(value);
                }
            }
        }
        Ok(())
    }
}

fn count_nodes(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count_nodes).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(count_nodes).sum::<usize>(),
        _ => 1,
    }
}

/// A plain scalar by the core schema of YAML 1.2 (section 10.3.2).
fn plain(text: &str) -> Result<Value, &'static str> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".inf" | "-.inf" | ".nan" | ".Inf" | "-.Inf" | ".NaN" => return Err("JSON has no infinity and no NaN"),
        _ => return number::read(text).unwrap_or_else(|| Ok(Value::String(text.to_owned()))),
    })
}
