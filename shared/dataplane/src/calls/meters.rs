//! OpenTelemetry's GenAI metrics of calls that are over; money is our own.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use metrics::{Counter, Histogram, counter, histogram};
use orrery_errors::ErrorCode;
use orrery_proto::v1::Usage;
use orrery_routing::catalogue::Capability;
use parking_lot::RwLock;

use super::Call;
use super::conclude::OK;
use super::course::Tally;

/// Combinations that are remembered; beyond, all are forgotten.
const KNOWN_MAX: usize = 4096;

/// By capability and outcome, then by model.
type Known = HashMap<(Capability, &'static str), HashMap<String, Meters>>;

/// What has been met: looking meters up costs less than writing their labels down.
static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

#[derive(Clone)]
struct Meters {
    provider: String,
    duration: Histogram,
    input_tokens: Counter,
    output_tokens: Counter,
    cost_nanos: Counter,
}

impl Meters {
    fn new(call: &Call, tally: &Tally, outcome: &'static str) -> Self {
        let labels = [
            ("gen_ai.operation.name", call.facts.capability.to_string()),
            ("gen_ai.provider.name", tally.provider.clone()),
            ("gen_ai.request.model", tally.model.clone()),
            ("outcome", outcome.to_owned()),
        ];
        Self {
            provider: tally.provider.clone(),
            duration: histogram!("gen_ai.client.operation.duration", &labels),
            input_tokens: counter!("gen_ai.client.input_tokens", &labels),
            output_tokens: counter!("gen_ai.client.output_tokens", &labels),
            cost_nanos: counter!("orrery.router.cost_nanos", &labels),
        }
    }

    fn of(call: &Call, tally: &Tally, outcome: &'static str) -> Self {
        let kind = (call.facts.capability, outcome);
        let fits = |meters: &&Self| meters.provider == tally.provider;
        if let Some(known) = KNOWN.read().get(&kind).and_then(|models| models.get(&tally.model)).filter(fits) {
            return known.clone();
        }
        let meters = Self::new(call, tally, outcome);
        let mut known = KNOWN.write();
        if known.values().map(HashMap::len).sum::<usize>() >= KNOWN_MAX {
            known.clear();
        }
        known.entry(kind).or_default().insert(tally.model.clone(), meters.clone());
        meters
    }
}

/// Counts a call that is over.
pub(super) fn count(call: &Call, tally: &Tally, usage: &Usage, outcome: &'static str) {
    let meters = Meters::of(call, tally, outcome);
    meters.duration.record(Duration::from_millis(usage.duration_ms).as_secs_f64());
    meters.input_tokens.increment(usage.input_tokens);
    meters.output_tokens.increment(usage.output_tokens);
    meters.cost_nanos.increment(usage.cost_nanos);
    if outcome != OK && outcome != ErrorCode::Cancelled.as_str() {
        tracing::warn!(
            call.id,
            task.id = call.task_id,
            gen_ai.operation.name = call.facts.capability.as_str(),
            outcome,
            attempts = tally.attempts,
            "call failed"
        );
    }
}
