//! How outcomes came about, and the proofs of it.

use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::verbs;
use orrery_proto::v1::{CheckpointRequest, ExplainRequest, ExportRequest, ExportedRecord, ProofRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::tasks::task_id;
use crate::http::answer::{json, time};
use crate::http::{Answer, Call, Gateway, call};

const VERIFIER_KEY_HEADER: &str = "Orrery-Verifier-Key";
const TEXT: &str = "text/plain; charset=utf-8";

/// Where to begin.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportRange {
    /// Index of the last record that is known.
    after: Option<u64>,
    /// 1 to 1000; 100 when left out.
    limit: Option<u32>,
}

/// A record of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LoggedView {
    index: u64,
    leaf_hash: String,
    record: RecordView,
}

/// One fact.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordView {
    id: String,
    tenant: String,
    task_id: String,
    service: String,
    /// Gives the shape of `facts`.
    kind: String,
    at: Option<String>,
    facts: Option<Value>,
}

/// Records of the tenant in the order of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportView {
    data: Vec<LoggedView>,
    tree_size: u64,
}

impl From<ExportedRecord> for LoggedView {
    fn from(exported: ExportedRecord) -> Self {
        let record = exported.record.unwrap_or_default();
        Self {
            index: exported.index,
            leaf_hash: exported.leaf_hash,
            record: RecordView {
                id: record.id,
                tenant: record.tenant,
                task_id: record.task_id,
                service: record.service,
                kind: record.kind,
                at: time(record.at_ms),
                facts: json(record.facts_json),
            },
        }
    }
}

/// Says how an outcome came about: in plain words for `Accept: text/plain`, else for programs.
#[utoipa::path(get, path = "/v1/audit/tasks/{id}/explain", tag = "audit", params(("id" = String, Path)),
    responses((status = 200, content((Object = "application/json"), (String = "text/plain")))))]
pub async fn explain(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let explain = ExplainRequest { caller: call.caller(), task_id: task_id(&request)? };
    let reply = gateway.bus.call(verbs::audit::EXPLAIN, &call.context(), &explain).await?;
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = accept.split([',', ';']).next().unwrap_or_default().trim();
    if first.starts_with("text/") {
        return Ok(HttpResponse::Ok().content_type(TEXT).body(reply.plain));
    }
    Ok(HttpResponse::Ok().content_type("application/json").body(reply.explanation_json))
}

/// The proof of an outcome, a file that anyone can check offline.
#[utoipa::path(get, path = "/v1/audit/tasks/{id}/proof", tag = "audit", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = String)))]
pub async fn proof(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let task_id = task_id(&request)?;
    let file_name = format!("attachment; filename=\"{task_id}.tlog-proof\"");
    let proof = ProofRequest { caller: call.caller(), task_id };
    let reply = gateway.bus.call(verbs::audit::PROOF, &call.context(), &proof).await?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((CONTENT_DISPOSITION, file_name))
        .insert_header((VERIFIER_KEY_HEADER, reply.verifier_key))
        .body(reply.proof))
}

/// The newest signed checkpoint of the log.
#[utoipa::path(get, path = "/v1/audit/checkpoint", tag = "audit",
    responses((status = 200, content_type = "text/plain", body = String)))]
pub async fn checkpoint(gateway: Data<Gateway>, call: Call) -> Answer {
    let reply = gateway.bus.call(verbs::audit::CHECKPOINT, &call.context(), &CheckpointRequest {}).await?;
    let verifier_key = (VERIFIER_KEY_HEADER, reply.verifier_key);
    Ok(HttpResponse::Ok().content_type(TEXT).insert_header(verifier_key).body(reply.checkpoint))
}

/// The records of the tenant.
#[utoipa::path(get, path = "/v1/audit/export", tag = "audit", params(ExportRange),
    responses((status = 200, body = ExportView)))]
pub async fn export(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let range: ExportRange = call::query(&request)?;
    let export =
        ExportRequest { caller: call.caller(), after_index: range.after.unwrap_or(0), limit: range.limit.unwrap_or(0) };
    let reply = gateway.bus.call(verbs::audit::EXPORT, &call.context(), &export).await?;
    let data = reply.records.into_iter().map(LoggedView::from).collect();
    Ok(HttpResponse::Ok().json(ExportView { data, tree_size: reply.tree_size }))
}
