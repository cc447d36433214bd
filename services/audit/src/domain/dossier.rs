//! All records of one task, and what can be said about it now.

use orrery_proof::Outcome;
use orrery_proof::outcome::{LoggedRecord, OutcomeError, Trace, statement};
use serde_json::Value;

use crate::error::AuditError;

/// The records of one task in the order of the log.
#[derive(Debug)]
pub struct Dossier {
    task_id: String,
    records: Vec<LoggedRecord>,
    trace: Trace,
}

impl Dossier {
    /// Reads the records; an error when there are none or they contradict each other.
    pub fn open(task_id: &str, records: Vec<LoggedRecord>) -> Result<Self, AuditError> {
        if records.is_empty() {
            return Err(AuditError::UnknownTask(task_id.to_owned()));
        }
        let task_id = task_id.to_owned();
        match Trace::read(records.iter().map(|logged| &logged.record)) {
            Ok(trace) => Ok(Self { task_id, records, trace }),
            // Its request is logged by the same service, so it is on its way.
            Err(source @ OutcomeError::UnknownReview { .. }) => Err(AuditError::Incomplete { task: task_id, source }),
            Err(source) => Err(AuditError::Contradiction { task: task_id, source }),
        }
    }

    /// Whether nothing more is to come that an explanation would have to wait for: the task runs, or all is there.
    pub fn is_settled(&self) -> bool {
        let submitted = self.trace.outcome().is_ok();
        submitted && (!self.trace.is_closed() || self.trace.check_complete().is_ok())
    }

    /// What the records say.
    pub fn outcome(&self) -> Result<Outcome, AuditError> {
        self.trace.outcome().map_err(|source| self.incomplete(source))
    }

    /// Why this is not the whole of a finished task; `None` when it is.
    pub fn missing(&self) -> Option<String> {
        self.trace.check_complete().err().map(|error| error.to_string())
    }

    /// The statement of a finished task.
    pub fn statement(&self) -> Result<Value, AuditError> {
        statement(&self.trace).map_err(|source| self.incomplete(source))
    }

    /// The record that closed the task, and all others.
    pub fn split(self) -> Result<(LoggedRecord, Vec<LoggedRecord>), AuditError> {
        let records = self.records.into_iter();
        let (mut closing, others): (Vec<_>, Vec<_>) = records.partition(|logged| logged.record.closes_task());
        closing.pop().map(|closing| (closing, others)).ok_or(AuditError::NotFinished(self.task_id))
    }

    fn incomplete(&self, source: OutcomeError) -> AuditError {
        let task = self.task_id.clone();
        match source {
            OutcomeError::NotClosed => AuditError::NotFinished(task),
            // More records than were announced never become fewer by waiting.
            OutcomeError::KernelRecords { expected, found } if found > expected => {
                AuditError::Contradiction { task, source }
            }
            source => AuditError::Incomplete { task, source },
        }
    }
}
