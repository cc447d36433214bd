//! Public events as CloudEvents 1.0 in structured JSON mode.

use orrery_types::UnixMillis;
use serde::{Deserialize, Serialize};

/// A CloudEvent. `type` is `orrery.<entity>.<past participle>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// Always `1.0`.
    pub specversion: String,
    /// Unique with `source`.
    pub id: String,
    /// For example `/orrery/kernel`.
    pub source: String,
    /// For example `orrery.task.completed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is about, for example the task's id.
    pub subject: String,
    /// RFC 3339.
    pub time: String,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// The tenant, as an extension attribute.
    pub tenant: String,
    /// The event itself.
    pub data: serde_json::Value,
}

impl CloudEvent {
    /// An event of `service` about `subject`.
    pub fn new(service: &str, tenant: &str, kind: &str, subject: &str, id: &str, at: UnixMillis) -> Self {
        Self {
            specversion: "1.0".to_owned(),
            id: id.to_owned(),
            source: format!("/orrery/{service}"),
            kind: format!("orrery.{kind}"),
            subject: subject.to_owned(),
            time: at.to_string(),
            datacontenttype: "application/json".to_owned(),
            tenant: tenant.to_owned(),
            data: serde_json::Value::Null,
        }
    }

    /// With its data.
    #[must_use]
    pub fn data(mut self, data: serde_json::Value) -> Self {
        self.data = data;
        self
    }
}
