//! The health of all models as calls see it: written by the actor of each model, read without waiting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use orrery_types::UnixMillis;

use orrery_routing::breaker::{Admission, Breaker};
use orrery_routing::catalogue::Catalogue;
use orrery_routing::decide::ModelHealth;

/// One cell for each model of the catalogue.
#[derive(Debug, Default)]
pub struct Board(BTreeMap<String, Arc<Cell>>);

#[derive(Debug, Default)]
struct Cell {
    breaker: ArcSwap<Breaker>,
    /// A call is under way to see whether the model has recovered.
    probing: AtomicBool,
}

/// Leave to call a model. A probe's ends when this is dropped.
#[derive(Debug)]
pub struct Permit(Option<Arc<Cell>>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(cell) = &self.0 {
            cell.probing.store(false, Ordering::Release);
        }
    }
}

impl Board {
    /// All models unmeasured and healthy.
    pub fn new(catalogue: &Catalogue) -> Self {
        Self(catalogue.models.keys().map(|name| (name.clone(), Arc::default())).collect())
    }

    /// What decisions are made from.
    pub fn health(&self, now: UnixMillis) -> BTreeMap<String, ModelHealth> {
        let health = |cell: &Cell| {
            let breaker = cell.breaker.load();
            let unavailable = match breaker.admission(now) {
                Admission::Open => None,
                Admission::Probe if cell.probing.load(Ordering::Acquire) => Some("one call is probing it".to_owned()),
                Admission::Probe => None,
                Admission::Resting { until } => Some(format!("it rests after failures until {until}")),
                Admission::Cooling { until } => Some(format!("its provider asked for a pause until {until}")),
            };
            ModelHealth { unavailable, latency_ms: breaker.latency_ms(), ..ModelHealth::default() }
        };
        self.0.iter().map(|(name, cell)| (name.clone(), health(cell))).collect()
    }

    /// Leave to call a model now; none while it rests or another call probes it.
    pub fn enter(&self, model: &str, now: UnixMillis) -> Option<Permit> {
        let Some(cell) = self.0.get(model) else { return Some(Permit(None)) };
        match cell.breaker.load().admission(now) {
            Admission::Open => Some(Permit(None)),
            Admission::Resting { .. } | Admission::Cooling { .. } => None,
            Admission::Probe => {
                let taken = cell.probing.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire);
                taken.is_ok().then(|| Permit(Some(cell.clone())))
            }
        }
    }

    /// Takes over the state that a model's actor has reached.
    pub(super) fn publish(&self, model: &str, breaker: Breaker) {
        if let Some(cell) = self.0.get(model) {
            cell.breaker.store(Arc::new(breaker));
        }
    }
}
