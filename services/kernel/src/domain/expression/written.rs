//! How expressions are written into texts (specification, "Runtime Expressions"): `${ … }` is the whole text, or stands in one
//! as in `Hello, ${ .user.name }!`, which the specification's own examples do.

use std::borrow::Cow;

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it stands.
    Text(&'a str),
    /// The expression between `${` and `}`.
    Expression(&'a str),
}

/// The expression inside `${ … }`, if the text is one.
pub fn strip(text: &str) -> Option<&str> {
    Some(text.trim().strip_prefix("${")?.strip_suffix('}')?.trim())
}

/// The expression that a text stands for: the one that it is, or one that puts those inside it into their places; none: it is
/// plain.
pub fn written(text: &str) -> Option<Cow<'_, str>> {
    match pieces(text).as_slice() {
        [] | [Piece::Text(_)] => None,
        [Piece::Expression(source)] => Some(Cow::Borrowed(source)),
        pieces => {
            let piece = |piece: &Piece<'_>| match piece {
                Piece::Text(text) => {
                    let quoted = quoted(text);
                    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
                }
                // The end of the line ends a comment.
                Piece::Expression(source) => format!("\\({source}\n)"),
            };
            Some(Cow::Owned(format!("\"{}\"", pieces.iter().map(piece).collect::<String>())))
        }
    }
}

/// The text as a literal of jq, which writes texts as JSON does.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The parts of a text.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    if let Some(source) = strip(text) {
        // What is not closed where the text ends is two expressions with text between them, or a fault of the one.
        let inside = text.trim_start().get(2..).unwrap_or_default();
        if end(inside).is_none_or(|end| inside.get(end + 1..).is_some_and(|rest| rest.trim().is_empty())) {
            return vec![Piece::Expression(source)];
        }
    }
    let (mut found, mut rest, mut from) = (Vec::new(), text, 0);
    while let Some(start) = rest.get(from..).and_then(|tail| tail.find("${")).map(|at| at + from) {
        let inside = rest.get(start + 2..).unwrap_or_default();
        let Some(end) = end(inside).filter(|_| begins_expression(inside)) else {
            from = start + 2;
            continue;
        };
        let (before, source) = (rest.get(..start).unwrap_or_default(), inside.get(..end).unwrap_or_default());
        if !before.is_empty() {
            found.push(Piece::Text(before));
        }
        found.push(Piece::Expression(source.trim()));
        (rest, from) = (inside.get(end + 1..).unwrap_or_default(), 0);
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest));
    }
    found
}

/// Whether an expression begins here, and not what shells write the same way: `${HOME}` and `${1}` are theirs.
fn begins_expression(inside: &str) -> bool {
    let mut chars = inside.chars();
    match chars.next() {
        Some('$') => chars.next().is_some_and(|next| next.is_ascii_alphabetic() || next == '_'),
        Some(first) => first.is_whitespace() || matches!(first, '.' | '"' | '(' | '['),
        None => false,
    }
}

/// Where the `}` stands that closes what has been opened before: braces in texts, in interpolations of texts and in comments do
/// not count.
fn end(inside: &str) -> Option<usize> {
    let mut open: Vec<char> = Vec::new();
    let mut chars = inside.char_indices();
    while let Some((at, it)) = chars.next() {
        if open.last() == Some(&'"') {
            match it {
                '"' => drop(open.pop()),
                '\\' if chars.next().is_some_and(|(_, next)| next == '(') => open.push('('),
                _ => {}
            }
            continue;
        }
        match it {
            '"' | '{' | '[' | '(' => open.push(it),
            '}' if open.is_empty() => return Some(at),
            '}' | ']' | ')' => drop(open.pop()),
            '#' => drop(chars.by_ref().find(|(_, next)| *next == '\n')),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_the_whole_text_or_stands_in_it() {
        for (text, expected) in [
            ("${ .a }", Some(".a")),
            (" ${.a} ", Some(".a")),
            ("${ {a: \"}\"} }", Some("{a: \"}\"}")),
            ("Hello, ${ .user.name }!", Some("\"Hello, \\(.user.name\n)!\"")),
            ("${ .a }-${ .b }", Some("\"\\(.a\n)-\\(.b\n)\"")),
            (
                "a\n\"b\" ${ .c | map(\"-\\(.n)}\") | join(\"\\n\") }",
                Some("\"a\\n\\\"b\\\" \\(.c | map(\"-\\(.n)}\") | join(\"\\n\")\n)\""),
            ),
            ("${$x} and more", Some("\"\\($x\n) and more\"")),
            // Others' notations, and what never ends.
            ("plain", None),
            ("say \"${ .x }\"", Some("\"say \\\"\\(.x\n)\\\"\"")),
            ("echo ${HOME} ${1} $(date) ${#a}", None),
            ("costs ${ 5", None),
            ("", None),
        ] {
            assert_eq!(written(text).as_deref(), expected, "{text}");
        }
        assert_eq!(written("${ .a } # ${HOME}").as_deref(), Some("\"\\(.a\n) # ${HOME}\""));
        assert_eq!(written("${ .a | }").as_deref(), Some(".a |"), "faults are the compiler's to tell");
    }
}
