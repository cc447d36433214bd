//! Batches between wire messages and rows.

use std::sync::Arc;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1;
use orrery_types::Sha256Digest;
use serde_json::{Value, json};

use super::convert::{invalid, run_filter, unsigned};
use crate::domain::batch::{BatchState, Operation, RATE, RATES};
use crate::domain::transition::PAYLOAD_BYTES_MAX;
use crate::store::{BatchFailureRow, BatchRow, RunFilter};

/// Longest reason, pointer or name.
const TEXT_BYTES_MAX: usize = 4_000;

/// An operation but for what only the database knows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// It.
    Operation(Operation),
    /// A migration to this version.
    Migrate(String),
}

/// What is to be done, with all that it needs and nothing that it does not.
pub(super) fn wanted(request: &v1::CreateBatchRequest) -> Result<Wanted, Error> {
    let has = [
        ("pointer", !request.pointer.is_empty(), v1::BatchOperation::Reset),
        ("iteration", request.iteration.is_some(), v1::BatchOperation::Reset),
        ("signal", !request.signal.is_empty(), v1::BatchOperation::Signal),
        ("payload", !request.payload_json.is_empty(), v1::BatchOperation::Signal),
        ("workflow to move to", !request.workflow.is_empty(), v1::BatchOperation::Migrate),
    ];
    let operation = request.operation();
    if let Some((name, ..)) = has.iter().find(|(_, is_given, of)| *is_given && *of != operation) {
        return Err(invalid(format!("the {name} is given, which this operation does not take: leave it out")));
    }
    for (name, text) in [("reason", &request.reason), ("pointer", &request.pointer), ("signal", &request.signal)] {
        if text.len() > TEXT_BYTES_MAX {
            return Err(invalid(format!("the {name} is longer than {TEXT_BYTES_MAX} bytes")));
        }
    }
    let given = |name: &str, text: &str| match text {
        "" => Err(invalid(format!("the {name} is missing"))),
        text => Ok(text.to_owned()),
    };
    Ok(Wanted::Operation(match operation {
        v1::BatchOperation::Unspecified => return Err(invalid("the operation is missing")),
        v1::BatchOperation::Retry => Operation::Retry,
        v1::BatchOperation::Cancel => Operation::Cancel,
        v1::BatchOperation::Terminate => Operation::Terminate,
        v1::BatchOperation::Signal => {
            Operation::Signal { name: given("signal", &request.signal)?, payload: payload(&request.payload_json)? }
        }
        v1::BatchOperation::Reset => Operation::Reset {
            pointer: given("pointer of the step", &request.pointer)?.into(),
            iteration: request.iteration,
        },
        v1::BatchOperation::Migrate => {
            return given("workflow to move to", &request.workflow).map(Wanted::Migrate);
        }
    }))
}

fn payload(text: &str) -> Result<Arc<Value>, Error> {
    if text.len() > PAYLOAD_BYTES_MAX {
        let message = format!("the payload is longer than {PAYLOAD_BYTES_MAX} bytes: send a reference instead");
        return Err(Error::new(ErrorCode::PayloadTooLarge, message));
    }
    let parsed = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(text) };
    parsed.map(Arc::new).map_err(|error| invalid(format!("the payload is not JSON: {error}")))
}

/// Which runs were asked for; a filter that meets everything is taken for a mistake.
pub(super) fn filter(filter: Option<&v1::ListTasksRequest>) -> Result<RunFilter, Error> {
    let filter = filter.map(run_filter).transpose()?.unwrap_or_default();
    if filter == RunFilter::default() {
        return Err(invalid("the filter names nothing: name at least a workflow, a status, a time or an attribute"));
    }
    Ok(filter)
}

/// Runs in a thousand seconds.
pub(super) fn rate(per_second: f64, rate_max: u32) -> Result<i64, Error> {
    let highest = (*RATES.end()).min(i64::from(rate_max) * 1_000);
    if per_second == 0.0 {
        return Ok(RATE.min(highest));
    }
    let rate = (per_second * 1_000.0).round();
    let (low, high) = (*RATES.start() as f64, highest as f64);
    if !(low..=high).contains(&rate) {
        let message =
            format!("the rate is {per_second}: choose {} to {} tasks a second", low / 1_000.0, high / 1_000.0);
        return Err(invalid(message));
    }
    Ok(rate as i64)
}

/// What makes two requests for a batch the same.
pub(super) fn request_digest(request: &v1::CreateBatchRequest, filter: &RunFilter, principal: &str) -> String {
    let text = json!([
        principal,
        filter,
        request.operation,
        request.rate.to_bits(),
        request.reason,
        request.pointer,
        request.iteration,
        request.signal,
        request.payload_json,
        request.workflow,
    ]);
    Sha256Digest::of(text.to_string().as_bytes()).to_string()
}

pub(super) fn batch(row: BatchRow, failures: Vec<BatchFailureRow>) -> v1::Batch {
    let tally = row.tally();
    let mut arguments: Value = serde_json::from_str(&row.operation).unwrap_or_default();
    let word = arguments.as_object_mut().and_then(|fields| fields.remove("operation"));
    let failure = |row: BatchFailureRow| v1::BatchFailure {
        task_id: row.run_id,
        code: row.code,
        reason: row.reason,
        at_ms: unsigned(row.at_ms),
    };
    v1::Batch {
        operation: operation(word.as_ref().and_then(Value::as_str).unwrap_or_default()).into(),
        arguments_json: arguments.to_string(),
        state: state(row.state()).into(),
        id: row.id,
        filter_json: row.filter,
        rate: row.rate as f64 / 1_000.0,
        reason: row.reason,
        created_by: row.created_by,
        total: tally.total,
        done: tally.done,
        failed: tally.failed,
        skipped: tally.skipped,
        created_at_ms: unsigned(row.created_ms),
        updated_at_ms: unsigned(row.updated_ms),
        finished_at_ms: unsigned(row.finished_ms),
        failures: failures.into_iter().map(failure).collect(),
        duplicate: false,
    }
}

fn operation(word: &str) -> v1::BatchOperation {
    match word {
        "retry" => v1::BatchOperation::Retry,
        "cancel" => v1::BatchOperation::Cancel,
        "terminate" => v1::BatchOperation::Terminate,
        "signal" => v1::BatchOperation::Signal,
        "reset" => v1::BatchOperation::Reset,
        "migrate" => v1::BatchOperation::Migrate,
        _ => v1::BatchOperation::Unspecified,
    }
}

fn state(state: BatchState) -> v1::BatchState {
    match state {
        BatchState::Running => v1::BatchState::Running,
        BatchState::Paused => v1::BatchState::Paused,
        BatchState::Cancelled => v1::BatchState::Cancelled,
        BatchState::Finished => v1::BatchState::Finished,
    }
}

/// The stored words of states asked for.
pub(super) fn state_words(wanted: &[i32]) -> Result<Vec<String>, Error> {
    let word = |value: &i32| match v1::BatchState::try_from(*value) {
        Ok(v1::BatchState::Running) => Ok(BatchState::Running.word().to_owned()),
        Ok(v1::BatchState::Paused) => Ok(BatchState::Paused.word().to_owned()),
        Ok(v1::BatchState::Cancelled) => Ok(BatchState::Cancelled.word().to_owned()),
        Ok(v1::BatchState::Finished) => Ok(BatchState::Finished.word().to_owned()),
        _ => Err(invalid(format!("{value} is no state of a batch"))),
    };
    wanted.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_takes_what_it_needs_and_nothing_else() {
        let of = |operation: v1::BatchOperation| v1::CreateBatchRequest {
            operation: operation.into(),
            ..Default::default()
        };
        use v1::BatchOperation::{Cancel, Migrate, Reset, Retry, Signal, Unspecified};
        let signal = v1::CreateBatchRequest { signal: "go".into(), payload_json: "1".into(), ..of(Signal) };
        let taken = Operation::Signal { name: "go".into(), payload: Arc::new(json!(1)) };
        assert_eq!(wanted(&signal).unwrap(), Wanted::Operation(taken));
        for wrong in [
            of(Unspecified),
            of(Signal),
            of(Reset),
            of(Migrate),
            v1::CreateBatchRequest { pointer: "/do/0/a".into(), ..of(Retry) },
            v1::CreateBatchRequest { iteration: Some(0), ..of(Cancel) },
            v1::CreateBatchRequest { payload_json: "{".into(), ..signal },
            v1::CreateBatchRequest { reason: "x".repeat(5_000), ..of(Cancel) },
        ] {
            assert_eq!(wanted(&wrong).unwrap_err().code, ErrorCode::InvalidRequest, "{wrong:?}");
        }
    }

    #[test]
    fn a_rate_is_in_its_bounds_and_a_filter_names_something() {
        for (asked, stored) in [(0.0, 10_000), (0.01, 10), (20.0, 20_000), (1_000.0, 1_000_000)] {
            assert_eq!(rate(asked, 1_000).unwrap(), stored);
        }
        assert_eq!(rate(0.0, 5).unwrap(), 5_000);
        for wrong in [-1.0, 0.001, 1_000.1, f64::NAN, f64::INFINITY] {
            assert!(rate(wrong, 1_000).is_err(), "{wrong}");
        }
        assert!(rate(6.0, 5).is_err());
        assert!(filter(None).is_err() && filter(Some(&v1::ListTasksRequest::default())).is_err());
        let named = v1::ListTasksRequest { workflow: "w".into(), ..Default::default() };
        assert_eq!(filter(Some(&named)).unwrap().workflow, "w");
    }
}
