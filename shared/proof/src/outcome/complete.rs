//! When the records of a task are all there. Independent of their order, because services report side by side.

use super::{OutcomeError, Trace};

impl Trace {
    /// Whether the kernel has said that the task is over.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Checks that nothing was left out: the kernel's records are as many as its closing record says, and every
    /// decision that a step rests on has its record.
    pub fn check_complete(&self) -> Result<(), OutcomeError> {
        if self.submitted.is_none() {
            return Err(OutcomeError::NotSubmitted);
        }
        let (closed, _) = self.closed.as_ref().ok_or(OutcomeError::NotClosed)?;
        let (expected, found) = (closed.facts.kernel_records, self.kernel_records);
        if expected != found {
            return Err(OutcomeError::KernelRecords { expected, found });
        }
        for step in &self.steps {
            for decision_id in &step.facts.decision_ids {
                if !self.calls.iter().any(|call| call.facts.decision_id == *decision_id) {
                    let pointer = step.facts.pointer.clone();
                    return Err(OutcomeError::DecisionMissing { pointer, decision_id: decision_id.clone() });
                }
            }
        }
        Ok(())
    }
}
