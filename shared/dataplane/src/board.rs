//! How deployments do, as this process sees it: written when an attempt begins and ends, read by the next decision, neither
//! waits.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use orrery_providers::{Quota, SecretError};
use orrery_routing::allowance::{HedgeBudget, RetryBudget};
use orrery_routing::breaker::{Admission, Breaker, Outcome};
use orrery_routing::catalogue::Catalogue;
use orrery_routing::catalogue::route::Retry;
use orrery_routing::decide::{self, ModelHealth};
use orrery_routing::peak_ewma::PeakEwma;
use orrery_types::UnixMillis;
use parking_lot::Mutex;

/// What a provider says is left is believed for so long where it does not say for how long.
const QUOTA_KEPT: Duration = Duration::from_secs(1);
/// And for so long at most, so that a mistaken header does not set a model back for good.
const QUOTA_KEPT_MAX: Duration = Duration::from_secs(300);

/// A clock that does not go back begins here.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// One cell for each model of the catalogue.
#[derive(Debug, Default)]
pub struct Board {
    cells: BTreeMap<String, Arc<Cell>>,
    /// Models whose provider lacks a secret, and what is to be done.
    closed: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Cell {
    vitals: Mutex<Vitals>,
    in_flight: AtomicU32,
    /// A call is under way to see whether the model has recovered.
    probing: AtomicBool,
}

/// A few hundred bytes; held for some nanoseconds.
#[derive(Debug, Default)]
struct Vitals {
    breaker: Breaker,
    peak: PeakEwma,
    quota: Option<(Quota, Instant)>,
    retries: RetryBudget,
    hedges: HedgeBudget,
}

/// Leave to ask a model, which counts as under way until this is dropped.
#[derive(Debug)]
pub struct Permit {
    cell: Option<Arc<Cell>>,
    probes: bool,
    entered: Instant,
    ended: bool,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(cell) = &self.cell else { return };
        cell.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.probes {
            cell.probing.store(false, Ordering::Release);
        }
        if !self.ended {
            // Given up before the end: it would have taken longer than this.
            let (took, now) = (nanos(self.entered.elapsed()), clock());
            let mut vitals = cell.vitals.lock();
            if vitals.peak.at(now).is_none_or(|peak| peak < took) {
                vitals.peak = vitals.peak.after(took, now);
            }
        }
    }
}

impl Permit {
    /// The attempt has ended. Returns how long the model pauses now, if its provider asked for that.
    pub fn ended(&mut self, model: &str, outcome: Outcome, quota: Option<Quota>, now: UnixMillis) -> Option<Duration> {
        self.ended = true;
        let cell = self.cell.as_ref()?;
        let took = nanos(self.entered.elapsed());
        let (before, after) = {
            let mut vitals = cell.vitals.lock();
            let before = vitals.breaker.admission(now);
            vitals.breaker = vitals.breaker.after(outcome, now);
            // A refusal for the rate of calls says nothing about speed.
            if !matches!(outcome, Outcome::PauseAsked { .. }) {
                vitals.peak = vitals.peak.after(took, clock());
            }
            if let Some(quota) = quota {
                let kept = quota.resets_in.unwrap_or(QUOTA_KEPT).min(QUOTA_KEPT_MAX);
                vitals.quota = Some((quota, Instant::now() + kept));
            }
            (before, vitals.breaker.admission(now))
        };
        tell(model, before, after);
        match after {
            Admission::Cooling { until } => Some(until.since(now)),
            _ => None,
        }
    }
}

impl Board {
    /// For a catalogue, of whose providers some lack a secret. Models that are asked for in the same place as before keep what
    /// is known of them, the others are unmeasured and healthy.
    pub fn new(
        catalogue: &Catalogue,
        without_key: &BTreeMap<String, SecretError>,
        before: Option<(&Catalogue, &Self)>,
    ) -> Self {
        let cell = |name: &String| {
            let known = before.filter(|(before, _)| is_in_same_place(name, before, catalogue));
            known.and_then(|(_, board)| board.cells.get(name)).cloned().unwrap_or_default()
        };
        let closed = catalogue.models.values().filter_map(|model| {
            let error = without_key.get(&model.provider)?;
            Some((model.name.clone(), format!("its provider {:?} has no key: {error}", model.provider)))
        });
        let cells = catalogue.models.keys().map(|name| (name.clone(), cell(name))).collect();
        Self { cells, closed: closed.collect() }
    }

    /// What decisions are made from; models of which there is nothing to say are left out.
    pub fn health(&self, now: UnixMillis) -> BTreeMap<String, ModelHealth> {
        let each = self.cells.iter().filter_map(|(name, cell)| {
            let mut health = cell.health(now);
            if let Some(reason) = self.closed.get(name) {
                health.unavailable = Some(reason.clone());
            }
            (health != ModelHealth::default()).then(|| (name.clone(), health))
        });
        each.collect()
    }

    /// Whether a model takes calls now.
    pub fn is_open(&self, model: &str, now: UnixMillis) -> bool {
        !self.closed.contains_key(model)
            && self.cells.get(model).is_none_or(|cell| cell.health(now).unavailable.is_none())
    }

    /// Leave to ask a model now; none while it rests or another call probes it. `again` says that it is a retry.
    pub fn enter(&self, model: &str, again: bool, now: UnixMillis) -> Option<Permit> {
        let entered = Instant::now();
        let Some(cell) = self.cells.get(model) else {
            return Some(Permit { cell: None, probes: false, entered, ended: false });
        };
        let admission = {
            let mut vitals = cell.vitals.lock();
            let admission = vitals.breaker.admission(now);
            if !again && matches!(admission, Admission::Open | Admission::Probe) {
                vitals.retries.call(now);
            }
            admission
        };
        let probes = match admission {
            Admission::Open => false,
            Admission::Resting { .. } | Admission::Cooling { .. } => return None,
            Admission::Probe => {
                cell.probing.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).ok()?;
                true
            }
        };
        cell.in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Permit { cell: Some(cell.clone()), probes, entered, ended: false })
    }

    /// Takes one retry of a model, if its calls leave one.
    pub fn take_retry(&self, model: &str, settings: &Retry, now: UnixMillis) -> bool {
        self.cells.get(model).is_none_or(|cell| cell.vitals.lock().retries.take(settings, now))
    }

    /// A call has come in that would get a second attempt beside this model's if it is slow.
    pub fn may_be_slow(&self, model: &str, now: UnixMillis) {
        if let Some(cell) = self.cells.get(model) {
            cell.vitals.lock().hedges.call(now);
        }
    }

    /// Takes one second attempt, if the share of calls allows it.
    pub fn take_hedge(&self, model: &str, share_max: f64, now: UnixMillis) -> bool {
        self.cells.get(model).is_some_and(|cell| cell.vitals.lock().hedges.take(share_max, now))
    }
}

impl Cell {
    fn health(&self, now: UnixMillis) -> ModelHealth {
        let vitals = self.vitals.lock();
        let unavailable = match vitals.breaker.admission(now) {
            Admission::Open => None,
            Admission::Probe if self.probing.load(Ordering::Acquire) => Some("one call is probing it".to_owned()),
            Admission::Probe => None,
            Admission::Resting { until } => Some(format!("it rests after failures until {until}")),
            Admission::Cooling { until } => Some(format!("its provider asked for a pause until {until}")),
        };
        let quota = vitals.quota.and_then(|(quota, until)| {
            let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            Some(decide::Quota { requests: quota.requests, tokens: quota.tokens, until: now.saturating_add(left) })
        });
        ModelHealth {
            unavailable,
            latency_ms: vitals.breaker.latency_ms(),
            peak_ewma_ns: vitals.peak.at(clock()),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            quota,
        }
    }
}

/// Whether a model of two catalogues is the same one of the same provider.
fn is_in_same_place(name: &str, before: &Catalogue, now: &Catalogue) -> bool {
    let place = |catalogue: &Catalogue| {
        let model = catalogue.models.get(name)?;
        Some((model.upstream().to_owned(), catalogue.provider_of(model)?.clone()))
    };
    place(before) == place(now)
}

fn tell(model: &str, before: Admission, after: Admission) {
    match (before, after) {
        (Admission::Open | Admission::Probe, Admission::Resting { until }) => {
            tracing::warn!(gen_ai.request.model = model, %until, "model rests after failures");
        }
        (Admission::Open | Admission::Probe, Admission::Cooling { until }) => {
            tracing::warn!(gen_ai.request.model = model, %until, "model pauses, as its provider asked");
        }
        (Admission::Probe, Admission::Open) => {
            tracing::info!(gen_ai.request.model = model, "model has recovered");
        }
        _ => return,
    }
    let open = if matches!(after, Admission::Open) { 1.0 } else { 0.0 };
    metrics::gauge!("orrery.router.model.healthy", "gen_ai.request.model" => model.to_owned()).set(open);
}

fn clock() -> u64 {
    nanos(EPOCH.elapsed())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const T0: UnixMillis = UnixMillis(1_000_000);

    fn board() -> Board {
        Board { cells: BTreeMap::from([("m".to_owned(), Arc::default())]), closed: BTreeMap::new() }
    }

    #[test]
    fn what_is_under_way_is_counted_until_it_ends() {
        let board = board();
        assert!(board.health(T0).is_empty(), "nothing is known yet");
        let (mut one, two) = (board.enter("m", false, T0).unwrap(), board.enter("m", false, T0).unwrap());
        assert_eq!(board.health(T0)["m"].in_flight, 2);
        assert_eq!(one.ended("m", Outcome::Answered { latency_ms: 7 }, None, T0), None);
        drop((one, two));
        let health = board.health(T0)["m"].clone();
        assert_eq!((health.in_flight, health.latency_ms), (0, Some(7)));
        assert!(health.peak_ewma_ns.is_some());
    }

    #[test]
    fn a_pause_without_a_hint_begins_and_ends() {
        let board = board();
        let mut permit = board.enter("m", false, T0).unwrap();
        let asked = Outcome::PauseAsked { pause: Duration::ZERO };
        let pause = permit.ended("m", asked, None, T0).unwrap();
        assert!(!pause.is_zero());
        assert!(board.enter("m", false, T0).is_none() && !board.is_open("m", T0));
        let later = T0.saturating_add(pause);
        assert!(board.is_open("m", later) && board.enter("m", false, later).is_some());
    }

    #[test]
    fn a_quota_holds_until_it_is_renewed() {
        let board = board();
        let quota = |resets_in| Quota { requests: Some(0), tokens: None, resets_in };
        let told = |resets_in| {
            let mut permit = board.enter("m", false, T0).unwrap();
            permit.ended("m", Outcome::Answered { latency_ms: 1 }, Some(quota(resets_in)), T0);
            board.health(T0)["m"].quota
        };
        let hour = told(Some(Duration::from_secs(3600))).unwrap();
        assert!(hour.used_up(1, T0) && hour.until <= T0.saturating_add(QUOTA_KEPT_MAX), "an hour is not believed");
        assert_eq!(told(Some(Duration::ZERO)), None, "it is renewed already");
        assert!(told(None).unwrap().until <= T0.saturating_add(QUOTA_KEPT));
    }

    #[test]
    fn retries_and_hedges_are_paid_for_by_calls() {
        let board = board();
        let settings = Retry { attempts: 4, budget_percent: 50, per_second_min: 0 };
        assert!(!board.take_retry("m", &settings, T0) && !board.take_hedge("m", 0.5, T0));
        for _ in 0..2 {
            board.enter("m", false, T0).unwrap();
            board.may_be_slow("m", T0);
        }
        board.enter("m", true, T0).unwrap();
        assert!(board.take_retry("m", &settings, T0) && !board.take_retry("m", &settings, T0));
        assert!(board.take_hedge("m", 0.5, T0) && !board.take_hedge("m", 0.5, T0));
    }
}
