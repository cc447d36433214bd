//! The one Cedar schema, compiled in, so that a bundle and the code that asks it cannot disagree.

use cedar_policy::Schema;
use orrery_types::Sha256Digest;

use crate::PolicyError;

const SOURCE: &str = include_str!("orrery.cedarschema");

/// Parses the schema.
pub(crate) fn schema() -> Result<Schema, PolicyError> {
    match Schema::from_cedarschema_str(SOURCE) {
        Ok((schema, _warnings)) => Ok(schema),
        Err(error) => Err(PolicyError::Schema(error.to_string())),
    }
}

/// Digest of the schema's text; part of every bundle's digest.
pub(crate) fn digest() -> Sha256Digest {
    Sha256Digest::of(SOURCE.as_bytes())
}
