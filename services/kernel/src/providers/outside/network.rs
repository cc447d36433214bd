//! What the rules of the network refuse, as faults of a workflow.

use orrery_errors::ErrorCode;

pub use orrery_egress::{AdmitError, Network, NetworkConfig, Refused, refusal};

use crate::domain::fault::{Fault, Standard};

/// Where an operator says which hosts may be called.
pub const SETTING: &str = "kernel.http.allow";

impl From<&Refused> for Fault {
    fn from(refused: &Refused) -> Self {
        Self::new(Standard::Authorization, refused.to_string()).titled(ErrorCode::PolicyDenied.as_str())
    }
}

impl From<AdmitError> for Fault {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::Url(detail) => Self::new(Standard::Configuration, detail),
            AdmitError::Host(refused) => Self::from(&refused),
        }
    }
}
