//! The kernel's calls about many tasks at once, played: what was asked is kept as text.

use orrery_bus::{Bus, Server, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::*;
use orrery_types::TenantId;
use parking_lot::Mutex;
use std::sync::Arc;

use crate::players::{LIMIT, Seen};

/// One batch, however it is asked for.
fn batch(state: BatchState) -> Batch {
    Batch {
        id: "batch_1".to_owned(),
        operation: BatchOperation::Retry.into(),
        arguments_json: "{}".to_owned(),
        filter_json: "{\"workflow\":\"claims\"}".to_owned(),
        rate: 20.0,
        created_by: "ada".to_owned(),
        state: state.into(),
        total: 3,
        created_at_ms: 1_700_000_000_000,
        ..Batch::default()
    }
}

pub fn batches(server: Server, seen: &Arc<Mutex<Seen>>) -> Server {
    let note = || {
        let seen = seen.clone();
        move |text: String| seen.lock().controlled.push(text)
    };
    let (created, listed) = (note(), note());
    let change = |what: &'static str, state: BatchState| {
        let note = note();
        move |_, request: ControlBatchRequest| {
            note(format!("{what} {}", request.batch_id));
            async move { Ok::<_, Error>(batch(state)) }
        }
    };
    server
        .handle(verbs::kernel::BATCH_CREATE, LIMIT, move |_, request: CreateBatchRequest| {
            let filter = request.filter.clone().unwrap();
            created(format!(
                "batch {:?} {} {} {} {:?} {} {} {} {} {:?} {:?} {} {} {}",
                request.operation(),
                request.rate,
                request.reason,
                filter.workflow,
                filter.statuses,
                filter.error_code,
                filter.created_before_ms,
                request.signal,
                request.payload_json,
                filter.attributes,
                request.iteration,
                request.pointer,
                request.workflow,
                if request.dry_run { "dry" } else { "" }
            ));
            async move {
                let made = batch(BatchState::Running);
                Ok(if request.dry_run { Batch { id: String::new(), ..made } } else { made })
            }
        })
        .handle(verbs::kernel::BATCH, LIMIT, |_, _: GetBatchRequest| async move {
            let failure =
                BatchFailure { task_id: "task_9".to_owned(), code: "conflict".to_owned(), ..BatchFailure::default() };
            Ok(Batch { failures: vec![failure], ..batch(BatchState::Running) })
        })
        .handle(verbs::kernel::BATCHES, LIMIT, move |_, request: ListBatchesRequest| {
            listed(format!("list {:?}", request.states));
            async move {
                Ok(ListBatchesReply { batches: vec![batch(BatchState::Running)], next_cursor: "more".to_owned() })
            }
        })
        .handle(verbs::kernel::BATCH_PAUSE, LIMIT, change("pause", BatchState::Paused))
        .handle(verbs::kernel::BATCH_RESUME, LIMIT, change("resume", BatchState::Running))
        .handle(verbs::kernel::BATCH_CANCEL, LIMIT, change("cancel", BatchState::Cancelled))
}

/// Retention, and one task that is archived.
pub fn retention(server: Server, bus: &Bus, seen: &Arc<Mutex<Seen>>) -> Server {
    let note = || {
        let seen = seen.clone();
        move |text: String| seen.lock().controlled.push(text)
    };
    let (set, removed, blobs) = (note(), note(), bus.clone());
    let reply = |changed| RetentionReply {
        changed,
        rules: vec![RetentionRule { workflow: "claims".to_owned(), keep_ms: 7_776_000_000, archive: true }],
        system: None,
    };
    server
        .handle(verbs::kernel::RETENTION, LIMIT, move |_, _: ListRetentionRequest| async move { Ok(reply(false)) })
        .handle(verbs::kernel::RETENTION_SET, LIMIT, move |_, request: SetRetentionRequest| {
            let rule = request.rule.unwrap();
            set(format!("keep {:?} {} {}", rule.workflow, rule.keep_ms, rule.archive));
            async move { Ok(reply(true)) }
        })
        .handle(verbs::kernel::RETENTION_REMOVE, LIMIT, move |_, request: RemoveRetentionRequest| {
            removed(format!("forget {:?}", request.workflow));
            async move { Ok(reply(true)) }
        })
        .handle(verbs::kernel::ARCHIVE, LIMIT, move |_, request: GetArchiveRequest| {
            let bus = blobs.clone();
            async move {
                if request.task_id != "task_old" {
                    return Err(Error::new(ErrorCode::FailedPrecondition, "the task is not archived"));
                }
                let tenant = TenantId::new(&request.caller.unwrap().tenant).unwrap();
                let bytes = b"{\"orrery_archive\":1}\n";
                let store = bus.blobs().await?;
                let path = "archive/task_old.jsonl";
                let blob = store.put_named(&tenant, path, bytes, "application/jsonl", "task_old.jsonl").await?;
                Ok(Archive { blob: Some(blob), archived_at_ms: 1_700_000_000_000 })
            }
        })
}
