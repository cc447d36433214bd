//! The events of a task as Server-Sent Events: first what was, then what comes, without gap or repetition (G-4). A client
//! that leaves drops the stream, and with it everything that it held.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures::stream;
use orrery_bus::verbs;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{TaskEvent, TaskHistoryReply, TaskHistoryRequest};
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::task_view::TaskEventView;
use super::tasks::task_id;
use crate::actors::Watch;
use crate::http::{Answer, Call, Failure, Gateway, call};

const PAGE: u32 = 200;
/// Without a signal the history is read again after this time, since signals may be lost.
const POLL: Duration = Duration::from_secs(2);
const HEARTBEAT: Duration = Duration::from_secs(15);
/// A kernel that is away for longer ends the stream; the client comes back with `Last-Event-ID`.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_millis(500);
/// A stream ends after this time, and its client comes back; so a connection that is dead without saying so is freed.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Where to begin.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct From {
    /// Number of the last event that is known; the header `Last-Event-ID` goes before it.
    after: Option<u64>,
}

/// Follows a task until it is over.
#[utoipa::path(get, path = "/v1/tasks/{id}/events", tag = "tasks", params(("id" = String, Path), From,
    ("Last-Event-ID" = Option<u64>, Header, description = "number of the last event that is known")),
    responses((status = 200, description = "Server-Sent Events, the task's history", content_type = "text/event-stream", body = TaskEventView)))]
pub async fn follow(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let from: From = call::query(&request)?;
    let resumed = match call::header(&request, "Last-Event-ID") {
        None => None,
        Some(text) => Some(
            text.parse::<u64>()
                .map_err(|_| Failure::invalid(format!("Last-Event-ID is {text:?}; it holds the number of an event")))?,
        ),
    };
    let task_id = task_id(&request)?;
    let mut follower = Follower {
        watch: gateway.signals.watch(&task_id)?,
        gateway,
        call,
        task_id,
        after: resumed.or(from.after).unwrap_or(0),
        pending: VecDeque::new(),
        finished: false,
        ends_at: Instant::now() + LIFETIME,
        failing_since: None,
    };
    // The first page decides over the status: an unknown task is no stream.
    let page = follower.read().await?;
    follower.accept(page);
    let frames = stream::unfold(follower, |mut follower| async move {
        let frame = follower.next().await?;
        Some((Ok::<Bytes, Infallible>(frame), follower))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(Box::pin(frames)))
}

/// One client's place in a history.
struct Follower {
    gateway: Data<Gateway>,
    call: Call,
    task_id: String,
    watch: Watch,
    after: u64,
    pending: VecDeque<TaskEvent>,
    finished: bool,
    ends_at: Instant,
    failing_since: Option<Instant>,
}

impl Follower {
    /// The next frame; none at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let mut heartbeat_at = Instant::now() + HEARTBEAT;
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(frame(event));
            }
            if self.finished || self.gateway.closing.is_cancelled() || Instant::now() >= self.ends_at {
                return None;
            }
            // Before the read: what happens during it is signalled for the next.
            self.watch.reset();
            match self.read().await {
                Ok(page) => {
                    self.failing_since = None;
                    let empty = page.events.is_empty();
                    self.accept(page);
                    if !empty || self.finished {
                        continue;
                    }
                }
                Err(failure) if self.is_passing(&failure) => tokio::time::sleep(RETRY).await,
                Err(failure) => {
                    self.finished = true;
                    return Some(error_frame(&failure));
                }
            }
            tokio::select! {
                () = self.watch.changed() => {}
                () = tokio::time::sleep(POLL) => {}
                () = self.gateway.closing.cancelled() => {}
            }
            if Instant::now() >= heartbeat_at {
                heartbeat_at = Instant::now() + HEARTBEAT;
                if self.pending.is_empty() {
                    return Some(Bytes::from_static(b": heartbeat\n\n"));
                }
            }
        }
    }

    async fn read(&self) -> Result<TaskHistoryReply, Failure> {
        let request = TaskHistoryRequest {
            caller: self.call.caller(),
            task_id: self.task_id.clone(),
            after_seq: self.after,
            limit: PAGE,
        };
        Ok(self.gateway.bus.call(verbs::kernel::HISTORY, &self.call.context(), &request).await?)
    }

    fn accept(&mut self, page: TaskHistoryReply) {
        if let Some(last) = page.events.last() {
            self.after = last.seq;
        }
        self.finished = page.finished;
        self.pending.extend(page.events);
    }

    fn is_passing(&mut self, failure: &Failure) -> bool {
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        let passing =
            matches!(failure.error.code, ErrorCode::Unavailable | ErrorCode::Overloaded | ErrorCode::DeadlineExceeded);
        passing && since.elapsed() < PATIENCE
    }
}

fn frame(event: TaskEvent) -> Bytes {
    let (seq, kind) = (event.seq, event.kind.clone());
    match serde_json::to_string(&TaskEventView::from(event)) {
        Ok(data) => Bytes::from(format!("id: {seq}\nevent: {kind}\ndata: {data}\n\n")),
        Err(error) => error_frame(&Error::internal(&error).into()),
    }
}

fn error_frame(failure: &Failure) -> Bytes {
    let data = serde_json::to_string(&failure.body(None)).unwrap_or_default();
    Bytes::from(format!("event: error\ndata: {data}\n\n"))
}
