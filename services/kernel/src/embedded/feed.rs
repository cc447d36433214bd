//! What comes to an embedded run from outside without being asked for.

use std::time::Duration;

/// Something that comes in.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A request to cancel.
    Cancel {
        /// Why.
        reason: String,
    },
}

/// Inputs, each with the time after the start at which it comes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Feed(pub Vec<(Duration, Input)>);
