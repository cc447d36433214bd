//! The calls of Anthropic's interface, such that its own packages work unchanged. What cannot be done is refused by name;
//! what changes nothing about an answer may be sent and is not used.

pub mod count_tokens;
pub mod messages;
