//! What whoever missed holds: the duty to make the answer for all who wait, which passes on when it ends without one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use orrery_proto::v1::InvokeReply;
use orrery_types::UnixMillis;

use crate::admission::{self, Expected};
use crate::cache::{Inner, Shared};
use crate::early;
use crate::flights::Seat;
use crate::store::{Entry, Neighbour, Place, millis};

/// From a miss to its answer. Dropping it without one hands over to the next who waits.
#[must_use = "fill it with the answer; dropping it hands over to the next who waits"]
pub struct Ticket(Option<Box<Held>>);

pub(crate) struct Held {
    pub seat: Option<Seat<Shared>>,
    pub lease: Lease,
    /// None: the store did not say, so that nothing can be kept.
    pub generation: Option<String>,
    pub neighbour: Option<Neighbour>,
    pub earlier: Option<InvokeReply>,
    pub expected: Expected,
    pub ttl: Duration,
    pub began: UnixMillis,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("takes_part", &self.takes_part()).finish()
    }
}

impl Ticket {
    /// Of a call that takes no part in the cache.
    pub(crate) fn idle() -> Self {
        Self(None)
    }

    pub(crate) fn new(held: Held) -> Self {
        Self(Some(Box::new(held)))
    }

    /// Whether the call takes part in the cache; if not, filling does nothing.
    pub fn takes_part(&self) -> bool {
        self.0.is_some()
    }

    /// For `InvokeReply.cache` of the answer that is made now: `miss`, or empty where the call takes no part.
    pub fn mark(&self) -> &'static str {
        if self.takes_part() { "miss" } else { "" }
    }

    /// The answer there was, when this call makes it anew before it ends. It still holds: give it if the model fails.
    pub fn earlier(&self) -> Option<InvokeReply> {
        let earlier = self.0.as_ref()?.earlier.clone()?;
        Some(InvokeReply { cache: "exact".to_owned(), ..earlier })
    }

    /// Gives the answer to all who wait, before anything else, and keeps it if it may be kept; returns whether it is kept.
    /// What is kept and shared has no route decision: that is each call's own. Waits for the store up to its deadline; a
    /// caller in a hurry may let this run in a task of its own.
    pub async fn fill(mut self, reply: &InvokeReply) -> bool {
        let Some(held) = self.0.take() else { return false };
        let Held { seat, mut lease, generation, neighbour, expected, ttl, began, earlier: _ } = *held;
        if !admission::answer(expected, reply) {
            if let Some(seat) = seat {
                seat.part();
            }
            return not_kept("not whole");
        }
        let reply = InvokeReply { decision: None, cache: String::new(), similarity: 0.0, ..reply.clone() };
        if let Some(seat) = seat {
            seat.land(&Shared { reply: Arc::new(reply.clone()), similarity: None });
        }
        let Some(generation) = generation else { return not_kept("no store") };
        let (now, settings) = (UnixMillis::now(), &lease.inner.settings);
        let life = early::time_to_live(ttl, settings.ttl_min, settings.ttl_max, rand::random());
        let entry = Entry {
            key: lease.place.key,
            created: now,
            expires: now.saturating_add(life),
            computing_ms: millis(now.since(began)),
            generation,
            reply,
        };
        let bytes = entry.encode();
        if bytes.len() > settings.answer_bytes_max {
            return not_kept("too large");
        }
        match lease.inner.store.put(&lease.place, &lease.token, &entry, neighbour.as_ref(), &bytes).await {
            None => not_kept("no store"),
            Some(kept) => {
                lease.held = false;
                if !kept {
                    return not_kept("forgotten");
                }
                metrics::counter!("orrery.cache.kept").increment(1);
                true
            }
        }
    }
}

fn not_kept(reason: &'static str) -> bool {
    metrics::counter!("orrery.cache.not_kept", "reason" => reason).increment(1);
    false
}

/// The lock on making the answer, given back however its holder ends.
pub(crate) struct Lease {
    inner: Arc<Inner>,
    place: Place,
    token: String,
    held: bool,
}

impl Lease {
    pub fn new(inner: Arc<Inner>, place: Place, token: String, held: bool) -> Self {
        Self { inner, place, token, held }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Without a runtime the lock ends by its own time.
        if self.held
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (inner, place, token) = (self.inner.clone(), self.place.clone(), std::mem::take(&mut self.token));
            runtime.spawn(async move { inner.store.unlock(&place, &token).await });
        }
    }
}
