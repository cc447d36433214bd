//! Batches of calls to models. A task of the kernel runs each, by the workflow beside this file, and asks for steps: read the
//! input, call the lines of one part, put the files together. Gateways do those steps, because how a line becomes a call and its
//! answer a body is theirs to know. What lasts is elsewhere: in the kernel's journal how far the batch is, in SQL what clients
//! see, in the object store the lines and what became of them. A step that is done twice calls no line twice: each line has an
//! idempotency key, by which the router keeps its reply.

mod caller;
mod finish;
mod parts;
mod run;
mod settle;
mod validate;
mod worker;

use std::sync::Arc;

use orrery_bus::{Bus, CallContext, verbs};
use orrery_errors::Error;
use orrery_proto::v1::{Caller, DeployRequest, GetTaskRequest, StartTaskRequest, Task};
use serde_json::json;
use tokio::sync::Notify;

pub use worker::worker;

use crate::actors::SharedDirectory;
use crate::http::Uploads;
use crate::store::{BatchRow, ControlPlane, tenant_of};
use parts::Parts;

/// What runs a batch. Its content stays with its version.
const WORKFLOW: &str = include_str!("workflow.yaml");
const NAME: &str = "orrery-model-batch";
/// By what the task of a batch is found.
const ATTRIBUTE: &str = "batch";

/// The batches of all tenants.
#[derive(Debug, Clone)]
pub struct Batches {
    /// What clients see of them.
    pub control: ControlPlane,
    bus: Bus,
    uploads: Uploads,
    directory: SharedDirectory,
    begun: Arc<Notify>,
}

impl Batches {
    /// In this database and on this bus.
    pub fn new(control: ControlPlane, bus: Bus, uploads: Uploads, directory: SharedDirectory) -> Self {
        Self { control, bus, uploads, directory, begun: Arc::default() }
    }

    /// Takes a batch in. It is durable then; should the kernel be away, it is begun once it is back.
    pub async fn create(&self, row: BatchRow) -> Result<BatchRow, Error> {
        let row = self.control.create_batch(row).await?;
        match self.begin(&row).await {
            Ok(task_id) => Ok(BatchRow { task_id, ..row }),
            Err(error) => {
                tracing::warn!(%error, batch.id = row.id, "the batch is begun later");
                Ok(row)
            }
        }
    }

    /// Has the kernel run a batch. Doing it again changes nothing.
    async fn begin(&self, row: &BatchRow) -> Result<String, Error> {
        let caller = self.caller(row);
        let deploy = DeployRequest { caller: caller.clone(), source: WORKFLOW.to_owned() };
        let deployed = self.bus.call(verbs::kernel::DEPLOY, &CallContext::default(), &deploy).await?;
        let hash = deployed.definition.unwrap_or_default().hash;
        let start = StartTaskRequest {
            caller,
            workflow: format!("{NAME}@{hash}"),
            input_json: json!({ "batch": row.id }).to_string(),
            idempotency_key: row.id.clone(),
            attributes: [(ATTRIBUTE.to_owned(), row.id.clone())].into(),
            ..StartTaskRequest::default()
        };
        let task = self.bus.call(verbs::kernel::START, &CallContext::default(), &start).await?;
        self.control.batch_started(&row.id, &task.id).await?;
        self.begun.notify_one();
        Ok(task.id)
    }

    /// The task that runs a batch.
    async fn task(&self, row: &BatchRow) -> Result<Task, Error> {
        let get = GetTaskRequest { caller: self.caller(row), task_id: row.task_id.clone() };
        self.bus.call(verbs::kernel::GET, &CallContext::default(), &get).await
    }

    /// Who made a batch. What the key may is looked at for each line; here it only says who it was.
    fn caller(&self, row: &BatchRow) -> Option<Caller> {
        let directory = self.directory.load();
        let owner = directory.owner(&row.key_id);
        Some(Caller {
            tenant: row.tenant.clone(),
            principal: row.created_by.clone(),
            roles: owner.map(|identity| identity.roles.clone()).unwrap_or_default(),
            team: owner.map(|identity| identity.team.clone()).unwrap_or_default(),
            key_id: row.key_id.clone(),
        })
    }

    async fn parts(&self, row: &BatchRow) -> Result<Parts<'_>, Error> {
        Ok(Parts {
            blobs: self.uploads.blobs(&self.bus).await?,
            tenant: tenant_of(&row.tenant)?,
            batch: row.id.clone(),
        })
    }
}
