//! What others are told of a fact: its name, its place, how much room it takes, and whether it is audited.

use serde_json::Value;

use super::event::{Event, Fact};
use super::review;
use super::state::Activity;

impl Fact {
    /// Whether it becomes a record of the transparency log.
    pub fn is_audited(&self) -> bool {
        match self {
            Self::StepStarted { frame, .. } => matches!(frame.activity, Activity::Human { .. }),
            Self::StepCompleted { call, .. } => call.as_ref().is_some_and(|call| call.function.is_public()),
            Self::ReviewChanged { change, .. } => change.is_audited(),
            Self::Accepted { audited, .. }
            | Self::Started { audited, .. }
            | Self::SignalReceived { audited, .. }
            | Self::Migrated { audited, .. }
            | Self::Suspended { audited, .. }
            | Self::Resumed { audited, .. } => *audited,
            Self::Restarted { records, .. } => *records == 0,
            Self::ReviewClaimed { .. }
            | Self::ReviewDecided { .. }
            | Self::Completed { .. }
            | Self::Faulted { .. }
            | Self::Cancelled { .. } => true,
            _ => false,
        }
    }

    /// About how many bytes its values take in the journal.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::StepStarted { frame, .. } | Self::ListStarted { frame, .. } => {
                json_bytes(&frame.raw_input) + json_bytes(&frame.input)
            }
            Self::StepCompleted { output, context, .. } => {
                json_bytes(output) + context.as_ref().map_or(0, |context| json_bytes(context))
            }
            Self::BranchCompleted { output, .. }
            | Self::MapItemCompleted { output, .. }
            | Self::Completed { output } => json_bytes(output),
            Self::CompensationRegistered { undo } => json_bytes(&undo.input) + json_bytes(&undo.output),
            Self::SignalReceived { signal, .. } => json_bytes(&signal.payload),
            Self::ReviewDecided { decision, .. } => json_bytes(&decision.edits) + json_bytes(&decision.result),
            Self::ReviewChanged { change, .. } => match &**change {
                review::Change::Commented { comment } => comment.text.len() as u64,
                review::Change::Voted { vote } => json_bytes(&vote.edits),
                _ => 0,
            },
            Self::EventConsumed { item, .. } => item.as_ref().map_or(0, |item| json_bytes(item)),
            Self::ItemCompleted { output, context, .. } => {
                output.iter().chain(context).map(|value| json_bytes(value)).sum()
            }
            _ => 0,
        }
    }

    /// The name under which people and other systems see it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "task.accepted",
            Self::Started { .. } => "task.started",
            Self::StepStarted { frame, .. } => match frame.activity {
                Activity::Human { .. } => "review.requested",
                Activity::Call { .. } | Activity::Work { .. } => "step.scheduled",
                _ => "step.started",
            },
            Self::ListStarted { .. } => "list.started",
            Self::StepSkipped { .. } => "step.skipped",
            Self::StepCompleted { .. } => "step.completed",
            Self::StepFailed { .. } => "step.failed",
            Self::BranchCompleted { .. } => "branch.completed",
            Self::RetryScheduled { .. } => "retry.scheduled",
            Self::ErrorCaught { .. } => "error.caught",
            Self::WorkStarted { .. } => "work.started",
            Self::WorkHeartbeat { .. } => "work.heartbeat",
            Self::WorkFailed { .. } => "work.failed",
            Self::WorkQueued { .. } => "work.queued",
            Self::WorkWithdrawn { .. } => "work.withdrawn",
            Self::ReviewClaimed { .. } => "review.claimed",
            Self::ReviewDecided { .. } => "review.decided",
            Self::ReviewChanged { change, .. } => change.kind(),
            Self::ReviewWithdrawn { .. } => "review.withdrawn",
            Self::CompensationRegistered { .. } => "compensation.registered",
            Self::Compensating { .. } => "task.compensating",
            Self::CompensationStarted { .. } => "compensation.started",
            Self::CompensationCompleted { .. } => "compensation.completed",
            Self::CompensationFailed { .. } => "compensation.failed",
            Self::SignalReceived { .. } => "signal.received",
            Self::SignalTaken { .. } => "signal.taken",
            Self::MapItemStarted { .. } => "map_item.started",
            Self::MapItemCompleted { .. } => "map_item.completed",
            Self::MapItemFailed { .. } => "map_item.failed",
            Self::Restarted { .. } => "task.restarted",
            Self::AttributesSet { .. } => "task.attributed",
            Self::Migrated { .. } => "task.migrated",
            Self::Suspended { .. } => "task.paused",
            Self::Resumed { .. } => "task.resumed",
            Self::Yielded => "task.yielded",
            Self::StageReached { .. } => "stage.reached",
            Self::FlowRedirected { .. } => "flow.redirected",
            Self::EventConsumed { .. } => "event.consumed",
            Self::ItemCompleted { .. } => "item.completed",
            Self::QueueDropped { .. } => "queue.dropped",
            Self::ListeningEnded { .. } => "listening.ended",
            Self::Completed { .. } => "task.completed",
            Self::Faulted { .. } => "task.faulted",
            Self::Cancelled { terminated: true, .. } => "task.terminated",
            Self::Cancelled { .. } => "task.cancelled",
        }
    }

    /// The step it is about, if one.
    pub fn pointer(&self) -> &str {
        match self {
            Self::StepStarted { frame, .. } | Self::ListStarted { frame, .. } => &frame.pointer,
            Self::StepSkipped { pointer, .. }
            | Self::StepCompleted { pointer, .. }
            | Self::StepFailed { pointer, .. }
            | Self::RetryScheduled { pointer, .. }
            | Self::ErrorCaught { pointer, .. }
            | Self::CompensationCompleted { pointer, .. }
            | Self::CompensationFailed { pointer, .. }
            | Self::SignalTaken { pointer, .. }
            | Self::AttributesSet { pointer, .. }
            | Self::WorkStarted { pointer, .. }
            | Self::WorkHeartbeat { pointer, .. }
            | Self::WorkFailed { pointer, .. }
            | Self::WorkQueued { pointer, .. }
            | Self::WorkWithdrawn { pointer, .. }
            | Self::ListeningEnded { pointer, .. }
            | Self::ReviewWithdrawn { pointer, .. } => pointer,
            Self::CompensationRegistered { undo } => &undo.pointer,
            Self::CompensationStarted { frame, .. } => &frame.pointer,
            _ => "",
        }
    }
}

/// The events of a move that are its own: those that a run took over from another have had their effects.
pub fn own(events: &[Event]) -> &[Event] {
    // The last one: the events of a run that was begun anew itself hold another.
    let taken_over = events.iter().rposition(|event| matches!(event.fact, Fact::Restarted { .. }));
    taken_over.and_then(|at| events.get(at..)).unwrap_or(events)
}

/// Length of a value as JSON, give or take: numbers count as one word, text without its escapes.
pub fn json_bytes(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() as u64 + 2,
        Value::Array(items) => items.iter().map(|item| json_bytes(item) + 1).sum::<u64>() + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() as u64 + 4 + json_bytes(value)).sum::<u64>() + 2
        }
    }
}
