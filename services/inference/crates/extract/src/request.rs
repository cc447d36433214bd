//! A request to extract as it comes over the bus: JSON in, typed errors out. It adds no rule of its own to [`find`].

use orrery_errors::{Error, ErrorCode};
use serde::de::DeserializeOwned;

use super::{Embedder, ExtractError, Extraction, Schema, find};
use orrery_content::Content;

/// Documents that together are one, and what is wanted out of them.
#[derive(Debug, Clone)]
pub struct Request {
    contents: Vec<Content>,
    schema: Schema,
}

impl Request {
    /// Reads a list of contents and a schema.
    ///
    /// # Errors
    /// Text that is not JSON of that shape.
    pub fn parse(contents_json: &str, schema_json: &str) -> Result<Self, Error> {
        Ok(Self { contents: read("contents", contents_json)?, schema: read("schema", schema_json)? })
    }
}

fn read<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, Error> {
    serde_json::from_str(json)
        .map_err(|error| Error::new(ErrorCode::InvalidRequest, format!("`{what}` cannot be used: {error}")))
}

/// [`find`] for a request.
///
/// # Errors
/// A schema that cannot be used, or a document that is too long.
pub fn extract(request: &Request, embedder: &dyn Embedder) -> Result<Extraction, Error> {
    find(&request.contents, &request.schema, Some(embedder)).map_err(Error::from)
}

impl From<ExtractError> for Error {
    fn from(error: ExtractError) -> Self {
        Self::new(ErrorCode::InvalidRequest, error.to_string())
    }
}
