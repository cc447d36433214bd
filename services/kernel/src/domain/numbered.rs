//! Maps whose keys are numbers, written as lists of pairs: inside a tagged enum serde reads the keys of a JSON object as
//! text and cannot make numbers of them again.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum Written<V> {
    Pairs(Vec<(u32, V)>),
    Object(BTreeMap<String, V>),
}

/// As pairs.
pub fn serialize<V: Serialize, S: Serializer>(map: &BTreeMap<u32, V>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map)
}

/// From pairs, or from an object with numbers for keys.
pub fn deserialize<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<u32, V>, D::Error> {
    match Written::deserialize(deserializer)? {
        Written::Pairs(pairs) => Ok(pairs.into_iter().collect()),
        Written::Object(fields) => {
            fields.into_iter().map(|(key, value)| Ok((key.parse().map_err(D::Error::custom)?, value))).collect()
        }
    }
}
