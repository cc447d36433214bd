//! Archives of runs in the object store: written and read back before a run is removed, and read for who asks for it then.

use std::collections::BTreeMap;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::BlobRef;
use orrery_types::{TaskId, TenantId, UnixMillis};
use serde_json::{Value, json};

use crate::domain::archive::{self, ARCHIVE_BYTES_MAX, ArchiveFault, Contents, Subject};
use crate::domain::command::Attachment;
use crate::domain::event::Event;
use crate::kernel::Kernel;
use crate::store::{ArchiveRow, ReviewRow, RunRow};

const MEDIA_TYPE: &str = "application/jsonl";
/// Reviews of one run that are archived.
const REVIEWS_MAX: i64 = 100_000;

impl From<ArchiveFault> for Error {
    fn from(fault: ArchiveFault) -> Self {
        let code = match fault {
            ArchiveFault::TooLarge(_) => ErrorCode::PayloadTooLarge,
            ArchiveFault::Shape(_) | ArchiveFault::Version(_) | ArchiveFault::Damaged(_) | ArchiveFault::Replay => {
                ErrorCode::DataCorrupted
            }
        };
        Error::new(code, fault.to_string())
    }
}

/// Archives a run that is over. What this gives has been read back from where it lies, and leads to the run's own end.
pub async fn write(kernel: &Kernel, tenant: &TenantId, row: &RunRow) -> Result<ArchiveRow, Error> {
    let contents = contents(kernel, tenant, row).await?;
    let subject = Subject {
        task_id: row.id.clone(),
        tenant: row.tenant.clone(),
        workflow: row.workflow.clone(),
        version: row.version.clone(),
        definition_hash: row.definition_hash.clone(),
        status: row.status.clone(),
    };
    let writing = tokio::task::spawn_blocking(move || archive::encode(subject, contents));
    let text = writing.await.map_err(|error| Error::internal(&error))??;
    let blob = kernel.payloads.write_archive(tenant, &row.id, text.as_bytes(), MEDIA_TYPE).await?;
    let size_bytes = i64::try_from(blob.size_bytes).unwrap_or(i64::MAX);
    let now_ms = i64::try_from(UnixMillis::now().0).unwrap_or(i64::MAX);
    let archived = ArchiveRow::of(row, blob.key, blob.sha256, size_bytes, now_ms);
    let (_, back) = read(kernel, tenant, &archived).await?;
    let status = row.status.clone();
    let replaying = tokio::task::spawn_blocking(move || archive::replay(&back).map(|state| RunRow::status_of(&state)));
    if replaying.await.map_err(|error| Error::internal(&error))?? != status {
        return Err(ArchiveFault::Replay.into());
    }
    Ok(archived)
}

async fn contents(kernel: &Kernel, tenant: &TenantId, row: &RunRow) -> Result<Contents, Error> {
    let run = TaskId::new(&row.id).map_err(|error| Error::internal(&error))?;
    let (input, output) = (
        kernel.payloads.fetch(tenant, row.input.clone()).await?,
        kernel.payloads.fetch(tenant, row.output.clone()).await?,
    );
    let attachments: BTreeMap<String, Attachment> = serde_json::from_str(&row.attachments).unwrap_or_default();
    let attachment = |(name, it): (String, Attachment)| {
        json!({
            "name": name, "file_name": it.name, "sha256": it.sha256, "size_bytes": it.size_bytes,
            "media_type": it.media_type,
        })
    };
    let mut reviews = Vec::new();
    for review in kernel.store.reviews_of(row.id.clone(), REVIEWS_MAX).await? {
        reviews.push(review_value(kernel, tenant, review).await?);
    }
    Ok(Contents {
        run: json!({
            "id": row.id, "tenant": row.tenant, "workflow": row.workflow, "version": row.version,
            "definition_hash": row.definition_hash, "status": row.status, "submitted_by": row.submitted_by,
            "created_at_ms": row.created_ms, "finished_at_ms": row.finished_ms, "events": row.seq,
            "input": value(&input), "output": value(&output), "error": value(&row.error),
        }),
        events: kernel.history(tenant, &run).await?,
        reviews,
        attachments: attachments.into_iter().map(attachment).collect(),
        attributes: kernel.store.attributes_of(row.id.clone()).await?,
    })
}

async fn review_value(kernel: &Kernel, tenant: &TenantId, row: ReviewRow) -> Result<Value, Error> {
    let (comments, votes) = kernel.store.review_voices(row.id.clone()).await?;
    let comment =
        |it: crate::store::CommentRow| json!({ "id": it.id, "by": it.author, "text": it.text, "at_ms": it.at_ms });
    let vote = |it: crate::store::VoteRow| {
        json!({
            "by": it.voter, "decision": it.decision, "reason": it.reason, "edits": value(&it.edits), "at_ms": it.at_ms,
        })
    };
    Ok(json!({
        "id": row.id, "pointer": row.pointer, "round": row.round, "title": row.title, "instructions": row.instructions,
        "roles": value(&row.roles), "details": value(&row.details), "form": value(&row.form), "status": row.status,
        "claimed_by": row.claimed_by, "delegated_by": row.delegated_by, "decided_by": row.decided_by,
        "decision": row.decision, "reason": row.reason, "signature": row.signature,
        "subject": text(kernel, tenant, row.subject).await?, "edits": text(kernel, tenant, row.edits).await?,
        "result": text(kernel, tenant, row.result).await?, "previous": text(kernel, tenant, row.previous).await?,
        "created_at_ms": row.created_ms, "claimed_at_ms": row.claimed_ms, "decided_at_ms": row.decided_ms,
        "due_at_ms": row.due_ms,
        "comments": comments.into_iter().map(comment).collect::<Vec<_>>(),
        "votes": votes.into_iter().map(vote).collect::<Vec<_>>(),
    }))
}

/// JSON that a row holds as text, or refers to.
async fn text(kernel: &Kernel, tenant: &TenantId, text: String) -> Result<Value, Error> {
    Ok(value(&kernel.payloads.fetch(tenant, text).await?))
}

/// JSON that a row holds as text; nothing is null.
fn value(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}

/// Where an archive lies.
pub fn blob(row: &ArchiveRow) -> BlobRef {
    BlobRef {
        key: row.key.clone(),
        sha256: row.sha256.clone(),
        size_bytes: u64::try_from(row.size_bytes).unwrap_or(0),
        media_type: MEDIA_TYPE.to_owned(),
        name: format!("{}.jsonl", row.run_id),
    }
}

/// Reads an archive back, against its digests.
pub async fn read(kernel: &Kernel, tenant: &TenantId, row: &ArchiveRow) -> Result<(archive::Header, Contents), Error> {
    let bytes = kernel.payloads.read_blob(tenant, &blob(row), ARCHIVE_BYTES_MAX as u64 * 2).await?;
    let reading = tokio::task::spawn_blocking(move || match String::from_utf8(bytes) {
        Ok(text) => archive::decode(&text),
        Err(error) => Err(ArchiveFault::Shape(error.to_string())),
    });
    let (header, contents) = reading.await.map_err(|error| Error::internal(&error))??;
    if (header.subject.task_id.as_str(), header.subject.tenant.as_str()) != (row.run_id.as_str(), row.tenant.as_str()) {
        return Err(ArchiveFault::Damaged("task").into());
    }
    Ok((header, contents))
}

/// The history of a run that was removed.
pub async fn history(kernel: &Kernel, tenant: &TenantId, row: &ArchiveRow) -> Result<Vec<Event>, Error> {
    Ok(read(kernel, tenant, row).await?.1.events)
}
