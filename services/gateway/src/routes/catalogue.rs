//! The catalogue that calls are decided by, for those who keep it.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::Data;
use orrery_bus::verbs;
use orrery_proto::v1::{CatalogueReply, CatalogueRequest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::answer::{present, time};
use crate::http::{Answer, Call, Gateway};

/// How the catalogue stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueView {
    /// Records of decisions name it.
    digest: String,
    /// Since when the router decides by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// The file that is watched; not there where it is the catalogue that comes with Orrery.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    models: u64,
    routes: u64,
    /// The file was changed and does not hold: what is wrong with it, and where. The catalogue before it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_at: Option<String>,
    /// Providers whose models are unavailable for lack of a secret, and what to do.
    without_key: BTreeMap<String, String>,
}

impl From<CatalogueReply> for CatalogueView {
    fn from(reply: CatalogueReply) -> Self {
        Self {
            digest: reply.digest,
            since: time(reply.since_ms),
            file: present(reply.file),
            models: reply.models,
            routes: reply.routes,
            fault: present(reply.fault),
            refused_at: time(reply.refused_at_ms),
            without_key: reply.without_key.into_iter().collect(),
        }
    }
}

/// Whether the catalogue's file holds, and which providers lack a secret.
#[utoipa::path(get, path = "/v1/admin/catalogue", tag = "catalogue", responses((status = 200, body = CatalogueView)))]
pub async fn get(gateway: Data<Gateway>, call: Call) -> Answer {
    let request = CatalogueRequest { caller: call.caller() };
    let reply = gateway.bus.call(verbs::router::CATALOGUE, &call.context(), &request).await?;
    Ok(HttpResponse::Ok().json(CatalogueView::from(reply)))
}
