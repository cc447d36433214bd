//! Deploying and listing definitions.

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{DeployReply, DeployRequest, ListDefinitionsReply, ListDefinitionsRequest};
use orrery_types::UnixMillis;

use super::Api;
use crate::bus::convert;
use crate::domain::command::Person;
use crate::domain::definition::{self, Definition, Problems};
use crate::error::invalid_definition;
use crate::store::{DefinitionRow, Deployed, NewSchedule, ScheduleRow, partition_of_schedule};

impl Api {
    pub(super) async fn deploy(self, _context: CallContext, request: DeployRequest) -> Result<DeployReply, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let fetch = self.kernel.providers.outside();
        let (definition, source) = self.kernel.definitions.complete(request.source.clone(), fetch).await?;
        self.require_sandbox(&definition, &request.source)?;
        let document = &definition.document;
        let row = DefinitionRow {
            tenant: tenant.to_string(),
            namespace: document.namespace.clone(),
            name: document.name.clone(),
            version: document.version.clone(),
            hash: definition.hash.to_string(),
            title: document.title.clone(),
            source,
            deployed_ms: i64::try_from(UnixMillis::now().0).unwrap_or(i64::MAX),
        };
        let schedule = schedule(&row, &definition, &person);
        let (row, created) = match self.kernel.definitions.deploy(row, schedule).await? {
            Deployed::Created(row) => (row, true),
            Deployed::Unchanged(row) => (row, false),
            Deployed::Conflicting(hash) => {
                let message = format!(
                    "{}:{} is deployed with other content ({hash}): give the changed definition a new version",
                    document.name, document.version
                );
                return Err(Error::new(ErrorCode::AlreadyExists, message));
            }
        };
        Ok(DeployReply { definition: Some(convert::definition(row, true)), created })
    }

    /// K-8: what runs processes is refused here where there is no sandbox for them, not when it runs.
    fn require_sandbox(&self, definition: &Definition, source: &str) -> Result<(), Error> {
        if self.kernel.has_sandbox {
            return Ok(());
        }
        let reason = "this kernel has no sandbox and runs neither scripts nor shells: an operator can name one under \
                      `kernel.sandbox`; or use a NATS worker";
        let problems =
            definition.processes().into_iter().map(|at| definition::problem_at(source, &format!("{at}/run"), reason));
        match problems.collect::<Result<Vec<_>, _>>() {
            Ok(problems) if problems.is_empty() => Ok(()),
            Ok(problems) | Err(Problems(problems)) => Err(invalid_definition(&Problems(problems))),
        }
    }

    pub(super) async fn definitions(
        self,
        _context: CallContext,
        request: ListDefinitionsRequest,
    ) -> Result<ListDefinitionsReply, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        let rows = self.kernel.store.definitions(tenant.to_string()).await?;
        Ok(ListDefinitionsReply { definitions: rows.into_iter().map(|row| convert::definition(row, false)).collect() })
    }
}

/// The schedule that a definition brings. Its runs are submitted by whoever deployed it, with the roles that they have now.
fn schedule(row: &DefinitionRow, definition: &Definition, by: &Person) -> Option<NewSchedule> {
    let schedule = definition.schedule.as_ref()?;
    let now = UnixMillis(u64::try_from(row.deployed_ms).unwrap_or(0));
    // A workflow that starts again after its end has to start once.
    let next = schedule.after.map(|_| now).or_else(|| schedule.next(now, now));
    let types = schedule.on.as_ref().map(|on| match on.types() {
        types if types.is_empty() => vec![String::new()],
        types => types,
    });
    Some(NewSchedule {
        row: ScheduleRow {
            tenant: row.tenant.clone(),
            namespace: row.namespace.clone(),
            name: row.name.clone(),
            version: row.version.clone(),
            definition_hash: row.hash.clone(),
            partition: partition_of_schedule(&row.tenant, &row.namespace, &row.name),
            submitted_by: by.principal.clone(),
            roles: serde_json::json!(by.roles).to_string(),
            deployed_ms: row.deployed_ms,
            next_ms: next.map(|at| i64::try_from(at.0).unwrap_or(i64::MAX)),
            running: String::new(),
            gathered: "{}".to_owned(),
        },
        types: types.unwrap_or_default(),
    })
}
