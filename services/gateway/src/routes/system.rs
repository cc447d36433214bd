//! How the services are.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use futures::future::join_all;
use orrery_bus::{CallContext, subjects, verbs};
use orrery_proto::v1::HealthRequest;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::answer::{json, time};
use crate::http::{Answer, Call, Gateway};

/// A service that does not say how it is within this time is not reachable.
const PATIENCE: Duration = Duration::from_secs(2);

/// One service.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ServiceView {
    service: String,
    reachable: bool,
    /// Why it is not reachable.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    live: bool,
    ready: bool,
    reasons: Vec<String>,
    /// Its actor tree, with states, restarts and mailbox depths.
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reported_at: Option<String>,
}

/// All services.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusView {
    services: Vec<ServiceView>,
}

/// Asks each service how it is, over the bus.
#[utoipa::path(get, path = "/v1/system/status", tag = "system", responses((status = 200, body = StatusView)))]
pub async fn status(gateway: Data<Gateway>, _call: Call) -> Answer {
    let asking = subjects::SERVICES.into_iter().map(|service| ask(&gateway, service));
    Ok(HttpResponse::Ok().json(StatusView { services: join_all(asking).await }))
}

async fn ask(gateway: &Gateway, service: &str) -> ServiceView {
    let Some(verb) = verbs::health(service) else { return ServiceView::default() };
    match gateway.bus.call(verb, &CallContext::within(PATIENCE), &HealthRequest {}).await {
        Ok(report) => ServiceView {
            service: service.to_owned(),
            reachable: true,
            error: None,
            instance: Some(report.instance),
            live: report.live,
            ready: report.ready,
            reasons: report.reasons,
            tree: json(report.tree_json),
            reported_at: time(report.reported_at_ms),
        },
        Err(error) => ServiceView { service: service.to_owned(), error: Some(error.message), ..ServiceView::default() },
    }
}
