//! What travels with a call beside its payload.

use std::time::{Duration, SystemTime};

use async_nats::HeaderMap;
use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;

use crate::subjects::{HEADER_DEADLINE, HEADER_IDEMPOTENCY_KEY, HEADER_LEFT};

/// Time allowed for a call whose caller gave none.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// Deadline and idempotency key of a call. The trace context is taken from the current span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallContext {
    /// After this nobody waits for the answer.
    pub deadline: UnixMillis,
    /// Calls with the same key have one effect.
    pub idempotency_key: Option<String>,
}

impl CallContext {
    /// A call that may take this long from now.
    pub fn within(duration: Duration) -> Self {
        Self { deadline: now().saturating_add(duration), idempotency_key: None }
    }

    /// A call that must be over at `deadline`.
    pub fn until(deadline: UnixMillis) -> Self {
        Self { deadline, idempotency_key: None }
    }

    /// With an idempotency key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// The same deadline for a call made on behalf of this one, without its key.
    #[must_use]
    pub fn onward(&self) -> Self {
        Self::until(self.deadline)
    }

    /// Time that is left; an error once there is none.
    pub fn remaining(&self) -> Result<Duration, Error> {
        let left = self.deadline.since(now());
        if left.is_zero() {
            return Err(deadline_exceeded());
        }
        Ok(left)
    }

    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(HEADER_DEADLINE, self.deadline.0.to_string());
        headers.insert(HEADER_LEFT, self.deadline.since(now()).as_millis().to_string());
        if let Some(key) = &self.idempotency_key {
            headers.insert(HEADER_IDEMPOTENCY_KEY, key.as_str());
        }
        orrery_telemetry::inject(headers);
    }

    pub(crate) fn read(headers: Option<&HeaderMap>) -> Self {
        let text = |name: &str| headers.and_then(|headers| headers.get(name)).map(|value| value.as_str().to_owned());
        let number = |name: &str| text(name).and_then(|value| value.parse().ok());
        // What is left is the better measure: clocks of machines differ, and jump. Who sends only the deadline has one clock.
        let left = number(HEADER_LEFT).map(|left| now().saturating_add(Duration::from_millis(left)));
        let deadline = left.or_else(|| number(HEADER_DEADLINE).map(UnixMillis));
        Self {
            deadline: deadline.unwrap_or_else(|| now().saturating_add(DEFAULT_DEADLINE)),
            idempotency_key: text(HEADER_IDEMPOTENCY_KEY),
        }
    }
}

impl Default for CallContext {
    fn default() -> Self {
        Self::within(DEFAULT_DEADLINE)
    }
}

pub(crate) fn deadline_exceeded() -> Error {
    Error::new(ErrorCode::DeadlineExceeded, "the deadline passed before an answer was there; allow more time or retry")
}

fn now() -> UnixMillis {
    UnixMillis::from_system_time(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callee_goes_by_its_own_clock() {
        let mut headers = HeaderMap::new();
        CallContext::within(Duration::from_secs(20)).write(&mut headers);
        // As written by somebody whose clock is an hour behind.
        headers.insert(HEADER_DEADLINE, (now().0 - 3_580_000).to_string());
        let left = CallContext::read(Some(&headers)).remaining().map_err(|error| error.code);
        assert!(left.is_ok_and(|left| left > Duration::from_secs(15) && left <= Duration::from_secs(20)), "{left:?}");
        headers.insert(HEADER_LEFT, "");
        assert!(CallContext::read(Some(&headers)).remaining().is_err(), "the deadline alone has passed");
    }
}
