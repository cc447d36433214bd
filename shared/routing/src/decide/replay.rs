//! Making a recorded decision again.

use orrery_types::Sha256Digest;

use super::asked::Asked;
use super::{Decision, Inputs, decide};
use crate::catalogue::Catalogue;
use crate::statistics::Statistics;

/// Why a record cannot be replayed here.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is no record.
    #[error("the record does not read: {0}; give it as it was written")]
    Unreadable(#[from] serde_json::Error),
    /// It was made from another catalogue.
    #[error("the record names the catalogue {wanted}, this one is {given}; replay it with the catalogue of its time")]
    OtherCatalogue {
        /// What the record names.
        wanted: Sha256Digest,
        /// What was given.
        given: Sha256Digest,
    },
    /// It was made from other statistics.
    #[error("the record names revision {wanted} of the statistics, this is {given}; replay it with those of its time")]
    OtherStatistics {
        /// What the record names.
        wanted: u64,
        /// What was given.
        given: u64,
    },
}

/// What is kept of a decision: enough to make it again, and nothing that the decision did not read.
pub fn record(mut inputs: Inputs, catalogue: &Catalogue) -> Result<String, serde_json::Error> {
    let named = inputs.facts.model.clone();
    let asked = Asked::of(catalogue, &named);
    inputs.keep_only(|model| asked.seat_of(model).is_some());
    serde_json::to_string(&inputs)
}

/// Makes a recorded decision again, from the catalogue and the statistics that the record names.
pub fn replay(record: &str, catalogue: &Catalogue, statistics: &Statistics) -> Result<Decision, ReplayError> {
    let inputs: Inputs = serde_json::from_str(record)?;
    if inputs.catalogue_digest != catalogue.digest {
        return Err(ReplayError::OtherCatalogue { wanted: inputs.catalogue_digest, given: catalogue.digest });
    }
    if inputs.statistics_revision != statistics.revision {
        return Err(ReplayError::OtherStatistics { wanted: inputs.statistics_revision, given: statistics.revision });
    }
    Ok(decide(catalogue, statistics, &inputs))
}
