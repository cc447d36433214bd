//! What this router holds, so that it can be held again when Redis has forgotten it.

use std::collections::{HashMap, HashSet};

use orrery_types::{Nanos, UnixMillis};
use parking_lot::Mutex;

use orrery_routing::window::Window;

/// A reservation as Redis knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub id: String,
    pub amount: Nanos,
    pub expires: UnixMillis,
}

type Key = (String, Window);

#[derive(Debug, Default)]
pub(super) struct Reservations {
    held: Mutex<HashMap<Key, HashMap<String, Held>>>,
    /// Where Redis may know less than the ledger or hold an old limit.
    stale: Mutex<HashSet<Key>>,
}

impl Reservations {
    pub fn add(&self, tenant: &str, window: Window, id: &str, amount: Nanos, expires: UnixMillis) {
        let held = Held { id: id.to_owned(), amount, expires };
        self.held.lock().entry((tenant.to_owned(), window)).or_default().insert(id.to_owned(), held);
    }

    pub fn remove(&self, tenant: &str, window: Window, id: &str) {
        let mut all = self.held.lock();
        let key = (tenant.to_owned(), window);
        if let Some(of_tenant) = all.get_mut(&key) {
            of_tenant.remove(id);
            if of_tenant.is_empty() {
                all.remove(&key);
            }
        }
    }

    pub fn held(&self, tenant: &str, window: Window) -> Vec<Held> {
        let all = self.held.lock();
        all.get(&(tenant.to_owned(), window)).map(|held| held.values().cloned().collect()).unwrap_or_default()
    }

    pub fn mark_stale(&self, tenant: &str, window: Window) {
        self.stale.lock().insert((tenant.to_owned(), window));
    }

    /// For a changed limit. The month now under way is all that matters, and it is among those known.
    pub fn mark_all_stale(&self, tenant: &str) {
        let now = Window::at(UnixMillis::now());
        self.mark_stale(tenant, now);
    }

    pub fn is_stale(&self, tenant: &str, window: Window) -> bool {
        self.stale.lock().contains(&(tenant.to_owned(), window))
    }

    pub fn take_stale(&self, tenant: &str, window: Window) -> bool {
        self.stale.lock().remove(&(tenant.to_owned(), window))
    }
}
