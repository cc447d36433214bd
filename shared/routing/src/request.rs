//! What the decision may know of a call: who, what kind, how much, which data. Never the content itself. Kept in the
//! record of each call, so keys are short and what is absent is left out.

use serde::{Deserialize, Serialize};

use crate::catalogue::Capability;

/// Facts of one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestFacts {
    /// The caller's tenant.
    #[serde(rename = "t")]
    pub tenant: String,
    /// The caller within the tenant.
    #[serde(rename = "p")]
    pub principal: String,
    /// The caller's roles.
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// A model, a route, or empty or `auto` for any.
    #[serde(rename = "m", default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// What is asked.
    #[serde(rename = "c")]
    pub capability: Capability,
    /// Of what is read; none for other capabilities.
    #[serde(rename = "mt", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Classes of the data, sorted.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub data_classes: Vec<String>,
    /// Why it is processed; may be empty.
    #[serde(rename = "w", default, skip_serializing_if = "String::is_empty")]
    pub purpose: String,
    /// The caller's own limit on cost; 0 is none.
    #[serde(rename = "x", default, skip_serializing_if = "is_zero")]
    pub cost_nanos_max: u64,
    /// The conversation that the call belongs to; may be empty.
    #[serde(rename = "s", default, skip_serializing_if = "String::is_empty")]
    pub session: String,
    /// How much there is to do.
    #[serde(rename = "n")]
    pub size: Size,
}

/// How much there is to do, told from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Bytes of text in.
    #[serde(rename = "b", default, skip_serializing_if = "is_zero")]
    pub text_bytes: u64,
    /// Messages or texts in; each costs a few tokens of framing.
    #[serde(rename = "i", default, skip_serializing_if = "is_zero")]
    pub items: u64,
    /// Tokens that the caller wants out at most; 0 leaves it to the model.
    #[serde(rename = "o", default, skip_serializing_if = "is_zero")]
    pub output_tokens: u64,
    /// Bytes of the payload to read.
    #[serde(rename = "p", default, skip_serializing_if = "is_zero")]
    pub blob_bytes: u64,
    /// Images to make.
    #[serde(rename = "g", default, skip_serializing_if = "is_zero")]
    pub images: u64,
    /// Images in the conversation.
    #[serde(rename = "ir", default, skip_serializing_if = "is_zero")]
    pub images_read: u64,
    /// Answers that the caller wants to the same conversation; 0 is one.
    #[serde(rename = "c", default, skip_serializing_if = "is_zero")]
    pub choices: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
