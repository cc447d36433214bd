//! Questions put to people. Who may answer is the kernel's to say; nobody decides on a task that they submitted.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use orrery_bus::verbs;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    self, ClaimReviewRequest, CommentReviewRequest, DecideReviewRequest, DelegateReviewRequest, GetReviewRequest,
    ListReviewsRequest, ReassignReviewRequest, ReleaseReviewRequest, ReviewKeysRequest, ReviewWorkRequest,
};
use orrery_types::{PrincipalId, ReviewId, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::review_view::{ReviewView, statuses};
use crate::http::answer::Page;
use crate::http::{Answer, Call, Failure, Gateway, body, call};

/// Which reviews.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReviewFilter {
    /// Separated by commas.
    status: Option<String>,
    /// Of one task.
    task: Option<String>,
    /// Of one workflow.
    workflow: Option<String>,
    /// `mine`, `claimable` or `overdue`; all that the caller may see when left out.
    view: Option<String>,
    /// `due`: the most urgent first; the newest first when left out.
    order: Option<String>,
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

/// To whom a review goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DelegationRequest {
    /// A principal.
    to: String,
}

/// Who may decide from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReassignmentRequest {
    /// Roles, or `user:<principal>`.
    to: Vec<String>,
}

/// Something to say about a review.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentRequest {
    /// At most 4,000 bytes.
    text: String,
}

/// How many reviews there are for the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkView {
    /// That the caller holds.
    mine: u64,
    /// That the caller could take on, or vote on and has not.
    claimable: u64,
    /// Past their due time.
    overdue: u64,
    /// Neither decided nor closed otherwise, and to be seen by the caller.
    open: u64,
}

/// Public keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeysView {
    /// Of C2SP signed notes, `name+hash+base64`.
    verifier_keys: Vec<String>,
}

fn review_id(request: &HttpRequest) -> Result<String, Failure> {
    let id = request.match_info().get("id").unwrap_or_default();
    let checked = ReviewId::new(id).map_err(|error| Failure::param("id", error.to_string()))?;
    Ok(checked.to_string())
}

fn view(name: Option<&str>) -> Result<v1::ReviewView, Failure> {
    match name {
        None => Ok(v1::ReviewView::Unspecified),
        Some("mine") => Ok(v1::ReviewView::Mine),
        Some("claimable") => Ok(v1::ReviewView::Claimable),
        Some("overdue") => Ok(v1::ReviewView::Overdue),
        Some(other) => {
            Err(Failure::param("view", format!("there is no view {other:?}; use mine, claimable or overdue")))
        }
    }
}

fn order(name: Option<&str>) -> Result<v1::ReviewOrder, Failure> {
    match name {
        None => Ok(v1::ReviewOrder::Unspecified),
        Some("due") => Ok(v1::ReviewOrder::Due),
        Some(other) => Err(Failure::param("order", format!("there is no order {other:?}; use due, or leave it out"))),
    }
}

/// Reviews that the caller may see.
#[utoipa::path(get, path = "/v1/reviews", tag = "reviews", params(ReviewFilter),
    responses((status = 200, body = Page<ReviewView>)))]
pub async fn list(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let filter: ReviewFilter = call::query(&request)?;
    let list = ListReviewsRequest {
        workflow: filter.workflow.unwrap_or_default(),
        view: view(filter.view.as_deref())?.into(),
        order: order(filter.order.as_deref())?.into(),
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

/// How many reviews there are for the caller.
#[utoipa::path(get, path = "/v1/reviews/work", tag = "reviews", responses((status = 200, body = WorkView)))]
pub async fn work(gateway: Data<Gateway>, call: Call) -> Answer {
    let work = ReviewWorkRequest { caller: call.caller() };
    let work = gateway.bus.call(verbs::kernel::REVIEW_WORK, &call.context(), &work).await?;
    let v1::ReviewWorkReply { mine, claimable, overdue, open } = work;
    Ok(HttpResponse::Ok().json(WorkView { mine, claimable, overdue, open }))
}

/// The public keys for the signatures under decisions.
#[utoipa::path(get, path = "/v1/reviews/keys", tag = "reviews", responses((status = 200, body = KeysView)))]
pub async fn keys(gateway: Data<Gateway>, call: Call) -> Answer {
    let keys = ReviewKeysRequest { caller: call.caller() };
    let keys = gateway.bus.call(verbs::kernel::REVIEW_KEYS, &call.context(), &keys).await?;
    Ok(HttpResponse::Ok().json(KeysView { verifier_keys: keys.verifier_keys }))
}

/// Gives a review back, so that any candidate may claim it.
#[utoipa::path(post, path = "/v1/reviews/{id}/release", tag = "reviews", params(("id" = String, Path)),
    responses((status = 200, body = ReviewView)))]
pub async fn release(gateway: Data<Gateway>, call: Call, request: HttpRequest) -> Answer {
    let release = ReleaseReviewRequest { caller: call.caller(), review_id: review_id(&request)? };
    let review = gateway.bus.call(verbs::kernel::RELEASE, &call.context(), &release).await?;
    Ok(HttpResponse::Ok().json(ReviewView::from(review)))
}

/// Hands a review that the caller holds to someone else.
#[utoipa::path(post, path = "/v1/reviews/{id}/delegate", tag = "reviews", params(("id" = String, Path)),
    request_body = DelegationRequest, responses((status = 200, body = ReviewView)))]
pub async fn delegate(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let review_id = review_id(&request)?;
    let wanted: DelegationRequest = body::json(&gateway, &request, payload).await?;
    let to = PrincipalId::new(&wanted.to).map_err(|error| Failure::param("to", error.to_string()))?;
    // Who knows the keys knows the roles; the kernel says whether they suffice.
    let known = gateway.directory.load().roles_of(&call.identity.tenant, &to, UnixMillis::now());
    let to_roles =
        known.ok_or_else(|| Error::new(ErrorCode::NotFound, format!("nobody here goes by the name {to}")))?;
    let delegate = DelegateReviewRequest { caller: call.caller(), review_id, to: to.to_string(), to_roles };
    let review = gateway.bus.call(verbs::kernel::DELEGATE, &call.context(), &delegate).await?;
    Ok(HttpResponse::Ok().json(ReviewView::from(review)))
}

/// Gives a review other candidates; for admins and the supervisors that it names.
#[utoipa::path(post, path = "/v1/reviews/{id}/reassign", tag = "reviews", params(("id" = String, Path)),
    request_body = ReassignmentRequest, responses((status = 200, body = ReviewView)))]
pub async fn reassign(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let review_id = review_id(&request)?;
    let wanted: ReassignmentRequest = body::json(&gateway, &request, payload).await?;
    let reassign = ReassignReviewRequest { caller: call.caller(), review_id, to: wanted.to };
    let review = gateway.bus.call(verbs::kernel::REASSIGN, &call.context(), &reassign).await?;
    Ok(HttpResponse::Ok().json(ReviewView::from(review)))
}

/// Says something about a review. The same words of the same person twice are one comment.
#[utoipa::path(post, path = "/v1/reviews/{id}/comments", tag = "reviews", params(("id" = String, Path)),
    request_body = CommentRequest, responses((status = 200, body = ReviewView)))]
pub async fn comment(gateway: Data<Gateway>, call: Call, request: HttpRequest, payload: Payload) -> Answer {
    let review_id = review_id(&request)?;
    let wanted: CommentRequest = body::json(&gateway, &request, payload).await?;
    let comment = CommentReviewRequest { caller: call.caller(), review_id, text: wanted.text };
    let review = gateway.bus.call(verbs::kernel::COMMENT, &call.context(), &comment).await?;
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
