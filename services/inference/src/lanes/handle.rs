//! Submitting to a lane.

use actix::Message;
use orrery_errors::{Error, ErrorCode};
use orrery_supervise::{Handle, SendError};
use orrery_types::UnixMillis;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::{Backend, LaneActor};

/// A request with its urgency.
#[derive(Debug)]
pub struct Submission<B: Backend> {
    pub(super) request: B::Request,
    pub(super) priority: u32,
    pub(super) deadline: UnixMillis,
    pub(super) cancelled: CancellationToken,
    /// Of the call that it came with.
    pub(super) caller: Span,
}

impl<B: Backend> Message for Submission<B> {
    type Result = Result<B::Reply, Error>;
}

/// The way to a lane's model. Cheap to clone.
#[allow(missing_debug_implementations)] // backends hold tensors
pub struct Lane<B: Backend>(Handle<LaneActor<B>>);

impl<B: Backend> Clone for Lane<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Backend> Lane<B> {
    /// Over the handle of a supervised lane.
    pub fn new(handle: Handle<LaneActor<B>>) -> Self {
        Self(handle)
    }

    /// Waits for the model's answer, at most until `deadline`. Dropping the future stops the model's work on it.
    pub async fn submit(&self, request: B::Request, priority: u32, deadline: UnixMillis) -> Result<B::Reply, Error> {
        let cancelled = CancellationToken::new();
        let _stops_the_work_when_dropped = cancelled.clone().drop_guard();
        let patience = deadline.since(UnixMillis::now());
        let submission = Submission { request, priority, deadline, cancelled, caller: Span::current() };
        match self.0.ask_within(submission, patience).await {
            Ok(answer) => answer,
            Err(error) => Err(not_submitted(&error)),
        }
    }
}

fn not_submitted(error: &SendError) -> Error {
    let code = match error {
        SendError::Full { .. } => ErrorCode::Overloaded,
        SendError::Deadline { .. } => ErrorCode::DeadlineExceeded,
        SendError::Lost { .. } => ErrorCode::ModelFailed,
        SendError::Restarting { .. } | SendError::Draining { .. } | SendError::Stopped { .. } => ErrorCode::Unavailable,
    };
    let public = Error::new(code, error.to_string());
    match error.retry_after() {
        Some(after) => public.retry_after(after),
        None => public,
    }
}
