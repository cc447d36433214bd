//! The kernel in one process: it drives the pure core for one run and the runs that this one starts, without a bus, a
//! database or actors. For trying and testing definitions: it journals nothing, so a run ends with its process.
//!
//! The rules are the domain's own; only the effects differ. Calls go to an [`Outside`], sub-workflows come from a
//! [`Library`], time is a [`Clock`], and events that runs emit reach the other runs of the process.

mod clock;
mod effects;
mod feed;
mod machine;
mod outcome;
mod outside;
mod trace;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use clock::{Clock, SystemClock, VirtualClock};
pub use feed::Feed;
pub use machine::Embedded;
pub use outcome::{Made, Outcome, RunStatus};
pub use outside::{Answer, Connected, Outside, Unconnected, Verdict};
pub use waiting::{Awaited, Waiting};

use orrery_types::{TaskId, TenantId};
use serde_json::Value;
use uuid::Uuid;

use crate::domain::command::{Attachment, INPUT_BYTES_MAX, Reject, Run};
use crate::domain::definition::Definition;

/// Tenant and submitter of embedded runs.
const LOCAL: &str = "local";

/// What is to run.
#[derive(Debug)]
pub struct Start {
    /// The definition.
    pub definition: Arc<Definition>,
    /// Raw input.
    pub input: Value,
    /// By the name of the part.
    pub attachments: BTreeMap<String, Attachment>,
    /// From which the run's id and all jitter are derived, so that a test can be repeated; none: by chance.
    pub seed: Option<u64>,
}

impl Start {
    /// With this input and nothing else.
    pub fn new(definition: Arc<Definition>, input: Value) -> Self {
        Self { definition, input, attachments: BTreeMap::new(), seed: None }
    }

    fn into_run(self) -> Result<Run, EmbeddedError> {
        let bytes = self.input.to_string().len();
        if bytes > INPUT_BYTES_MAX {
            return Err(EmbeddedError::InputTooLong { bytes });
        }
        let tenant = TenantId::new(LOCAL).map_err(|error| Reject::Invalid(error.to_string()))?;
        let id = self.seed.map_or_else(Uuid::now_v7, |seed| Uuid::from_u64_pair(0, seed));
        Ok(Run {
            attachments: self.attachments,
            seed: self.seed.unwrap_or_else(rand::random),
            ..Run::of(&self.definition, TaskId::from_uuid(id), tenant, LOCAL, self.input)
        })
    }
}

/// Finds the definitions that `run: workflow` names.
pub trait Library: Send + Sync {
    /// The definition of a namespace, name and version, which may be `latest`.
    fn find(&self, namespace: &str, name: &str, version: &str) -> Option<Arc<Definition>>;
}

/// What surrounds a run.
pub struct Surroundings {
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// Who makes its calls and decides its reviews.
    pub outside: Arc<dyn Outside>,
    /// Its sub-workflows.
    pub library: Arc<dyn Library>,
    /// What comes in from outside, and when.
    pub feed: Feed,
    /// How long it may wait for a due time or a timeout while nothing but a person or an event could move it; none: as
    /// long as it takes.
    pub idle_max: Option<Duration>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings")
            .field("feed", &self.feed)
            .field("idle_max", &self.idle_max)
            .finish_non_exhaustive()
    }
}

/// Why a run has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddedError {
    /// The interpreter refused a command that it must take: a defect of this program.
    #[error("the interpreter refused to go on: {0}")]
    Refused(#[from] Reject),
    /// The input is too long.
    #[error("the input has {bytes} bytes, and a run takes {INPUT_BYTES_MAX} at most: keep less in it")]
    InputTooLong {
        /// Its length as JSON.
        bytes: usize,
    },
    /// A part of the run's surroundings ended before it had answered.
    #[error("a call ended without an answer: {0}")]
    CallLost(String),
}

#[cfg(test)]
mod tests;
