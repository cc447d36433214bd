//! The canonical form of a JSON text: keys sorted, no white space, strings in normal form C.
//!
//! What cannot be read without losing something stays as it is written, so that two texts never become one by accident: a
//! number with a fraction, an exponent or more digits than 64 bits hold, an object that names a key twice, and what is no JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use unicode_normalization::UnicodeNormalization as _;

/// The canonical form of `text`.
pub(super) fn canonical(text: &str) -> Cow<'_, str> {
    match serde_json::from_str::<Exact>(text).and_then(|value| serde_json::to_string(&value)) {
        Ok(canonical) => Cow::Owned(canonical),
        // To be told from canonical text, which never begins so.
        Err(_inexact) => Cow::Owned(format!("as written:{}", text.nfc())),
    }
}

/// A JSON value that was read without loss.
enum Exact {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Text(String),
    List(Vec<Exact>),
    Object(BTreeMap<String, Exact>),
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Exact;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON that is read without loss")
    }

    fn visit_unit<E>(self) -> Result<Exact, E> {
        Ok(Exact::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Exact, E> {
        Ok(Exact::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Exact, E> {
        Ok(Exact::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Exact, E> {
        Ok(Exact::Signed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Exact, E> {
        Ok(Exact::Text(value.nfc().collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Exact, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = values.next_element()? {
            list.push(value);
        }
        Ok(Exact::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Exact, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry::<String, Exact>()? {
            if object.insert(key.nfc().collect(), value).is_some() {
                return Err(de::Error::custom("a key stands twice"));
            }
        }
        Ok(Exact::Object(object))
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            Self::Object(entries) => serializer.collect_map(entries),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn order_and_white_space_go_and_values_stay() {
        assert_eq!(
            canonical(r#" {"b": [1, -2, null], "a": {"d": true, "c": "x y"}} "#),
            canonical(r#"{"a":{"c":"x y","d":true},"b":[1,-2,null]}"#)
        );
        assert_ne!(canonical("[1,2]"), canonical("[2,1]"));
        assert_ne!(canonical(r#""a  b""#), canonical(r#""a b""#));
        assert_ne!(canonical(r#"{"a":1}"#), canonical(r#"{"a":"1"}"#));
    }

    #[test]
    fn what_would_lose_something_stays_as_written() {
        for (one, other) in [
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            ("123456789012345678901234567890", "123456789012345678901234567891"),
            ("0.1000000000000000055", "0.1"),
            ("1e2", "100"),
            ("{not json", "{not  json"),
            ("", "\"\""),
        ] {
            assert_ne!(canonical(one), canonical(other), "{one} {other}");
        }
    }
}
