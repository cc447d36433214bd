//! Requests under way, from their head to the last byte of their answer, so that a process that goes down knows when it
//! may. Idle connections, which clients keep for an hour, are not waited for.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::room::Place;

/// The requests under way.
#[derive(Debug, Clone, Default)]
pub struct InFlight(TaskTracker);

impl InFlight {
    /// One more, until the token is dropped.
    pub fn enter(&self) -> TaskTrackerToken {
        self.0.token()
    }

    /// Resolves once none is under way.
    pub async fn none(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

/// The body of an answer, which counts as under way until it is sent.
#[derive(Debug)]
pub struct Tracked {
    body: BoxBody,
    _token: TaskTrackerToken,
    _place: Option<Place>,
}

impl Tracked {
    /// Holds `token` and `place` for as long as `body` is sent.
    pub fn new(body: BoxBody, token: TaskTrackerToken, place: Option<Place>) -> Self {
        Self { body, _token: token, _place: place }
    }
}

impl MessageBody for Tracked {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
