//! `orrery.uuid`: a random identifier. Chance lies outside the domain, so it is a call: the journal keeps what it gave, and
//! a call that is made again after a crash gives another one only if nobody has seen the first.

use async_trait::async_trait;
use orrery_errors::Error;
use orrery_types::UnixMillis;
use serde_json::json;

use super::Provider;
use crate::domain::command::{Reply, Run};
use crate::domain::effect::Call;

/// Version 4 of RFC 9562: nothing but chance.
pub struct Uuid;

#[async_trait]
impl Provider for Uuid {
    async fn call(&self, _run: &Run, _call: &Call, _deadline: UnixMillis) -> Result<Reply, Error> {
        let output = json!({ "uuid": ::uuid::Uuid::new_v4().hyphenated().to_string() });
        Ok(Reply { output, decisions: Vec::new() })
    }
}
