//! The canonical form of a definition and its hash: the same for any layout, comments and order of keys.

use orrery_types::Sha256Digest;
use serde_json::Value;

/// SHA-256 over the JSON with sorted keys and no spaces.
pub fn digest(value: &Value) -> Sha256Digest {
    let mut text = String::new();
    write(value, &mut text);
    Sha256Digest::of(text.as_bytes())
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<_> = fields.iter().collect();
            keys.sort_by(|left, right| left.0.cmp(right.0));
            out.push('{');
            for (index, (key, field)) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(field, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
