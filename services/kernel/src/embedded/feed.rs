//! What comes to an embedded run from outside without being asked for.

use std::time::Duration;

use crate::domain::command::Command;

/// Commands to the run, each with the time after the start at which it comes. An event is kept until any of the process's
/// runs listens for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Feed(pub Vec<(Duration, Command)>);
