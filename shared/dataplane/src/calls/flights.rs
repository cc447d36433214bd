//! Calls under way. Those with the same key become one (single flight); a call that nobody waits for any more is told so.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::InvokeReply;
use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;

use super::key_used_for_another;

type Key = (String, String);
type Outcome = Result<Arc<InvokeReply>, Error>;

/// The calls under way that have a key.
#[derive(Default)]
pub struct Flights {
    under_way: Arc<Mutex<HashMap<Key, Flight>>>,
    next: AtomicU64,
}

struct Flight {
    /// Tells this flight from a later one under the same key.
    number: u64,
    digest: String,
    outcome: Shared<BoxFuture<'static, Outcome>>,
    /// Cancels the call when the last who waits is gone.
    waiting: Weak<DropGuard>,
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("under_way", &self.under_way.lock().len()).finish()
    }
}

impl Flights {
    /// Runs `call` in a task of its own, or waits for the one that runs under the same key. Dropping the future leaves;
    /// the token that `call` is given is cancelled once all have left.
    pub async fn join<C, F>(&self, key: Option<Key>, digest: &str, call: C) -> Outcome
    where
        C: FnOnce(CancellationToken) -> F,
        F: Future<Output = Result<InvokeReply, Error>> + Send + 'static,
    {
        let Some(key) = key else {
            let (outcome, _waiting) = launch(call, || ());
            return outcome.await;
        };
        let (outcome, _waiting) = {
            let mut flights = self.under_way.lock();
            let joined = flights.get(&key).and_then(|flight| flight.waiting.upgrade().map(|waiting| (flight, waiting)));
            match joined {
                Some((flight, _)) if flight.digest != digest => return Err(key_used_for_another(&key.1)),
                Some((flight, waiting)) => (flight.outcome.clone(), waiting),
                None => {
                    let number = self.next.fetch_add(1, Ordering::Relaxed);
                    let (all, landed) = (self.under_way.clone(), key.clone());
                    let (outcome, waiting) = launch(call, move || {
                        let mut all = all.lock();
                        if all.get(&landed).is_some_and(|flight| flight.number == number) {
                            all.remove(&landed);
                        }
                    });
                    let waiting = Arc::new(waiting);
                    let (digest, left) = (digest.to_owned(), Arc::downgrade(&waiting));
                    let flight = Flight { number, digest, outcome: outcome.clone(), waiting: left };
                    flights.insert(key, flight);
                    (outcome, waiting)
                }
            }
        };
        outcome.await
    }
}

fn launch<C, F>(call: C, landed: impl FnOnce() + Send + 'static) -> (Shared<BoxFuture<'static, Outcome>>, DropGuard)
where
    C: FnOnce(CancellationToken) -> F,
    F: Future<Output = Result<InvokeReply, Error>> + Send + 'static,
{
    let left = CancellationToken::new();
    // Kilobytes, which would be copied with every layer around them.
    let running = Box::pin(call(left.clone()));
    let flight = async move {
        let outcome = running.await.map(Arc::new);
        landed();
        outcome
    };
    let task = tokio::spawn(flight.in_current_span());
    let outcome = task.map(|joined| match joined {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::new(ErrorCode::Internal, format!("the call ended unexpectedly: {error}"))),
    });
    (outcome.boxed().shared(), left.drop_guard())
}
