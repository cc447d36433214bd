//! A value that may be none, which is another thing than null: an event may carry null, and a task may give it. JSON writes
//! both as null, so that a replay could not tell them apart (K-3). None is null; null, and what looks like this, is wrapped.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped<T> {
    #[serde(rename = "$some")]
    some: T,
}

fn looks_wrapped(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| fields.len() == 1 && fields.contains_key("$some"))
}

/// Writes it.
pub fn serialize<S: Serializer>(value: &Option<Arc<Value>>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) if value.is_null() || looks_wrapped(value) => Wrapped { some: value }.serialize(serializer),
        value => value.serialize(serializer),
    }
}

/// Reads it.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Value>>, D::Error> {
    Ok(match Option::<Value>::deserialize(deserializer)? {
        Some(Value::Object(mut fields)) if fields.len() == 1 => match fields.remove("$some") {
            Some(some) => Some(Arc::new(some)),
            None => Some(Arc::new(Value::Object(fields))),
        },
        value => value.map(Arc::new),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        #[serde(default, with = "super")]
        value: Option<Arc<Value>>,
    }

    #[test]
    fn none_and_null_and_what_looks_wrapped_come_back_as_they_were() {
        let values = [json!(null), json!({"$some": null}), json!({"$some": {"$some": 1}}), json!({"a": 1}), json!([])];
        for value in values.into_iter().map(|it| Some(Arc::new(it))).chain([None]) {
            let text = serde_json::to_string(&Holder { value: value.clone() }).unwrap();
            assert_eq!(serde_json::from_str::<Holder>(&text).unwrap().value, value, "{text}");
        }
    }

    #[test]
    fn what_was_written_plainly_is_read() {
        let read = |text| serde_json::from_str::<Holder>(text).unwrap().value;
        assert_eq!(read(r#"{"value": null}"#), None);
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"value": {"a": 1}}"#), Some(Arc::new(json!({"a": 1}))));
    }
}
