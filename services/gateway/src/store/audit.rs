//! Facts for the transparency log, written in the transaction that makes them true.

use orrery_bus::subjects;
use orrery_proto::v1::AuditRecord;
use orrery_store::outbox::Message;
use orrery_store::{StoreError, outbox};
use orrery_types::UnixMillis;
use prost::Message as _;
use serde_json::Value;
use uuid::Uuid;

use super::ControlPlane;

const SERVICE: &str = "gateway";

/// One fact: ids and reasons, never a key or content.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Whose log it belongs to.
    pub tenant: String,
    /// For example `key.created`.
    pub kind: &'static str,
    /// When.
    pub at: UnixMillis,
    /// The details, an object.
    pub facts: Value,
}

impl Fact {
    pub(super) fn message(self) -> Message {
        let record = AuditRecord {
            id: Uuid::now_v7().to_string(),
            tenant: self.tenant,
            task_id: String::new(),
            service: SERVICE.to_owned(),
            kind: self.kind.to_owned(),
            at_ms: self.at.0,
            facts_json: self.facts.to_string(),
        };
        Message {
            subject: subjects::audit_record(SERVICE),
            payload: record.encode_to_vec(),
            message_id: record.id,
            created_ms: super::integer(self.at.0),
        }
    }
}

impl ControlPlane {
    /// Keeps facts that belong to no other change.
    pub async fn record(&self, facts: Vec<Fact>) -> Result<(), StoreError> {
        let messages: Vec<Message> = facts.into_iter().map(Fact::message).collect();
        self.store.write(move |connection| Ok::<_, StoreError>(outbox::insert(connection, &messages)?)).await?;
        self.pump.wake();
        Ok(())
    }
}
