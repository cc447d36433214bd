//! The kernel's calls about many tasks at once, played: what was asked is kept as text.

use orrery_bus::{Server, verbs};
use orrery_errors::Error;
use orrery_proto::v1::*;
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
