//! What a partition actor is sent.

use std::sync::Arc;

use actix::Message;
use orrery_types::{TaskId, TenantId};

use crate::domain::command::{Command, Run};
use crate::domain::definition::Definition;
use crate::domain::state::State;
use crate::error::ActError;
use crate::store::StartKey;

/// A command to a run.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<State>, ActError>")]
pub struct Act {
    /// Its tenant.
    pub tenant: TenantId,
    /// Which run.
    pub run: TaskId,
    /// What.
    pub command: Command,
    /// For a run that does not exist yet.
    pub start: Option<Box<Start>>,
}

/// What a new run needs.
#[derive(Debug, Clone)]
pub struct Start {
    /// What never changes.
    pub run: Run,
    /// Its definition.
    pub definition: Arc<Definition>,
    /// The key under which it is started.
    pub key: Option<StartKey>,
}

/// Takes a virtual partition up under an epoch: loads what has something under way and goes on with it.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), ActError>")]
pub struct TakeUp {
    /// Which.
    pub partition: i32,
    /// The epoch.
    pub epoch: i64,
}

/// Lets a virtual partition go: another process goes on with its runs.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LetGo {
    /// Which.
    pub partition: i32,
}

/// Answered when a run is over: with its last state, if that is still in memory.
#[derive(Debug, Message)]
#[rtype(result = "Option<Arc<State>>")]
pub struct Watch {
    /// Its tenant.
    pub tenant: TenantId,
    /// Which run.
    pub run: TaskId,
}
