//! One line of a batch is called as its own client would call it, with the rights of the key that made the batch.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use actix_web::ResponseError as _;
use actix_web::http::StatusCode;
use futures::FutureExt as _;
use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::batch::{Endpoint, Line, Outcome};
use crate::http::{Call, Failure, Gateway};
use crate::models::Terms;
use crate::routes::openai;
use crate::store::BatchRow;

/// One attempt at a line, unless its batch says otherwise. Of a router that died nobody says so: its calls are made again
/// after this.
const ATTEMPT: Duration = Duration::from_secs(180);
/// Attempts that may take so long.
const LONG_ATTEMPTS: u32 = 2;
/// A line that cannot be called now, because of a rate limit or because something is away, is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(900);
/// Wait before the second attempt where nobody says how long; it doubles with each.
const WAIT: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Calls the lines of a batch.
#[derive(Debug)]
pub struct LineCaller<'a> {
    gateway: &'a Gateway,
    row: &'a BatchRow,
    endpoint: Endpoint,
    terms: Terms,
    /// Lines that this process calls at once, of all batches.
    places: &'a Semaphore,
}

impl<'a> LineCaller<'a> {
    /// For the lines of one batch.
    pub fn new(gateway: &'a Gateway, row: &'a BatchRow, places: &'a Semaphore) -> Result<Self, Error> {
        let endpoint = Endpoint::of(&row.endpoint).ok_or_else(|| stored_wrong("endpoint"))?;
        let terms = serde_json::from_str(&row.terms).map_err(|_| stored_wrong("terms"))?;
        Ok(Self { gateway, row, endpoint, terms, places })
    }

    /// Calls a line until there is an answer or a failure that stays. None: `stop` came first, and it was not called.
    pub async fn call(&self, line: &Line, stop: &CancellationToken) -> Option<Outcome> {
        let begun = Instant::now();
        let (mut wait, mut long_attempts) = (WAIT, 0);
        loop {
            let place = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                place = self.places.acquire() => place.ok()?,
            };
            let attempt = AssertUnwindSafe(self.attempt(line)).catch_unwind().await;
            drop(place);
            let failure = match attempt {
                Ok(Ok(outcome)) => return Some(outcome),
                Ok(Err(failure)) => failure,
                // The others are not to suffer from it.
                Err(_panic) => {
                    Error::new(ErrorCode::Internal, "this request cannot be handled; the log says why").into()
                }
            };
            let passing = match failure.error.code {
                ErrorCode::RateLimited | ErrorCode::Overloaded | ErrorCode::Unavailable => true,
                ErrorCode::DeadlineExceeded => {
                    long_attempts += 1;
                    long_attempts < LONG_ATTEMPTS
                }
                _ => false,
            };
            let pause = failure.error.retry_after.unwrap_or(wait);
            if !passing || begun.elapsed().saturating_add(pause) > PATIENCE {
                return Some(failed(&failure));
            }
            let pause = pause.clamp(wait.min(WAIT), WAIT_MAX);
            wait = (wait * 2).min(WAIT_MAX);
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn attempt(&self, line: &Line) -> Result<Outcome, Failure> {
        // Read anew each time: a key that is revoked or ends takes the lines that are left with it.
        let identity = self.gateway.directory.load().active(&self.row.key_id, UnixMillis::now()).cloned();
        let identity = identity.ok_or_else(|| {
            Error::new(ErrorCode::Unauthenticated, "the API key that made the batch was revoked or has expired")
        })?;
        let deadline = self.terms.deadline_ms.map_or(ATTEMPT, Duration::from_millis);
        let call = Call::keyed(identity, deadline, format!("batch/{}/{}", self.row.id, line.n));
        let body = serde_json::to_vec(&line.body).map_err(|error| Error::internal(&error))?;
        let (body, reply) = openai::answer(self.endpoint, self.gateway, &call, &self.terms, &body).await?;
        let request_id = reply.decision.map(|decision| decision.id).unwrap_or_default();
        Ok(Outcome::Called { status: StatusCode::OK.as_u16(), request_id, body })
    }
}

fn failed(failure: &Failure) -> Outcome {
    // What is written here has string keys only, so it always serialises.
    let body = serde_json::to_string(&failure.openai_body()).unwrap_or_default();
    Outcome::Called { status: failure.status_code().as_u16(), request_id: String::new(), body }
}

fn stored_wrong(what: &str) -> Error {
    Error::new(ErrorCode::DataCorrupted, format!("the {what} of the batch do not read"))
}
