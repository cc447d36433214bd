//! How models do, and why one of them answered.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::verbs;
use orrery_proto::v1::{ModelStatsReply, ModelStatsRequest, ReplayDecisionReply, ReplayDecisionRequest};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::answer::json;
use crate::http::{Answer, Call, Gateway, call};

/// How models do.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelStatsView {
    /// By model: `minute`, `hour` and `day`, each with quantiles of latency and time to first token in milliseconds, tokens
    /// per second and failures in a million; for operators also calls, errors by kind, tokens and spend.
    #[schema(value_type = Object)]
    models: Option<Value>,
    /// Of the statistics that decisions know now.
    revision: u64,
}

impl From<ModelStatsReply> for ModelStatsView {
    fn from(reply: ModelStatsReply) -> Self {
        Self { models: json(reply.models_json), revision: reply.revision }
    }
}

/// A decision, made again from its record.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionView {
    /// Every candidate with its numbers and reason, and the plan.
    #[schema(value_type = Object)]
    decision: Option<Value>,
    /// The same, one line each.
    explanation: String,
    /// It equals the decision as it was made.
    verified: bool,
    /// Who answered or failed last; empty when nobody was asked.
    model: String,
    /// `ok`, an error's code, or `in_doubt`.
    outcome: String,
    attempts: u32,
}

impl From<ReplayDecisionReply> for DecisionView {
    fn from(reply: ReplayDecisionReply) -> Self {
        Self {
            decision: json(reply.decision_json),
            explanation: reply.explanation,
            verified: reply.verified,
            model: reply.model,
            outcome: reply.outcome,
            attempts: reply.attempts,
        }
    }
}

/// How models did in the last minute, hour and day, over all who call them.
#[utoipa::path(get, path = "/v1/stats/models", tag = "stats", responses((status = 200, body = ModelStatsView)))]
pub async fn stats(gateway: Data<Gateway>, call: Call) -> Answer {
    let stats = ModelStatsRequest { caller: call.caller() };
    let reply = gateway.bus.call(verbs::router::STATS, &call.context(), &stats).await?;
    Ok(HttpResponse::Ok().json(ModelStatsView::from(reply)))
}

/// Why a model was chosen: the decision of a call, made again from its record.
#[utoipa::path(get, path = "/v1/decisions/{id}", tag = "stats", params(("id" = String, Path)),
    responses((status = 200, body = DecisionView)))]
pub async fn replay(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let replay = ReplayDecisionRequest { caller: call.caller(), id: call::name(&request, "id")? };
    let reply = gateway.bus.call(verbs::router::DECISION, &call.context(), &replay).await?;
    Ok(HttpResponse::Ok().json(DecisionView::from(reply)))
}
