//! `orrery.uuid`: a random identifier. Chance lies outside the domain, so it is a call: the journal keeps what it gave, and
//! a call that is made again after a crash gives another one only if nobody has seen the first.

use serde_json::json;

use crate::domain::command::Reply;

/// Version 4 of RFC 9562: nothing but chance.
pub fn reply() -> Reply {
    let output = json!({ "uuid": ::uuid::Uuid::new_v4().hyphenated().to_string() });
    Reply { output, decisions: Vec::new() }
}
