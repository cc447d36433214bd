//! Limits on what may be used, and how they stand.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::verbs;
use orrery_proto::v1::{Limit, LimitStanding, ListLimitsRequest, RemoveLimitRequest, SetLimitRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::answer::{Page, present, time};
use crate::http::{Answer, Call, Gateway, body, call};

/// A limit: what a subject, or each, may use of a metric in a window of time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitBody {
    /// What is limited: `tenant`, `team`, `user` or `key`.
    scope: String,
    /// The one team, user (principal) or key (its id); without it, each has an account of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// The one model that is counted; `*`: each by itself; without it, all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// `cost` (nano-units), `tokens` or `requests`.
    metric: String,
    /// `minute`, `hour`, `day`, `week`, `month` (UTC) or `total`.
    window: String,
    /// How much of the metric; whole numbers up to 2^53.
    amount: u64,
    /// A soft limit raises alerts and refuses nothing.
    #[serde(default)]
    soft: bool,
    /// Percents at which the event `budget.reached` is published; 100 always is one.
    #[serde(default)]
    alert_percents: Vec<u32>,
    /// What happens to calls while the router cannot be asked: `closed` (default) or `open`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    when_unavailable: Option<String>,
}

/// A limit, and what one subject has used of it in the window that runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitView {
    id: String,
    #[serde(flatten)]
    limit: LimitBody,
    /// Whose account this is, where each subject has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_subject: Option<String>,
    /// Which model's account this is, where each model has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    account_model: Option<String>,
    used: u64,
    /// Set aside for calls under way.
    held: u64,
    /// When the window ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_at: Option<String>,
}

impl LimitBody {
    fn limit(self, id: String) -> Limit {
        Limit {
            id,
            scope: self.scope,
            subject: self.subject.unwrap_or_default(),
            model: self.model.unwrap_or_default(),
            metric: self.metric,
            window: self.window,
            amount: self.amount,
            soft: self.soft,
            alert_percents: self.alert_percents,
            when_unavailable: self.when_unavailable.unwrap_or_default(),
        }
    }
}

impl From<LimitStanding> for LimitView {
    fn from(standing: LimitStanding) -> Self {
        let limit = standing.limit.unwrap_or_default();
        let account = standing.account.unwrap_or_default();
        Self {
            id: limit.id,
            limit: LimitBody {
                scope: limit.scope,
                subject: present(limit.subject),
                model: present(limit.model),
                metric: limit.metric,
                window: limit.window,
                amount: limit.amount,
                soft: limit.soft,
                alert_percents: limit.alert_percents,
                when_unavailable: present(limit.when_unavailable),
            },
            account_subject: present(account.subject),
            account_model: present(account.model),
            used: standing.spent,
            held: standing.held,
            resets_at: time(standing.resets_at_ms),
        }
    }
}

/// The tenant's limits, each with one line for every account that it has in the window that runs.
#[utoipa::path(get, path = "/v1/limits", tag = "spend", responses((status = 200, body = Page<LimitView>)))]
pub async fn list(gateway: Data<Gateway>, call: Call) -> Answer {
    let request = ListLimitsRequest { caller: call.caller() };
    let reply = gateway.bus.call(verbs::router::LIMITS, &call.context(), &request).await?;
    Ok(HttpResponse::Ok().json(Page::all(reply.standings.into_iter().map(LimitView::from).collect())))
}

/// Sets a limit, or changes the one of that name. It holds for calls that begin afterwards.
#[utoipa::path(put, path = "/v1/limits/{id}", tag = "spend", params(("id" = String, Path)), request_body = LimitBody,
    responses((status = 204)))]
pub async fn set(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let id = call::name(&request, "id")?;
    let wanted: LimitBody = body::json(&gateway, &request, payload).await?;
    let set = SetLimitRequest { caller: call.caller(), limit: Some(wanted.limit(id)) };
    gateway.bus.call(verbs::router::SET_LIMIT, &call.context(), &set).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lifts a limit.
#[utoipa::path(delete, path = "/v1/limits/{id}", tag = "spend", params(("id" = String, Path)), responses((status = 204)))]
pub async fn remove(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let id = call::name(&request, "id")?;
    let remove = RemoveLimitRequest { caller: call.caller(), id };
    gateway.bus.call(verbs::router::REMOVE_LIMIT, &call.context(), &remove).await?;
    Ok(HttpResponse::NoContent().finish())
}
