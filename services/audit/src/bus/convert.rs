//! Between wire messages and records.

use orrery_bus::subjects;
use orrery_proof::{Record, RecordError};
use orrery_proto::v1::{AuditRecord, Caller, ExportedRecord};
use prost::Message as _;

use crate::domain::Entry;
use crate::error::AuditError;
use crate::store::Exported;

/// Why a message is no record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the message does not decode: {0}")]
    Encoding(String),
    #[error("the facts are not JSON: {0}")]
    Facts(String),
    #[error("the record says it comes from {service:?} but was published elsewhere")]
    OtherService { service: String },
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Reads a message. A service may publish on its own subject only, so the subject vouches for the service's name.
pub fn entry(subject: &str, payload: &[u8]) -> Result<Entry, Refusal> {
    let record = AuditRecord::decode(payload).map_err(|error| Refusal::Encoding(error.to_string()))?;
    if subject != subjects::audit_record(&record.service) {
        return Err(Refusal::OtherService { service: record.service });
    }
    let facts = serde_json::from_str(&record.facts_json).map_err(|error| Refusal::Facts(error.to_string()))?;
    Ok(Entry::new(Record {
        id: record.id,
        tenant: record.tenant,
        task_id: record.task_id,
        service: record.service,
        kind: record.kind,
        at_ms: record.at_ms,
        facts,
    })?)
}

pub(super) fn exported(exported: Exported) -> ExportedRecord {
    let record = exported.record;
    ExportedRecord {
        index: exported.index,
        leaf_hash: exported.leaf.to_hex(),
        record: Some(AuditRecord {
            id: record.id,
            tenant: record.tenant,
            task_id: record.task_id,
            service: record.service,
            kind: record.kind,
            at_ms: record.at_ms,
            facts_json: record.facts.to_string(),
        }),
    }
}

/// The tenant on whose behalf a call is made.
pub(super) fn tenant(caller: Option<Caller>) -> Result<String, AuditError> {
    let tenant = caller.map(|caller| caller.tenant).filter(|tenant| !tenant.is_empty());
    tenant.ok_or(AuditError::Unnamed("tenant"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record() -> AuditRecord {
        AuditRecord {
            id: "r1".to_owned(),
            tenant: "acme".to_owned(),
            task_id: String::new(),
            service: "router".to_owned(),
            kind: "model.called".to_owned(),
            at_ms: 7,
            facts_json: "{\"b\": 1, \"a\": 2}".to_owned(),
        }
    }

    fn refused(change: impl Fn(&mut AuditRecord)) -> Refusal {
        let mut changed = record();
        change(&mut changed);
        entry(&subjects::audit_record("router"), &changed.encode_to_vec()).unwrap_err()
    }

    #[test]
    fn a_record_becomes_its_canonical_text() {
        let entry = entry(&subjects::audit_record("router"), &record().encode_to_vec()).unwrap();
        assert_eq!(
            entry.canonical,
            "{\"at_ms\":7,\"facts\":{\"a\":2,\"b\":1},\"id\":\"r1\",\"kind\":\"model.called\",\
             \"service\":\"router\",\"task_id\":\"\",\"tenant\":\"acme\"}"
        );
    }

    #[test]
    fn what_is_no_record_is_refused_with_its_reason() {
        assert!(matches!(entry("x", &[0xff, 0x01]), Err(Refusal::Encoding(_))));
        assert!(matches!(refused(|record| record.facts_json = "{".to_owned()), Refusal::Facts(_)));
        assert!(matches!(refused(|record| record.facts_json = "{\"a\":0.5}".to_owned()), Refusal::Record(_)));
        assert!(matches!(refused(|record| record.tenant = String::new()), Refusal::Record(_)));
        let foreign = refused(|record| record.service = "kernel".to_owned());
        assert_eq!(foreign, Refusal::OtherService { service: "kernel".to_owned() });
    }
}
