//! What a model costs, and from when on: a list of prices, of which the last whose time has come holds.

use std::fmt;

use orrery_types::UnixMillis;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Prices in nano-units of the catalogue's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Price {
    /// From when on it holds: RFC 3339 with an offset. Left out in the first entry, which holds from the beginning.
    #[serde(deserialize_with = "moment", serialize_with = "as_written")]
    pub valid_from: UnixMillis,
    /// Per call.
    pub request: u64,
    /// Per token read.
    pub input_token: u64,
    /// Per token read that the provider had in its cache; as `input_token` when absent.
    pub cached_input_token: Option<u64>,
    /// Per token read that the provider put into its cache; as `input_token` when absent.
    pub cache_write_token: Option<u64>,
    /// Per token written.
    pub output_token: u64,
    /// Per token written as reasoning; as `output_token` when absent.
    pub reasoning_token: Option<u64>,
    /// Per page or image read.
    pub page: u64,
    /// Per image made.
    pub image: u64,
    /// Per started second of sound read.
    pub audio_second: u64,
}

impl Price {
    /// Per token read from the provider's cache.
    pub fn cached_input_token(&self) -> u64 {
        self.cached_input_token.unwrap_or(self.input_token)
    }

    /// Per token put into the provider's cache.
    pub fn cache_write_token(&self) -> u64 {
        self.cache_write_token.unwrap_or(self.input_token)
    }

    /// Per token of reasoning.
    pub fn reasoning_token(&self) -> u64 {
        self.reasoning_token.unwrap_or(self.output_token)
    }

    /// The same price with what is read and written at the dearest that a token of its kind can cost; for upper bounds.
    #[must_use]
    pub fn dearest(&self) -> Self {
        let input = self.input_token.max(self.cached_input_token()).max(self.cache_write_token());
        let output = self.output_token.max(self.reasoning_token());
        Self {
            input_token: input,
            cached_input_token: None,
            cache_write_token: None,
            output_token: output,
            reasoning_token: None,
            ..*self
        }
    }
}

/// Prices by the time from which they hold: one table, or a list of tables in the order of their `valid_from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PriceList(Vec<Price>);

impl Default for PriceList {
    fn default() -> Self {
        Self(vec![Price::default()])
    }
}

impl From<Price> for PriceList {
    fn from(price: Price) -> Self {
        Self(vec![price])
    }
}

impl PriceList {
    /// What holds at a time: the last entry whose time has come.
    pub fn at(&self, time: UnixMillis) -> Price {
        let holds = self.0.iter().take_while(|price| price.valid_from <= time).last();
        holds.or_else(|| self.0.first()).copied().unwrap_or_default()
    }

    /// All entries, earliest first.
    pub fn entries(&self) -> &[Price] {
        &self.0
    }

    /// What is wrong with the order of the entries, in words that end in the remedy.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        match self.0.first() {
            None => faults.push("price is an empty list; leave it out for a model that costs nothing".to_owned()),
            Some(first) if first.valid_from.0 > 0 => faults.push(format!(
                "price has a gap before {}; leave valid_from out of the first entry, which holds from the beginning",
                first.valid_from
            )),
            Some(_) => {}
        }
        for (earlier, later) in self.0.iter().zip(self.0.iter().skip(1)) {
            if later.valid_from.0 == 0 {
                faults.push(
                    "price: only the first entry goes without valid_from; add one to each later entry".to_owned(),
                );
            } else if later.valid_from <= earlier.valid_from {
                faults.push(format!(
                    "price valid_from {} stands after {}; list entries by time, each time once",
                    later.valid_from, earlier.valid_from
                ));
            }
        }
        faults
    }
}

impl<'de> Deserialize<'de> for PriceList {
    /// By hand rather than `untagged`, so that a misspelt field is named with its line.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TableOrList;
        impl<'de> Visitor<'de> for TableOrList {
            type Value = PriceList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of prices or a list of such tables")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PriceList, A::Error> {
                Price::deserialize(MapAccessDeserializer::new(map)).map(PriceList::from)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PriceList, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    entries.push(entry);
                }
                Ok(PriceList(entries))
            }
        }
        deserializer.deserialize_any(TableOrList)
    }
}

fn as_written<S: Serializer>(time: &UnixMillis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// RFC 3339, written as TOML's own date or as a string.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixMillis, D::Error> {
    let written = match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => text,
        toml::Value::Datetime(date) => date.to_string(),
        other => other.to_string(),
    };
    let time = written.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
    time.map(UnixMillis).ok_or_else(|| {
        D::Error::custom(format!("{written:?} is no time since 1970 with an offset, such as 2026-01-01T00:00:00Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Holder {
        price: PriceList,
    }

    fn read(text: &str) -> PriceList {
        toml::from_str::<Holder>(text).unwrap().price
    }

    const LIST: &str = r#"
        [[price]]
        input_token = 10
        [[price]]
        valid_from = 2026-01-01T00:00:00Z
        input_token = 7
        [[price]]
        valid_from = "2026-07-01T00:00:00+02:00"
        input_token = 5
        cached_input_token = 1
    "#;

    #[test]
    fn the_last_entry_whose_time_has_come_holds() {
        let list = read(LIST);
        assert_eq!(list.faults(), Vec::<String>::new());
        let january = 1_767_225_600_000;
        let july = 1_782_856_800_000;
        for (time, expected) in [(0, 10), (january - 1, 10), (january, 7), (july - 1, 7), (july, 5), (u64::MAX, 5)] {
            assert_eq!(list.at(UnixMillis(time)).input_token, expected, "{time}");
        }
        assert_eq!(list.at(UnixMillis(july)).cached_input_token(), 1);
        assert_eq!(list.at(UnixMillis(january)).cached_input_token(), 7);
        assert_eq!(read("price = { output_token = 3 }").at(UnixMillis(5)).output_token, 3);
    }

    #[test]
    fn gaps_and_disorder_are_faults() {
        let table = [
            ("price = []", "empty list"),
            ("price = [{ valid_from = 2026-01-01T00:00:00Z }]", "gap before 2026-01-01"),
            ("price = [{}, {}]", "only the first entry goes without"),
            (
                "price = [{}, { valid_from = 2026-02-01T00:00:00Z }, { valid_from = 2026-01-01T00:00:00Z }]",
                "stands after 2026-02-01",
            ),
            (
                "price = [{}, { valid_from = 2026-02-01T00:00:00Z }, { valid_from = 2026-02-01T00:00:00Z }]",
                "each time once",
            ),
        ];
        for (text, part) in table {
            let faults = read(text).faults();
            assert!(faults.iter().any(|fault| fault.contains(part)), "{text}: {faults:?}");
        }
    }

    #[test]
    fn a_misspelt_field_or_time_is_named() {
        let table = [
            ("price = { input_tokn = 1 }", "input_tokn"),
            ("price = [{}, { valid_from = \"soon\" }]", "\"soon\" is no time"),
            ("price = [{}, { valid_from = 2026-02-01T00:00:00 }]", "with an offset"),
            ("price = 3", "a table of prices"),
        ];
        for (text, part) in table {
            let error = toml::from_str::<Holder>(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
