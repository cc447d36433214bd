//! How deployments do, as this process sees it: written when a call ends, read by the next decision, neither waits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orrery_routing::breaker::{Admission, Breaker, Outcome};
use orrery_routing::catalogue::Catalogue;
use orrery_routing::decide::ModelHealth;
use orrery_types::UnixMillis;
use parking_lot::Mutex;

/// One cell for each model of the catalogue.
#[derive(Debug, Default)]
pub struct Board(BTreeMap<String, Arc<Cell>>);

#[derive(Debug, Default)]
struct Cell {
    breaker: Mutex<Breaker>,
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
    /// For a catalogue. Models that were there before keep what is known of them, the others are unmeasured and healthy.
    pub fn new(catalogue: &Catalogue, before: Option<&Self>) -> Self {
        let cell = |name: &String| before.and_then(|before| before.0.get(name)).cloned().unwrap_or_default();
        Self(catalogue.models.keys().map(|name| (name.clone(), cell(name))).collect())
    }

    /// What decisions are made from.
    pub fn health(&self, now: UnixMillis) -> BTreeMap<String, ModelHealth> {
        let health = |cell: &Cell| {
            let breaker = *cell.breaker.lock();
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
        match cell.breaker.lock().admission(now) {
            Admission::Open => Some(Permit(None)),
            Admission::Resting { .. } | Admission::Cooling { .. } => None,
            Admission::Probe => {
                let taken = cell.probing.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire);
                taken.is_ok().then(|| Permit(Some(cell.clone())))
            }
        }
    }

    /// A call to a model has ended.
    pub fn ended(&self, model: &str, outcome: Outcome, now: UnixMillis) {
        let Some(cell) = self.0.get(model) else { return };
        let (before, after) = {
            let mut breaker = cell.breaker.lock();
            let before = breaker.admission(now);
            *breaker = breaker.after(outcome, now);
            (before, breaker.admission(now))
        };
        match (before, after) {
            (Admission::Open | Admission::Probe, Admission::Resting { until } | Admission::Cooling { until }) => {
                tracing::warn!(gen_ai.request.model = model, %until, "model rests after failures");
            }
            (Admission::Probe, Admission::Open) => {
                tracing::info!(gen_ai.request.model = model, "model has recovered");
            }
            _ => return,
        }
        let open = if matches!(after, Admission::Open) { 1.0 } else { 0.0 };
        metrics::gauge!("orrery.router.model.healthy", "gen_ai.request.model" => model.to_owned()).set(open);
    }
}
