//! What a caller wants out of a document: the fields, how people label them, and how sure is sure enough.
//! Owns the schema's shape and its validation; knows nothing of pages.

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::ExtractError;

/// Most fields that one schema may hold.
pub const FIELDS_MAX: usize = 64;
/// Most labels that one field may hold.
pub const LABELS_MAX: usize = 64;

/// The fields of one kind of document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// For people; it appears in reasons.
    #[serde(default)]
    pub name: String,
    /// Whether 02/01/2026 is the second of January. True unless said otherwise.
    #[serde(default = "yes")]
    pub day_first: bool,
    /// Labels that occur on such documents but are not wanted. They end a neighbour's value.
    #[serde(default)]
    pub other_labels: Vec<String>,
    /// What to look for.
    pub fields: Vec<Field>,
}

/// One thing to find.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// The key in the result.
    pub name: String,
    /// How its value is written.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Ways in which documents name it.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What it means, in a sentence: matched by sense where an embedder is at hand.
    #[serde(default)]
    pub description: String,
    /// Whether a person must see to it when it is missing.
    #[serde(default)]
    pub required: bool,
    /// A regular expression that a value must satisfy (identifiers and text).
    #[serde(default)]
    pub pattern: Option<String>,
    /// What a `choice` may be.
    #[serde(default)]
    pub choices: Vec<Choice>,
    /// Confidence below which a person must look, 0 to 1.
    #[serde(default = "default_threshold")]
    pub threshold: f32,
    /// Whether the value may run over several lines.
    #[serde(default)]
    pub multiline: bool,
    /// The name of the `table` whose amounts this amount should add up to.
    #[serde(default)]
    pub sum_of: Option<String>,
    /// Fields whose values, joined by a space, make this one where the document splits it (first name, surname).
    #[serde(default)]
    pub from: Vec<String>,
}

/// How a value is written and what it is normalised to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Free text.
    Text,
    /// One of [`Field::choices`].
    Choice,
    /// A calendar date, as `YYYY-MM-DD`.
    Date,
    /// An amount, as a number with two decimals.
    Money,
    /// A telephone number.
    Phone,
    /// A number or code.
    Identifier,
    /// Lines with a description and an amount.
    Table,
    /// The name at the head of the page: a vendor, an issuer.
    Heading,
}

/// One value of a `choice` and the words that give it away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The value in the result.
    pub value: String,
    /// Words or phrases that mean it.
    pub words: Vec<String>,
}

fn yes() -> bool {
    true
}

fn default_threshold() -> f32 {
    0.6
}

impl Schema {
    /// The compiled pattern of every field, in order.
    ///
    /// # Errors
    /// A schema beyond its limits, a name used twice, a reference to no field, or a pattern that does not compile.
    pub fn patterns(&self) -> Result<Vec<Option<Regex>>, ExtractError> {
        let fault = |field: &str, why: String| ExtractError::Schema { field: field.to_owned(), why };
        if self.fields.is_empty() || self.fields.len() > FIELDS_MAX {
            return Err(fault("fields", format!("holds {}; give 1 to {FIELDS_MAX}", self.fields.len())));
        }
        let mut patterns = Vec::with_capacity(self.fields.len());
        for (index, field) in self.fields.iter().enumerate() {
            if self.fields.iter().take(index).any(|other| other.name == field.name) {
                return Err(fault(&field.name, "stands twice; give each field its own name".to_owned()));
            }
            if field.labels.len() > LABELS_MAX {
                return Err(fault(&field.name, format!("has more than {LABELS_MAX} labels")));
            }
            if field.kind == Kind::Choice && field.choices.is_empty() {
                return Err(fault(&field.name, "is a choice without choices".to_owned()));
            }
            for named in field.from.iter().chain(&field.sum_of) {
                if !self.fields.iter().any(|other| &other.name == named) {
                    return Err(fault(&field.name, format!("refers to `{named}`, which is no field here")));
                }
            }
            let compiled = match &field.pattern {
                None => None,
                Some(pattern) => {
                    let built = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build();
                    Some(built.map_err(|error| fault(&field.name, format!("has a pattern that fails: {error}")))?)
                }
            };
            patterns.push(compiled);
        }
        Ok(patterns)
    }
}
