//! How models do, as the calls tell that the ledger takes: kept in memory, over all processes that make calls. A router that
//! starts anew begins with nothing.

use std::collections::BTreeMap;

use orrery_errors::ErrorCode;
use orrery_proto::v1::CallRecord;
use orrery_routing::statistics::{ModelStatistics, OtherAccuracy, Rolling, Sample, Span, Summary};
use orrery_types::{Nanos, UnixMillis};
use parking_lot::Mutex;
use std::time::Duration;

/// What a call log brings later than this tells nothing of now.
const LATE: Duration = Duration::from_secs(60);

/// Errors that tell something of the model; the others tell of the call.
const OF_THE_MODEL: [ErrorCode; 8] = [
    ErrorCode::ModelFailed,
    ErrorCode::Unavailable,
    ErrorCode::Overloaded,
    ErrorCode::RateLimited,
    ErrorCode::DeadlineExceeded,
    ErrorCode::Unauthenticated,
    ErrorCode::Forbidden,
    ErrorCode::Internal,
];

/// One model over the last minute, hour and day.
#[derive(Debug, serde::Serialize)]
pub struct Spans {
    /// The last minute.
    pub minute: Summary,
    /// The last hour.
    pub hour: Summary,
    /// The last day.
    pub day: Summary,
}

/// By model.
#[derive(Debug, Default)]
pub struct Measured(Mutex<BTreeMap<String, Rolling>>);

impl Measured {
    /// Counts calls that have just been taken into the ledger. Kept answers say nothing of the model.
    pub fn note(&self, records: &[CallRecord], now: UnixMillis) {
        let mut models = self.0.lock();
        let of_models = records.iter().filter(|record| !record.model.is_empty() && record.cache.is_empty());
        for record in of_models.filter(|record| now.since(UnixMillis(record.at_ms)) <= LATE) {
            models.entry(record.model.clone()).or_default().record(&sample(record), now);
        }
    }

    /// What decisions should know, of models of which anything is known.
    pub fn statistics(&self, now: UnixMillis) -> Result<BTreeMap<String, ModelStatistics>, OtherAccuracy> {
        let models = self.0.lock();
        let told = models.iter().map(|(name, rolling)| Ok((name.clone(), rolling.model_statistics(now)?)));
        let known = told.filter(|it| it.as_ref().map_or(true, |(_, it)| *it != ModelStatistics::default()));
        known.collect()
    }

    /// What people should know.
    pub fn spans(&self, now: UnixMillis) -> Result<BTreeMap<String, Spans>, OtherAccuracy> {
        let models = self.0.lock();
        let spans = |rolling: &Rolling| {
            Ok(Spans {
                minute: rolling.summary(Span::Minute, now)?,
                hour: rolling.summary(Span::Hour, now)?,
                day: rolling.summary(Span::Day, now)?,
            })
        };
        models.iter().map(|(name, rolling)| Ok((name.clone(), spans(rolling)?))).collect()
    }
}

fn sample(record: &CallRecord) -> Sample<'_> {
    let usage = record.usage.unwrap_or_default();
    let answered = record.outcome == "ok";
    // What others were asked before it is not this model's time.
    let alone = answered && record.attempts <= 1;
    Sample {
        latency_ms: alone.then_some(usage.duration_ms),
        ttft_ms: Some(record.first_token_ms).filter(|ms| *ms > 0),
        output_tokens: usage.output_tokens,
        cost: Nanos::new(usage.cost_nanos).unwrap_or_default(),
        error: OF_THE_MODEL.iter().map(|code| code.as_str()).find(|code| *code == record.outcome),
    }
}

#[cfg(test)]
mod tests {
    use orrery_proto::v1::Usage;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn record(outcome: &str, change: impl FnOnce(&mut CallRecord)) -> CallRecord {
        let usage = Usage { duration_ms: 100, cost_nanos: 7, ..Usage::default() };
        let mut record = CallRecord {
            model: "m".into(),
            outcome: outcome.into(),
            usage: Some(usage),
            attempts: 1,
            at_ms: NOW.0,
            ..CallRecord::default()
        };
        change(&mut record);
        record
    }

    #[test]
    fn calls_tell_of_their_model_and_kept_answers_do_not() {
        let measured = Measured::default();
        let mut records: Vec<CallRecord> = (0..6).map(|_| record("ok", |_| ())).collect();
        records.extend([
            record("model_failed", |_| ()),
            record("cancelled", |_| ()),
            record("ok", |it| (it.attempts, it.usage.as_mut().unwrap().duration_ms) = (3, 90_000)),
            record("ok", |it| it.cache = "exact".into()),
            record("ok", |it| it.at_ms = NOW.0 - 61_000),
            record("no_model", |it| it.model.clear()),
        ]);
        measured.note(&records, NOW);
        let minute = measured.spans(NOW).unwrap().remove("m").unwrap().minute;
        assert_eq!((minute.calls, minute.failed(), minute.spent.get()), (9, 1, 63));
        assert_eq!(minute.errors["model_failed"], 1);
        assert!(minute.latency.p50_ms.unwrap().abs_diff(100) <= 4, "{minute:?}");
        let statistics = measured.statistics(NOW).unwrap();
        assert_eq!(statistics["m"].error_ppm, 111_111);
    }
}
