//! Workflow definitions.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::verbs;
use orrery_proto::v1::{Definition, DeployRequest, ListDefinitionsRequest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::answer::{Page, time};
use crate::http::{Answer, Call, Failure, Gateway, body};

const TYPES: [&str; 6] =
    ["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "text/plain", "application/json"];

/// A definition that is deployed.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkflowView {
    namespace: String,
    name: String,
    version: String,
    /// SHA-256 of the canonical definition; a task is pinned to it.
    hash: String,
    title: String,
    deployed_at: Option<String>,
    /// Of a deployment: false when the same definition was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<bool>,
}

impl WorkflowView {
    fn of(definition: Definition, created: Option<bool>) -> Self {
        Self {
            namespace: definition.namespace,
            name: definition.name,
            version: definition.version,
            hash: definition.hash,
            title: definition.title,
            deployed_at: time(definition.deployed_at_ms),
            created,
        }
    }
}

/// Validates and stores a definition, written in the Serverless Workflow DSL 1.0.
///
/// A definition that does not validate is answered with each fault's line, column and pointer.
#[utoipa::path(post, path = "/v1/workflows", tag = "workflows",
    request_body(content((String = "application/yaml"), (Object = "application/json"))),
    responses((status = 201, body = WorkflowView), (status = 200, description = "it was there", body = WorkflowView)))]
pub async fn deploy(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    body::expect_type(&request, "application/yaml or application/json", |kind| TYPES.contains(&kind))?;
    let bytes = body::whole(&gateway, &request, payload).await?;
    let source = String::from_utf8(bytes.to_vec()).map_err(|error| {
        Failure::invalid(format!("the definition is not valid UTF-8 at byte {}", error.utf8_error().valid_up_to()))
    })?;
    let deploy = DeployRequest { caller: call.caller(), source };
    let reply = gateway.bus.call(verbs::kernel::DEPLOY, &call.context(), &deploy).await?;
    let mut response = if reply.created { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(response.json(WorkflowView::of(reply.definition.unwrap_or_default(), Some(reply.created))))
}

/// The definitions of the tenant.
#[utoipa::path(get, path = "/v1/workflows", tag = "workflows", responses((status = 200, body = Page<WorkflowView>)))]
pub async fn list(gateway: Data<Gateway>, call: Call) -> Answer {
    let list = ListDefinitionsRequest { caller: call.caller() };
    let reply = gateway.bus.call(verbs::kernel::DEFINITIONS, &call.context(), &list).await?;
    let views = reply.definitions.into_iter().map(|definition| WorkflowView::of(definition, None)).collect();
    Ok(HttpResponse::Ok().json(Page::all(views)))
}
