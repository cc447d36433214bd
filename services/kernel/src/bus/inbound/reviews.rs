//! What people do with reviews.

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    ClaimReviewRequest, CommentReviewRequest, DecideReviewRequest, DelegateReviewRequest, GetReviewRequest,
    ListReviewsReply, ListReviewsRequest, ReassignReviewRequest, ReleaseReviewRequest, Review, ReviewKeysReply,
    ReviewKeysRequest, ReviewWorkReply, ReviewWorkRequest,
};
use orrery_types::{ReviewId, Sha256Digest, TaskId, TenantId, UnixMillis};
use serde_json::Value;

use super::Api;
use crate::bus::{convert, convert_review};
use crate::domain::command::{Command, Person, Reject};
use crate::domain::review;
use crate::error::ActError;
use crate::store::{ReviewRow, review_status};

const EDITS_BYTES_MAX: usize = 256 * 1024;

fn may_see(row: &ReviewRow, person: &Person) -> bool {
    let concerned = [&row.submitted_by, &row.claimed_by, &row.decided_by].into_iter().any(|it| *it == person.principal);
    concerned
        || person.roles.iter().any(|role| role == review::ADMIN)
        || review::names(&row.roles(), person)
        || review::names(&row.details().supervisors, person)
}

fn now_ms() -> i64 {
    i64::try_from(UnixMillis::now().0).unwrap_or(i64::MAX)
}

impl Api {
    async fn review_row(&self, tenant: &TenantId, id: &str) -> Result<ReviewRow, Error> {
        let row = self.kernel.store.review(tenant.to_string(), id.to_owned()).await?;
        row.ok_or_else(|| Error::new(ErrorCode::NotFound, format!("there is no review {id:?}")))
    }

    /// A review with everything that was said about it.
    async fn shown(&self, tenant: &TenantId, mut row: ReviewRow) -> Result<Review, Error> {
        let (comments, votes) = self.kernel.store.review_voices(row.id.clone()).await?;
        for text in [&mut row.subject, &mut row.previous, &mut row.result] {
            *text = self.kernel.payloads.fetch(tenant, std::mem::take(text)).await?;
        }
        Ok(Review {
            comments: comments.into_iter().map(convert_review::comment).collect(),
            votes: votes.into_iter().map(convert_review::vote).collect(),
            ..convert_review::review(row)
        })
    }

    pub(super) async fn reviews(
        self,
        _context: CallContext,
        request: ListReviewsRequest,
    ) -> Result<ListReviewsReply, Error> {
        let (tenant, person) = convert::caller(request.caller.clone())?;
        let (filter, page) = (convert_review::filter(&request)?, convert_review::page(&request)?);
        let rows = self.kernel.store.reviews(tenant.to_string(), person, filter, page.clone(), now_ms()).await?;
        let (rows, next_cursor) = convert_review::fitting(rows, &page);
        Ok(ListReviewsReply { reviews: rows.into_iter().map(convert_review::listed).collect(), next_cursor })
    }

    pub(super) async fn review_work(
        self,
        _context: CallContext,
        request: ReviewWorkRequest,
    ) -> Result<ReviewWorkReply, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let work = self.kernel.store.review_work(tenant.to_string(), person, now_ms()).await?;
        Ok(ReviewWorkReply {
            mine: convert::unsigned(work.mine),
            claimable: convert::unsigned(work.claimable),
            overdue: convert::unsigned(work.overdue),
            open: convert::unsigned(work.open),
        })
    }

    pub(super) async fn review_keys(
        self,
        _context: CallContext,
        request: ReviewKeysRequest,
    ) -> Result<ReviewKeysReply, Error> {
        convert::caller(request.caller)?;
        Ok(ReviewKeysReply { verifier_keys: self.kernel.store.decision_keys().await? })
    }

    pub(super) async fn review(self, _context: CallContext, request: GetReviewRequest) -> Result<Review, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let row = self.review_row(&tenant, &request.review_id).await?;
        if !may_see(&row, &person) {
            return Err(Error::new(
                ErrorCode::Forbidden,
                format!("this review needs one of: {}", row.roles().join(", ")),
            ));
        }
        self.shown(&tenant, row).await
    }

    pub(super) async fn claim(self, _context: CallContext, request: ClaimReviewRequest) -> Result<Review, Error> {
        let (tenant, by) = convert::caller(request.caller)?;
        self.change(&tenant, &request.review_id, |review| Command::Claim { review, by }).await
    }

    pub(super) async fn release(self, _context: CallContext, request: ReleaseReviewRequest) -> Result<Review, Error> {
        let (tenant, by) = convert::caller(request.caller)?;
        self.change(&tenant, &request.review_id, |review| Command::Release { review, by }).await
    }

    pub(super) async fn delegate(self, _context: CallContext, request: DelegateReviewRequest) -> Result<Review, Error> {
        let (tenant, by) = convert::caller(request.caller)?;
        if request.to.trim().is_empty() {
            return Err(convert::invalid("say to whom the review is delegated: `to` names a principal"));
        }
        let to = Person { principal: request.to, roles: request.to_roles };
        self.change(&tenant, &request.review_id, |review| Command::Delegate { review, by, to }).await
    }

    pub(super) async fn reassign(self, _context: CallContext, request: ReassignReviewRequest) -> Result<Review, Error> {
        let (tenant, by) = convert::caller(request.caller)?;
        let to = request.to;
        self.change(&tenant, &request.review_id, |review| Command::Reassign { review, by, to }).await
    }

    pub(super) async fn comment(self, context: CallContext, request: CommentReviewRequest) -> Result<Review, Error> {
        let (tenant, by) = convert::caller(request.caller)?;
        // Without a key the same words of the same person are the same comment.
        let key = context.idempotency_key.unwrap_or_else(|| request.text.clone());
        let digest = Sha256Digest::of(format!("{}\n{key}", by.principal).as_bytes()).to_hex();
        let id: String = "com_".chars().chain(digest.chars().take(32)).collect();
        let text = request.text;
        self.change(&tenant, &request.review_id, |review| Command::Comment { review, by, id, text }).await
    }

    pub(super) async fn decide(self, _context: CallContext, request: DecideReviewRequest) -> Result<Review, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        if request.edits_json.len() > EDITS_BYTES_MAX {
            let message = format!("the edits are longer than {EDITS_BYTES_MAX} bytes");
            return Err(Error::new(ErrorCode::PayloadTooLarge, message));
        }
        let edits: Value = match request.edits_json.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text)
                .map_err(|error| convert::invalid(format!("the edits are not JSON: {error}")))?,
        };
        let (decision, reason, by) = (request.decision.clone(), request.reason, person.clone());
        let decide = |review| Command::Decide { review, by, decision, reason, edits };
        let refused = match self.change(&tenant, &request.review_id, decide).await {
            Ok(review) => return Ok(review),
            Err(refused) => refused,
        };
        let now = self.review_row(&tenant, &request.review_id).await?;
        // The same person deciding the same again learns that it stands.
        let stands = now.status == review_status::DECIDED && now.decision == request.decision;
        if stands && now.decided_by == person.principal {
            return self.shown(&tenant, now).await;
        }
        Err(refused)
    }

    /// Sends a command to the run of a review and answers with what the review then is.
    async fn change(
        &self,
        tenant: &TenantId,
        id: &str,
        command: impl FnOnce(ReviewId) -> Command,
    ) -> Result<Review, Error> {
        let row = self.review_row(tenant, id).await?;
        let review = ReviewId::new(&row.id).map_err(|error| convert::invalid(error.to_string()))?;
        let run = TaskId::new(&row.run_id).map_err(|error| convert::invalid(error.to_string()))?;
        match self.kernel.act(tenant, &run, command(review)).await {
            Ok(_) => self.shown(tenant, self.review_row(tenant, id).await?).await,
            Err(error) => Err(self.refusal(tenant, id, error).await),
        }
    }

    /// A refusal, said in terms of the review.
    async fn refusal(&self, tenant: &TenantId, id: &str, error: ActError) -> Error {
        let is_closed = matches!(error, ActError::Rejected(Reject::ReviewClosed | Reject::Over) | ActError::Unknown);
        if !is_closed {
            return error.into();
        }
        match self.review_row(tenant, id).await {
            Ok(now) if now.status == review_status::DECIDED => {
                Error::new(ErrorCode::Conflict, format!("{} has decided this review already", now.decided_by))
            }
            Ok(now) if now.status == review_status::EXPIRED => {
                Error::new(ErrorCode::FailedPrecondition, "the review has expired: nobody decided it in time")
            }
            Ok(_) => {
                Error::new(ErrorCode::FailedPrecondition, "the review was withdrawn: its task no longer waits for it")
            }
            Err(error) => error,
        }
    }
}
