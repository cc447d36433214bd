//! One spelling for each JSON value, after RFC 8785: keys sorted by UTF-16 code units, no white space, shortest
//! escapes. Numbers must be integers of at most 64 bits, because fractions have no spelling that all readers share;
//! records therefore carry scores in millionths and money in nano-units.

use std::fmt::Write as _;

use serde_json::Value;

/// A value without a canonical spelling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    #[error("{path} is the fraction {number}; write an integer in a smaller unit instead")]
    Fraction { path: String, number: String },
    #[error("not JSON: {0}")]
    NotJson(String),
    #[error("not in canonical form: keys sorted, no white space, shortest escapes")]
    NotCanonical,
}

/// Writes the canonical text.
pub fn to_string(value: &Value) -> Result<String, CanonicalError> {
    let mut out = String::new();
    write(value, &mut String::new(), &mut out)?;
    Ok(out)
}

/// Parses text that must already be canonical, so that no two texts stand for the same value.
pub fn parse(text: &str) -> Result<Value, CanonicalError> {
    let value: Value = serde_json::from_str(text).map_err(|error| CanonicalError::NotJson(error.to_string()))?;
    if to_string(&value)? == text { Ok(value) } else { Err(CanonicalError::NotCanonical) }
}

fn write(value: &Value, path: &mut String, out: &mut String) -> Result<(), CanonicalError> {
    match value {
        Value::Number(number) if number.is_f64() => {
            let path = if path.is_empty() { "the value" } else { path.as_str() };
            Err(CanonicalError::Fraction { path: path.to_owned(), number: number.to_string() })
        }
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                descend(item, &position.to_string(), path, out)?;
            }
            out.push(']');
            Ok(())
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (position, (key, member)) in sorted.into_iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                let _ = write!(out, "{}:", Value::from(key.as_str()));
                descend(member, key, path, out)?;
            }
            out.push('}');
            Ok(())
        }
        // serde_json escapes strings as RFC 8785 does, and writes integers plainly.
        scalar => {
            let _ = write!(out, "{scalar}");
            Ok(())
        }
    }
}

fn descend(value: &Value, step: &str, path: &mut String, out: &mut String) -> Result<(), CanonicalError> {
    let length = path.len();
    path.push('/');
    path.push_str(step);
    write(value, path, out)?;
    path.truncate(length);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_by_utf16_and_strings_escaped_shortly() {
        // The order of RFC 8785, section 3.2.3: U+1F600 sorts before U+FB33 by its surrogates.
        let value = json!({"\u{fb33}": 1, "\u{1f600}": 2, "€": 3, "\r": 4, "1": 5, "ö": 6, "\u{80}": 7});
        let expected = "{\"\\r\":4,\"1\":5,\"\u{80}\":7,\"ö\":6,\"€\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}";
        assert_eq!(to_string(&value).unwrap(), expected);
        assert_eq!(to_string(&json!("\u{1}\"\\\n/é")).unwrap(), "\"\\u0001\\\"\\\\\\n/é\"");
    }

    #[test]
    fn fractions_are_refused_with_their_place() {
        let error = to_string(&json!({"hits": [{"score": 0.5}]})).unwrap_err();
        assert_eq!(error.to_string(), "/hits/0/score is the fraction 0.5; write an integer in a smaller unit instead");
    }

    #[test]
    fn only_the_canonical_spelling_is_read() {
        assert!(parse("{\"a\":1,\"b\":[true,null]}").is_ok());
        for other in ["{\"b\":1,\"a\":1}", "{\"a\": 1}", "{\"a\":1,\"a\":1}", "{\"a\":1}\n", "\"\\u0061\"", "-0", "1e3"]
        {
            assert!(parse(other).is_err(), "{other} was accepted");
        }
    }
}
