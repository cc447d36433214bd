//! Values as people read them.

use serde_json::Value;

/// Nano-units of money in whole units, such as `0.001234`.
pub fn money(nanos: u64) -> String {
    let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    format!("{whole}.{:06}", rest / 1_000)
}

/// Bytes in the unit that reads best.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{} KB", count / 1_024),
        1_048_576..1_073_741_824 => format!("{} MB", count / 1_048_576),
        _ => format!("{}.{:02} GB", count / 1_073_741_824, count % 1_073_741_824 * 100 / 1_073_741_824),
    }
}

/// A time without its date's decoration, such as `2026-11-22 19:00:03`.
pub fn time(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    text.get(..19).map_or_else(|| text.to_owned(), |second| second.replace('T', " "))
}

/// A text field; other values as JSON, a missing one as nothing.
pub fn field(value: &Value, name: &str) -> String {
    scalar(value.get(name).unwrap_or(&Value::Null))
}

/// A number field.
pub fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// Text as it is, null as nothing, lists joined, other values as JSON.
pub fn scalar(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(scalar).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The rows of a list answer.
pub fn rows(value: &Value) -> impl Iterator<Item = &Value> {
    value.get("data").and_then(Value::as_array).into_iter().flatten()
}

/// JSON, two spaces in.
pub fn indented(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Name and value of each field, one a line.
pub fn fields(value: &Value, names: &[&str]) -> String {
    let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
    let present = names.iter().filter(|name| value.get(**name).is_some_and(|found| !found.is_null()));
    let lines = present.map(|name| format!("{name:width$}  {}", field(value, name)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Shortens to `width` characters.
pub fn short(text: &str, width: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= width {
        return line;
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_keeps_six_places() {
        assert_eq!(money(1_234_567_000), "1.234567");
        assert_eq!(money(999), "0.000000");
    }

    #[test]
    fn sizes_pick_their_unit() {
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(2_684_354_560), "2.50 GB");
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(short("ä  b\nc", 5), "ä b c");
        assert_eq!(short("abcdef", 4), "abc…");
    }
}
