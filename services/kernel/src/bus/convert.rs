//! Between wire messages and rows. Wire types stop here.

use std::collections::BTreeMap;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1;
use orrery_types::{Sha256Digest, TenantId};

use crate::domain::command::{Attachment, Person};
use crate::domain::event::Event;
use crate::store::{DefinitionRow, ERROR, RunFilter, RunRow, status};

/// Attachments of one task.
const ATTACHMENTS_MAX: usize = 64;
/// Longest output that is shown; a message holds 8 MiB.
const SHOWN_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Attributes of one search.
const ATTRIBUTES_ASKED_MAX: usize = 8;

pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}

/// Who asks; every call names somebody.
pub(super) fn caller(caller: Option<v1::Caller>) -> Result<(TenantId, Person), Error> {
    let caller = caller.ok_or_else(|| invalid("the caller is missing"))?;
    let tenant = TenantId::new(&caller.tenant).map_err(|error| invalid(error.to_string()))?;
    if caller.principal.is_empty() {
        return Err(invalid("the caller's principal is missing"));
    }
    Ok((tenant, Person { principal: caller.principal, roles: caller.roles }))
}

pub(super) fn definition(row: DefinitionRow, with_source: bool) -> v1::Definition {
    v1::Definition {
        namespace: row.namespace,
        name: row.name,
        version: row.version,
        hash: row.hash,
        title: row.title,
        deployed_at_ms: unsigned(row.deployed_ms),
        source: if with_source { row.source } else { String::new() },
    }
}

pub(super) fn attachments(list: Vec<v1::Attachment>) -> Result<BTreeMap<String, Attachment>, Error> {
    if list.len() > ATTACHMENTS_MAX {
        return Err(invalid(format!("a task takes {ATTACHMENTS_MAX} attachments at most")));
    }
    let mut named = BTreeMap::new();
    for it in list {
        let blob = it.blob.ok_or_else(|| invalid(format!("the attachment {:?} has no content", it.name)))?;
        let attachment = Attachment {
            key: blob.key,
            sha256: blob.sha256,
            size_bytes: blob.size_bytes,
            media_type: blob.media_type,
            name: blob.name,
        };
        if named.insert(it.name.clone(), attachment).is_some() {
            return Err(invalid(format!("two attachments are named {:?}", it.name)));
        }
    }
    Ok(named)
}

fn blob(it: &Attachment) -> v1::BlobRef {
    v1::BlobRef {
        key: it.key.clone(),
        sha256: it.sha256.clone(),
        size_bytes: it.size_bytes,
        media_type: it.media_type.clone(),
        name: it.name.clone(),
    }
}

/// What makes two requests to start a task the same.
pub(super) fn request_digest(request: &v1::StartTaskRequest, principal: &str) -> String {
    let mut text = format!("{principal}\n{}\n{}\n", request.workflow, request.input_json);
    let mut attributes: Vec<_> = request.attributes.iter().collect();
    attributes.sort();
    attributes.into_iter().for_each(|(name, value)| text.push_str(&format!("{name:?}={value:?}\n")));
    for attachment in &request.attachments {
        let sha256 = attachment.blob.as_ref().map_or("", |blob| blob.sha256.as_str());
        text.push_str(&format!("{}={sha256}\n", attachment.name));
    }
    Sha256Digest::of(text.as_bytes()).to_string()
}

/// A text that an answer takes; of a longer one, the length: a query gives its parts.
fn fitting(text: String) -> String {
    match text.len() <= SHOWN_BYTES_MAX {
        true => text,
        false => serde_json::json!({ "omitted_bytes": text.len() }).to_string(),
    }
}

pub(super) fn task(row: RunRow) -> v1::Task {
    let attachments: BTreeMap<String, Attachment> = serde_json::from_str(&row.attachments).unwrap_or_default();
    let attachment = |(name, it): (&String, &Attachment)| v1::Attachment { name: name.clone(), blob: Some(blob(it)) };
    v1::Task {
        id: row.id,
        tenant: row.tenant,
        workflow: format!("{}:{}", row.workflow, row.version),
        definition_hash: row.definition_hash,
        status: task_status(&row.status) as i32,
        output_json: fitting(row.output),
        error_json: row.error,
        submitted_by: row.submitted_by,
        created_at_ms: unsigned(row.created_ms),
        updated_at_ms: unsigned(row.updated_ms),
        finished_at_ms: unsigned(row.finished_ms),
        active: serde_json::from_str(&row.active).unwrap_or_default(),
        attachments: attachments.iter().map(attachment).collect(),
        input_json: row.input,
        duplicate: false,
        archive: None,
    }
}

pub(super) fn task_status(text: &str) -> v1::TaskStatus {
    match text {
        status::PENDING => v1::TaskStatus::Pending,
        status::RUNNING => v1::TaskStatus::Running,
        status::WAITING => v1::TaskStatus::Waiting,
        status::COMPLETED => v1::TaskStatus::Completed,
        status::FAULTED => v1::TaskStatus::Faulted,
        status::CANCELLED => v1::TaskStatus::Cancelled,
        status::TERMINATED => v1::TaskStatus::Terminated,
        _ => v1::TaskStatus::Unspecified,
    }
}

/// Which runs are asked for.
pub(super) fn run_filter(request: &v1::ListTasksRequest) -> Result<RunFilter, Error> {
    let time = |ms: u64| Some(ms).filter(|ms| *ms > 0).map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
    let mut attributes: BTreeMap<String, String> =
        request.attributes.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    if !request.error_code.is_empty() {
        attributes.insert(ERROR.to_owned(), request.error_code.clone());
    }
    if attributes.len() > ATTRIBUTES_ASKED_MAX {
        return Err(invalid(format!("a search takes {ATTRIBUTES_ASKED_MAX} attributes at most")));
    }
    Ok(RunFilter {
        statuses: status_words(&request.statuses)?,
        workflow: request.workflow.clone(),
        version: request.version.clone(),
        submitted_by: request.submitted_by.clone(),
        created_from: time(request.created_from_ms),
        created_before: time(request.created_before_ms),
        finished_from: time(request.finished_from_ms),
        finished_before: time(request.finished_before_ms),
        attributes,
    })
}

/// The stored words of statuses asked for.
pub(super) fn status_words(wanted: &[i32]) -> Result<Vec<String>, Error> {
    let word = |value: &i32| match v1::TaskStatus::try_from(*value) {
        Ok(v1::TaskStatus::Pending) => Ok(status::PENDING.to_owned()),
        Ok(v1::TaskStatus::Running) => Ok(status::RUNNING.to_owned()),
        Ok(v1::TaskStatus::Waiting) => Ok(status::WAITING.to_owned()),
        Ok(v1::TaskStatus::Completed) => Ok(status::COMPLETED.to_owned()),
        Ok(v1::TaskStatus::Faulted) => Ok(status::FAULTED.to_owned()),
        Ok(v1::TaskStatus::Cancelled) => Ok(status::CANCELLED.to_owned()),
        Ok(v1::TaskStatus::Terminated) => Ok(status::TERMINATED.to_owned()),
        _ => Err(invalid(format!("{value} is no task status"))),
    };
    wanted.iter().map(word).collect()
}

pub(super) fn event(run: &str, seq: u64, event: &Event) -> v1::TaskEvent {
    v1::TaskEvent {
        task_id: run.to_owned(),
        seq,
        kind: event.fact.kind().to_owned(),
        pointer: event.fact.pointer().to_owned(),
        data_json: serde_json::to_string(&event.fact).unwrap_or_default(),
        at_ms: event.at.0,
    }
}
