//! What was spent, and what may be.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::verbs;
use orrery_proto::v1::{SetBudgetRequest, SpendReply, SpendRequest, SpendRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::{Answer, Call, Failure, Gateway, body, call};

/// Of what.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SpendFilter {
    /// One task; without it the tenant as a whole.
    task: Option<String>,
}

/// A limit on spend.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetRequest {
    /// Nano-units per calendar month; 0 lifts the limit.
    limit_nanos: u64,
    /// What happens to calls while budgets cannot be checked: `closed` (default) or `open`.
    when_unavailable: Option<String>,
}

/// Spend on one model.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpendRowView {
    model: String,
    provider: String,
    calls: u64,
    input_tokens: u64,
    output_tokens: u64,
    cost_nanos: u64,
    latency_ms_p50: u64,
}

/// Spend in the window that runs, and its limit.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpendView {
    rows: Vec<SpendRowView>,
    /// For example `2026-11`.
    window: String,
    /// 0: no limit.
    limit_nanos: u64,
    spent_nanos: u64,
    reserved_nanos: u64,
    currency: String,
}

impl From<SpendReply> for SpendView {
    fn from(reply: SpendReply) -> Self {
        let row = |row: SpendRow| SpendRowView {
            model: row.model,
            provider: row.provider,
            calls: row.calls,
            input_tokens: row.input_tokens,
            output_tokens: row.output_tokens,
            cost_nanos: row.cost_nanos,
            latency_ms_p50: row.latency_ms_p50,
        };
        Self {
            rows: reply.rows.into_iter().map(row).collect(),
            window: reply.window,
            limit_nanos: reply.limit_nanos,
            spent_nanos: reply.spent_nanos,
            reserved_nanos: reply.reserved_nanos,
            currency: reply.currency,
        }
    }
}

/// What the tenant, or one task, has spent.
#[utoipa::path(get, path = "/v1/spend", tag = "spend", params(SpendFilter), responses((status = 200, body = SpendView)))]
pub async fn get(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let filter: SpendFilter = call::query(&request)?;
    let spend = SpendRequest { caller: call.caller(), task_id: filter.task.unwrap_or_default() };
    let reply = gateway.bus.call(verbs::router::SPEND, &call.context(), &spend).await?;
    Ok(HttpResponse::Ok().json(SpendView::from(reply)))
}

/// Sets the tenant's budget.
#[utoipa::path(put, path = "/v1/budget", tag = "spend", request_body = BudgetRequest,
    responses((status = 200, body = SpendView)))]
pub async fn set_budget(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let wanted: BudgetRequest = body::json(&gateway, &request, payload).await?;
    let when_unavailable = wanted.when_unavailable.unwrap_or_default();
    if !matches!(when_unavailable.as_str(), "" | "closed" | "open") {
        let message = format!("when_unavailable is {when_unavailable:?}; use closed or open");
        return Err(Failure::param("when_unavailable", message));
    }
    let set = SetBudgetRequest { caller: call.caller(), limit_nanos: wanted.limit_nanos, when_unavailable };
    gateway.bus.call(verbs::router::SET_BUDGET, &call.context(), &set).await?;
    let spend = SpendRequest { caller: call.caller(), task_id: String::new() };
    let reply = gateway.bus.call(verbs::router::SPEND, &call.context(), &spend).await?;
    Ok(HttpResponse::Ok().json(SpendView::from(reply)))
}
