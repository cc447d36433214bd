//! What is paused, as this process knows it: a copy of the table, so that starting a run asks no database.

use std::collections::HashSet;

use parking_lot::RwLock;

use crate::domain::command::Scope;
use crate::store::PauseRow;

/// The copy. A run that starts before a new pause has arrived here is paused with those that are under way.
#[derive(Debug, Default)]
pub struct Pauses(RwLock<HashSet<(String, String)>>);

impl Pauses {
    /// Takes the table in.
    pub fn replace(&self, rows: &[PauseRow]) {
        *self.0.write() = rows.iter().map(|row| (row.tenant.clone(), row.workflow.clone())).collect();
    }

    /// What holds a new run of a workflow.
    pub fn scopes_of(&self, tenant: &str, workflow: &str) -> Vec<Scope> {
        let held = self.0.read();
        if held.is_empty() {
            return Vec::new();
        }
        let holds = |workflow: &str| held.contains(&(tenant.to_owned(), workflow.to_owned()));
        let scopes = [(Scope::Tenant, holds("")), (Scope::Definition, holds(workflow))];
        scopes.into_iter().filter_map(|(scope, held)| held.then_some(scope)).collect()
    }
}
