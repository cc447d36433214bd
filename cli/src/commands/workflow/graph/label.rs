//! What is written on nodes and edges.

use serde_json::{Map, Value};

/// Characters of one line of a label; the rest is left out.
const LINE_MAX: usize = 60;

/// Text for a quoted label: entities for whatever Mermaid could take for syntax, HTML or Markdown.
pub fn escape(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut escaped = String::new();
    for (index, character) in line.chars().enumerate() {
        if index >= LINE_MAX {
            escaped.push('…');
            break;
        }
        match character {
            '"' => escaped.push_str("#quot;"),
            '#' => escaped.push_str("#35;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            '&' => escaped.push_str("#amp;"),
            '`' => escaped.push_str("#96;"),
            '\\' => escaped.push_str("#92;"),
            '*' => escaped.push_str("#42;"),
            '_' => escaped.push_str("#95;"),
            '~' => escaped.push_str("#126;"),
            // `%%` begins a comment, and marks of direction turn what follows.
            '%' => escaped.push_str("#37;"),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            character if character.is_control() => {}
            character => escaped.push(character),
        }
    }
    if escaped.is_empty() { " ".to_owned() } else { escaped }
}

/// Lines of a label, each escaped.
pub fn lines(texts: &[String]) -> String {
    texts.iter().map(|text| escape(text)).collect::<Vec<_>>().join("<br/>")
}

/// A value in a few words: text as it is, without the marks of an expression.
pub fn value(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let inner = text.trim().strip_prefix("${").and_then(|it| it.strip_suffix('}'));
            inner.map_or_else(|| text.clone(), |it| it.trim().to_owned())
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{name}: {}", self::value(value));
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// What a task does, in a line.
pub fn describe(kind: &str, body: &Map<String, Value>) -> String {
    let at = |pointer: &[&str]| {
        let mut found = body.get(*pointer.first()?)?;
        for part in pointer.get(1..)? {
            found = found.get(part)?;
        }
        Some(value(found))
    };
    let named = |pointer: &[&str]| at(pointer).unwrap_or_default();
    match kind {
        "call" => format!("call {}", named(&["call"])),
        "emit" => format!("emit {}", named(&["emit", "event", "with", "type"])),
        "for" => {
            let each = at(&["for", "each"]).unwrap_or_else(|| "item".to_owned());
            let condition = at(&["while"]).map_or_else(String::new, |it| format!(" while {it}"));
            format!("for each {each} in {}{condition}", named(&["for", "in"]))
        }
        "fork" if body.get("fork").and_then(|it| it.get("compete")) == Some(&Value::Bool(true)) => {
            "fork: the first to end wins".to_owned()
        }
        "fork" => "fork: all".to_owned(),
        "listen" => format!("listen to {}", listened(body)),
        "raise" => {
            let error = at(&["raise", "error", "title"]).or_else(|| at(&["raise", "error", "type"]));
            format!("raise {}", error.unwrap_or_else(|| named(&["raise", "error"])))
        }
        "run" => match at(&["run", "workflow", "name"]) {
            Some(name) => format!("run {name}"),
            None => {
                let what = body.get("run").and_then(Value::as_object).and_then(|it| it.keys().next());
                format!("run {}", what.map_or("", String::as_str))
            }
        },
        "wait" => format!("wait {}", named(&["wait"])),
        kind => kind.to_owned(),
    }
}

fn listened(body: &Map<String, Value>) -> String {
    let to = body.get("listen").and_then(|it| it.get("to")).and_then(Value::as_object);
    let Some((how, filters)) = to.and_then(|to| to.iter().next()) else { return String::new() };
    let filters = filters.as_array().cloned().unwrap_or_else(|| vec![filters.clone()]);
    let types = filters.iter().filter_map(|it| it.get("with")?.get("type").map(value));
    format!("{how} {}", types.collect::<Vec<_>>().join(", "))
}

/// Which errors a `catch` takes, and how often the `try` is repeated.
pub fn caught(catch: &Value) -> String {
    let errors = catch.get("errors").and_then(|it| it.get("with")).map(value);
    let when = catch.get("when").map(|it| format!(" when {}", value(it)));
    let retry = catch.get("retry").map(|_| ", retry");
    format!(
        "{}{}{}",
        errors.unwrap_or_else(|| "any error".to_owned()),
        when.unwrap_or_default(),
        retry.unwrap_or_default()
    )
}
