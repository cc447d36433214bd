//! What control leaves in tables: what holds a run, by what it is found, and the version that it runs.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use crate::domain::command::Scope;
use crate::domain::event::{Event, Fact};
use crate::domain::state::State;
use crate::store::partition_of;
use crate::store::schema::{run_attributes, run_pauses, runs};

/// The attribute that holds the code of a run's error.
pub const ERROR: &str = "orrery.error";
/// The attribute that holds the run from which this one was begun anew.
pub const ORIGIN: &str = "orrery.origin";

/// The attribute that holds the run whose step waits for this one.
pub const PARENT: &str = "orrery.parent";

/// What becomes of a run's rows.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the fields are columns
pub enum ControlChange {
    Held { run: String, scope: &'static str, tenant: String, workflow: String, partition: i32 },
    Released { run: String, scope: Option<&'static str> },
    Attribute { run: String, tenant: String, name: String, value: String },
    Version { run: String, version: String, hash: String },
}

impl ControlChange {
    /// Whether it lets a run go that may be held.
    pub(super) fn releases_all(&self) -> bool {
        matches!(self, Self::Released { scope: None, .. })
    }
}

/// How a scope is stored.
pub fn scope_word(scope: Scope) -> &'static str {
    match scope {
        Scope::Run => "run",
        Scope::Definition => "definition",
        Scope::Tenant => "tenant",
    }
}

/// The changes that an event makes.
pub(super) fn of(state: &State, event: &Event) -> Vec<ControlChange> {
    let run = || state.run.id.to_string();
    let attribute = |name: &str, value: &str| ControlChange::Attribute {
        run: run(),
        tenant: state.run.tenant.to_string(),
        name: name.to_owned(),
        value: value.to_owned(),
    };
    match &event.fact {
        Fact::Started { run, .. } => {
            let parent = run.parent.as_ref().map(|parent| attribute(PARENT, parent.task.as_str()));
            run.attributes.iter().map(|(name, value)| attribute(name, value)).chain(parent).collect()
        }
        Fact::Accepted { beginning: Some(_), .. } => {
            state.run.origin.iter().map(|origin| attribute(ORIGIN, origin.task.as_str())).collect()
        }
        Fact::Restarted { attributes, .. } => {
            let origin = state.run.origin.as_ref().map(|origin| attribute(ORIGIN, origin.task.as_str()));
            attributes.iter().map(|(name, value)| attribute(name, value)).chain(origin).collect()
        }
        Fact::AttributesSet { attributes, .. } => {
            attributes.iter().map(|(name, value)| attribute(name, value)).collect()
        }
        Fact::Suspended { scope, .. } => vec![ControlChange::Held {
            run: run(),
            scope: scope_word(*scope),
            tenant: state.run.tenant.to_string(),
            workflow: state.run.workflow.1.clone(),
            partition: partition_of(&state.run.tenant, &state.run.id),
        }],
        Fact::Resumed { scope, .. } => {
            vec![ControlChange::Released { run: run(), scope: Some(scope_word(*scope)) }]
        }
        Fact::Migrated { workflow, definition, .. } => {
            vec![ControlChange::Version { run: run(), version: workflow.2.clone(), hash: definition.to_string() }]
        }
        Fact::Faulted { error } => {
            vec![attribute(ERROR, error.code()), ControlChange::Released { run: run(), scope: None }]
        }
        Fact::Completed { .. } | Fact::Cancelled { .. } | Fact::Compensating { .. } => {
            vec![ControlChange::Released { run: run(), scope: None }]
        }
        _ => Vec::new(),
    }
}

/// Makes it.
pub(super) fn write(connection: &mut AnyConnection, change: &ControlChange) -> Result<(), StoreError> {
    match change {
        ControlChange::Held { run, scope, tenant, workflow, partition } => {
            // A run that was held while it waited to begin anew is held again when it begins.
            diesel::delete(run_pauses::table.find((run, *scope))).execute(connection)?;
            diesel::insert_into(run_pauses::table)
                .values((
                    run_pauses::run_id.eq(run),
                    run_pauses::scope.eq(*scope),
                    run_pauses::tenant.eq(tenant),
                    run_pauses::workflow.eq(workflow),
                    run_pauses::partition.eq(partition),
                ))
                .execute(connection)?;
        }
        ControlChange::Released { run, scope: Some(scope) } => {
            diesel::delete(run_pauses::table.find((run, *scope))).execute(connection)?;
        }
        ControlChange::Released { run, scope: None } => {
            diesel::delete(run_pauses::table.filter(run_pauses::run_id.eq(run))).execute(connection)?;
        }
        ControlChange::Attribute { run, tenant, name, value } => {
            let row = run_attributes::table.find((run, name));
            if diesel::update(row).set(run_attributes::value.eq(value)).execute(connection)? == 0 {
                diesel::insert_into(run_attributes::table)
                    .values((
                        run_attributes::run_id.eq(run),
                        run_attributes::name.eq(name),
                        run_attributes::tenant.eq(tenant),
                        run_attributes::value.eq(value),
                    ))
                    .execute(connection)?;
            }
        }
        ControlChange::Version { run, version, hash } => {
            diesel::update(runs::table.find(run))
                .set((runs::version.eq(version), runs::definition_hash.eq(hash)))
                .execute(connection)?;
        }
    }
    Ok(())
}
