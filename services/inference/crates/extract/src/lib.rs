//! Finds the fields of a form or a bill in what was read from it, by layout and wording alone. Owns labels, places, values and
//! their confidence; it never calls a model (the caller lends an [`Embedder`]), and below a field's threshold it asks for a
//! person instead of guessing.

mod assign;
mod heading;
mod layout;
mod leftover;
mod parse;
mod pieces;
mod places;
mod request;
mod schema;
mod sense;
mod table;
mod wording;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use orrery_content::{Content, Point};

pub use request::{Request, extract};
pub use schema::{Choice, FIELDS_MAX, Field, Kind, LABELS_MAX, Schema};

/// Most lines of print in one extraction: some thirty dense pages.
pub const LINES_MAX: usize = 3_000;

/// Turns short texts into unit vectors of one length, so that labels can be compared by sense.
pub trait Embedder {
    /// One vector for each text, in order.
    ///
    /// # Errors
    /// Whatever kept the model from answering; extraction then goes on by wording alone.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedFault>;

    /// The same for a schema's own texts. They come again with every document, so whoever computes may remember them.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    fn embed_schema(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbedFault> {
        self.embed(texts)
    }
}

/// Why no vectors came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no embeddings: {0}")]
pub struct EmbedFault(pub String);

/// Why nothing could be extracted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// The schema cannot be used.
    #[error("schema field `{field}` {why}")]
    Schema {
        /// The field at fault.
        field: String,
        /// What is wrong with it.
        why: String,
    },
    /// More print than one extraction takes.
    #[error("the document has {lines} lines; extract at most {LINES_MAX} at a time, page by page")]
    TooLong {
        /// Lines found.
        lines: usize,
    },
}

/// All fields of a schema, found or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Extraction {
    /// By field name.
    pub fields: BTreeMap<String, Found>,
}

/// What became of one field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The normalised value; null where there is none.
    pub value: Value,
    /// As read, before it was normalised.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub text: Option<String>,
    /// 0 to 1: reading, label, place and format together.
    pub confidence: f32,
    /// Whether a person must look before anyone relies on it.
    pub needs_person: bool,
    /// Why it is missing or unsure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// Where it stands.
    pub source: Vec<Source>,
}

/// A place on a page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Index over the pages of all contents, in order.
    pub page: u32,
    /// On the photograph: top left, top right, bottom right, bottom left.
    pub quad: [Point; 4],
    /// What was read there.
    pub text: String,
}

/// Finds the fields of `schema` in `contents`, which together are one document.
///
/// # Errors
/// A schema that cannot be used, or a document beyond [`LINES_MAX`].
pub fn find(
    contents: &[Content],
    schema: &Schema,
    embedder: Option<&dyn Embedder>,
) -> Result<Extraction, ExtractError> {
    let patterns = schema.patterns()?;
    let lines = layout::lines(contents);
    if lines.len() > LINES_MAX {
        return Err(ExtractError::TooLong { lines: lines.len() });
    }
    let likeness = |heads: &[String]| sense::likeness(heads, schema, embedder);
    let pieces = pieces::cut(&lines, schema, &likeness);
    Ok(Extraction { fields: assign::assign(&pieces, schema, &patterns) })
}
