//! Questions put to people. Who may answer is the kernel's to say; nobody decides on a task that they submitted.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::verbs;
use orrery_proto::v1::{
    self, ClaimReviewRequest, DecideReviewRequest, GetReviewRequest, ListReviewsRequest, ReviewStatus,
};
use orrery_types::ReviewId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::http::answer::{Page, json, present, time};
use crate::http::{Answer, Call, Failure, Gateway, body, call};

/// A question put to a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewView {
    id: String,
    task_id: String,
    pointer: String,
    title: String,
    instructions: String,
    /// Who may decide: roles, or `user:<principal>`.
    roles: Vec<String>,
    /// JSON Schema of the edits.
    #[serde(skip_serializing_if = "Option::is_none")]
    form_schema: Option<Value>,
    /// What is to be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Value>,
    /// `open`, `claimed`, `decided` or `withdrawn`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edits: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<String>,
    /// Who submitted the task, and so may not decide.
    submitted_by: String,
}

impl From<v1::Review> for ReviewView {
    fn from(review: v1::Review) -> Self {
        Self {
            status: status_name(review.status()),
            id: review.id,
            task_id: review.task_id,
            pointer: review.pointer,
            title: review.title,
            instructions: review.instructions,
            roles: review.roles,
            form_schema: json(review.form_schema_json),
            subject: json(review.subject_json),
            claimed_by: present(review.claimed_by),
            decision: present(review.decision),
            reason: present(review.reason),
            edits: json(review.edits_json),
            decided_by: present(review.decided_by),
            created_at: time(review.created_at_ms),
            claimed_at: time(review.claimed_at_ms),
            decided_at: time(review.decided_at_ms),
            due_at: time(review.due_at_ms),
            submitted_by: review.submitted_by,
        }
    }
}

fn status_name(status: ReviewStatus) -> &'static str {
    match status {
        ReviewStatus::Unspecified => "unknown",
        ReviewStatus::Open => "open",
        ReviewStatus::Claimed => "claimed",
        ReviewStatus::Decided => "decided",
        ReviewStatus::Withdrawn => "withdrawn",
    }
}

fn statuses(text: &str) -> Result<Vec<i32>, Failure> {
    let all = [ReviewStatus::Open, ReviewStatus::Claimed, ReviewStatus::Decided, ReviewStatus::Withdrawn];
    let read = |name: &str| {
        let found = all.into_iter().find(|status| status_name(*status) == name);
        found.map(i32::from).ok_or_else(|| {
            let message = format!("there is no status {name:?}; use open, claimed, decided or withdrawn");
            Failure::param("status", message)
        })
    };
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(read).collect()
}

/// Which reviews.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReviewFilter {
    /// Separated by commas.
    status: Option<String>,
    /// Of one task.
    task: Option<String>,
    /// 1 to 500; 50 when left out.
    limit: Option<u32>,
    /// From the page before.
    cursor: Option<String>,
}

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionRequest {
    /// One that the review offers, for example `approve`.
    decision: String,
    /// Why; it goes on the record.
    reason: String,
    /// Corrections, by the review's form schema.
    edits: Option<Value>,
}

fn review_id(request: &HttpRequest) -> Result<String, Failure> {
    let id = request.match_info().get("id").unwrap_or_default();
    let checked = ReviewId::new(id).map_err(|error| Failure::param("id", error.to_string()))?;
    Ok(checked.to_string())
}

/// Reviews that the caller may see.
#[utoipa::path(get, path = "/v1/reviews", tag = "reviews", params(ReviewFilter),
    responses((status = 200, body = Page<ReviewView>)))]
pub async fn list(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let filter: ReviewFilter = call::query(&request)?;
    let list = ListReviewsRequest {
        caller: call.caller(),
        statuses: statuses(filter.status.as_deref().unwrap_or_default())?,
        task_id: filter.task.unwrap_or_default(),
        limit: filter.limit.unwrap_or(0),
        cursor: filter.cursor.unwrap_or_default(),
    };
    let reply = gateway.bus.call(verbs::kernel::REVIEWS, &call.context(), &list).await?;
    let reviews = reply.reviews.into_iter().map(ReviewView::from).collect();
    Ok(HttpResponse::Ok().json(Page::with_cursor(reviews, reply.next_cursor)))
}

/// One review.
#[utoipa::path(get, path = "/v1/reviews/{id}", tag = "reviews", params(("id" = String, Path)),
    responses((status = 200, body = ReviewView)))]
pub async fn get(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let get = GetReviewRequest { caller: call.caller(), review_id: review_id(&request)? };
    let review = gateway.bus.call(verbs::kernel::REVIEW, &call.context(), &get).await?;
    Ok(HttpResponse::Ok().json(ReviewView::from(review)))
}

/// Takes a review, so that nobody else does.
#[utoipa::path(post, path = "/v1/reviews/{id}/claim", tag = "reviews", params(("id" = String, Path)),
    responses((status = 200, body = ReviewView)))]
pub async fn claim(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let claim = ClaimReviewRequest { caller: call.caller(), review_id: review_id(&request)? };
    let review = gateway.bus.call(verbs::kernel::CLAIM, &call.context(), &claim).await?;
    Ok(HttpResponse::Ok().json(ReviewView::from(review)))
}

/// Decides a review, with a reason.
#[utoipa::path(post, path = "/v1/reviews/{id}/decide", tag = "reviews", params(("id" = String, Path)),
    request_body = DecisionRequest, responses((status = 200, body = ReviewView)))]
pub async fn decide(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let review_id = review_id(&request)?;
    let wanted: DecisionRequest = body::json(&gateway, &request, payload).await?;
    if wanted.reason.trim().is_empty() {
        return Err(Failure::param("reason", "the reason is empty; say why, it goes on the record"));
    }
    let decide = DecideReviewRequest {
        caller: call.caller(),
        review_id,
        decision: wanted.decision,
        reason: wanted.reason,
        edits_json: wanted.edits.map(|edits| edits.to_string()).unwrap_or_default(),
    };
    let review = gateway.bus.call(verbs::kernel::DECIDE, &call.context(), &decide).await?;
    Ok(HttpResponse::Ok().json(ReviewView::from(review)))
}
