//! Deploying and listing definitions.

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{DeployReply, DeployRequest, ListDefinitionsReply, ListDefinitionsRequest};
use orrery_types::UnixMillis;

use super::Api;
use crate::bus::convert;
use crate::store::{DefinitionRow, Deployed};

impl Api {
    pub(super) async fn deploy(self, _context: CallContext, request: DeployRequest) -> Result<DeployReply, Error> {
        let (tenant, _) = convert::caller(request.caller)?;
        let definition = self.kernel.definitions.compile(request.source.clone()).await?;
        let document = &definition.document;
        let row = DefinitionRow {
            tenant: tenant.to_string(),
            namespace: document.namespace.clone(),
            name: document.name.clone(),
            version: document.version.clone(),
            hash: definition.hash.to_string(),
            title: document.title.clone(),
            source: request.source,
            deployed_ms: i64::try_from(UnixMillis::now().0).unwrap_or(i64::MAX),
        };
        let (row, created) = match self.kernel.store.deploy(row).await? {
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
