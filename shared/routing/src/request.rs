//! What the decision may know of a call: who, what kind, how much, which data. Never the content itself.

use serde::{Deserialize, Serialize};

use crate::catalogue::Capability;

/// Facts of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestFacts {
    /// The caller's tenant.
    pub tenant: String,
    /// The caller within the tenant.
    pub principal: String,
    /// The caller's roles.
    pub roles: Vec<String>,
    /// A model, a route, or empty or `auto` for any.
    pub model: String,
    /// What is asked.
    pub capability: Capability,
    /// Of what is read; none for other capabilities.
    pub media_type: Option<String>,
    /// Classes of the data, sorted.
    pub data_classes: Vec<String>,
    /// Why it is processed; may be empty.
    pub purpose: String,
    /// The caller's own limit on cost; 0 is none.
    pub cost_nanos_max: u64,
    /// How much there is to do.
    pub size: Size,
}

/// How much there is to do, told from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Bytes of text in.
    pub text_bytes: u64,
    /// Messages or texts in; each costs a few tokens of framing.
    pub items: u64,
    /// Tokens that the caller wants out at most; 0 leaves it to the model.
    pub output_tokens: u64,
    /// Bytes of the payload to read.
    pub blob_bytes: u64,
    /// Images to make.
    #[serde(default)]
    pub images: u64,
}
