//! What stands before the store, so that one that is slow or gone costs nothing: a deadline for each operation, and a breaker
//! that asks nobody while the store rests.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orrery_routing::breaker::{Admission, Breaker, Outcome};
use orrery_types::UnixMillis;
use parking_lot::Mutex;
use redis::RedisResult;

/// What came of an operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked<T> {
    Answered(T),
    /// No answer: the store rests, was too slow, or failed.
    Unanswered,
    /// As `Unanswered`, and the store rests from now on.
    Opened,
}

#[derive(Debug, Default)]
pub(super) struct Gate {
    breaker: Mutex<Breaker>,
    probing: AtomicBool,
}

/// Lets the next probe in, also when this one's caller leaves.
struct Probe<'a>(&'a AtomicBool);

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Gate {
    pub async fn ask<T>(
        &self,
        operation: &'static str,
        deadline: Duration,
        asking: impl Future<Output = RedisResult<T>>,
    ) -> Asked<T> {
        let admission = self.breaker.lock().admission(UnixMillis::now());
        let _probe = match admission {
            Admission::Open => None,
            Admission::Resting { .. } | Admission::Cooling { .. } => return Asked::Unanswered,
            Admission::Probe if self.probing.swap(true, Ordering::AcqRel) => return Asked::Unanswered,
            Admission::Probe => Some(Probe(&self.probing)),
        };
        let problem = match tokio::time::timeout(deadline, asking).await {
            Ok(Ok(value)) => {
                self.count(Outcome::Answered { latency_ms: 0 });
                return Asked::Answered(value);
            }
            Ok(Err(error)) if !(error.is_io_error() || error.is_unrecoverable_error()) => {
                // It is there and refuses, which costs no time: a key of another type, no memory left.
                self.count(Outcome::Answered { latency_ms: 0 });
                metrics::counter!("orrery.cache.store.failures", "operation" => operation).increment(1);
                tracing::warn!(operation, %error, "the cache's store refuses; look at the message's cause in Redis");
                return Asked::Unanswered;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => format!("no answer within {} ms", deadline.as_millis()),
        };
        metrics::counter!("orrery.cache.store.failures", "operation" => operation).increment(1);
        if self.count(Outcome::Failed) {
            tracing::warn!(
                operation,
                error = problem,
                "the cache's store rests after failures; questions go to models"
            );
            return Asked::Opened;
        }
        tracing::debug!(operation, error = problem, "the cache's store did not answer");
        Asked::Unanswered
    }

    /// Whether the store rests because of this.
    fn count(&self, outcome: Outcome) -> bool {
        let now = UnixMillis::now();
        let mut breaker = self.breaker.lock();
        let was_resting = matches!(breaker.admission(now), Admission::Resting { .. });
        *breaker = breaker.after(outcome, now);
        !was_resting && matches!(breaker.admission(now), Admission::Resting { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fails(gate: &Gate) -> Asked<()> {
        let refused = async { Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()) };
        gate.ask("test", Duration::from_secs(5), refused).await
    }

    #[tokio::test]
    async fn a_store_that_rests_is_not_asked() {
        let gate = Gate::default();
        let mut opened = 0;
        for _ in 0..5 {
            opened += u32::from(fails(&gate).await == Asked::Opened);
        }
        assert_eq!(opened, 1);
        let asked = gate.ask("test", Duration::from_secs(5), async { panic!("asked a store that rests") }).await;
        assert_eq!(asked, Asked::<()>::Unanswered);
    }

    #[tokio::test]
    async fn a_refusal_is_no_absence() {
        let gate = Gate::default();
        for _ in 0..20 {
            let refuses = async { Err(redis::RedisError::from((redis::ErrorKind::UnexpectedReturnType, "a list"))) };
            assert_eq!(gate.ask("test", Duration::from_secs(5), refuses).await, Asked::<()>::Unanswered);
        }
        assert_eq!(gate.ask("test", Duration::from_secs(5), async { Ok(7) }).await, Asked::Answered(7));
    }

    #[tokio::test]
    async fn silence_is_a_failure() {
        let gate = Gate::default();
        let silent = std::future::pending::<RedisResult<()>>();
        assert_eq!(gate.ask("test", Duration::from_millis(1), silent).await, Asked::Unanswered);
        assert_eq!(gate.ask("test", Duration::from_secs(5), async { Ok(7) }).await, Asked::Answered(7));
    }
}
