//! Listing, claiming and deciding reviews.

use orrery_bus::CallContext;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    ClaimReviewRequest, DecideReviewRequest, GetReviewRequest, ListReviewsReply, ListReviewsRequest, Review,
};
use orrery_types::{ReviewId, TaskId, TenantId};
use serde_json::Value;

use super::{Api, next_cursor, page};
use crate::bus::convert;
use crate::domain::command::{Command, Person, Reject};
use crate::domain::review;
use crate::error::ActError;
use crate::store::{ReviewFilter, ReviewRow, review_status};

/// Sees all reviews of its tenant; decides only those that name it.
const ADMIN: &str = "admin";
const EDITS_BYTES_MAX: usize = 256 * 1024;

fn may_see(row: &ReviewRow, person: &Person) -> bool {
    person.roles.iter().any(|role| role == ADMIN) || review::Review::names(&row.roles(), person)
}

impl Api {
    async fn review_row(&self, tenant: &TenantId, id: &str) -> Result<ReviewRow, Error> {
        let row = self.kernel.store.review(tenant.to_string(), id.to_owned()).await?;
        row.ok_or_else(|| Error::new(ErrorCode::NotFound, format!("there is no review {id:?}")))
    }

    pub(super) async fn reviews(
        self,
        _context: CallContext,
        request: ListReviewsRequest,
    ) -> Result<ListReviewsReply, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let filter = ReviewFilter { statuses: convert::review_words(&request.statuses)?, run: request.task_id };
        let mut page = page(request.limit, request.cursor);
        let limit = page.limit;
        let mut seen = Vec::new();
        // Rows that the caller may not see do not count, so that a page is short only when it is the last.
        loop {
            let rows = self.kernel.store.reviews(tenant.to_string(), filter.clone(), page.clone()).await?;
            let is_last = i64::try_from(rows.len()).is_ok_and(|found| found < limit);
            page.before = rows.last().map(|row| row.id.clone());
            seen.extend(rows.into_iter().filter(|row| may_see(row, &person)));
            if is_last || i64::try_from(seen.len()).is_ok_and(|found| found >= limit) {
                break;
            }
        }
        seen.truncate(usize::try_from(limit).unwrap_or(0));
        let next_cursor = next_cursor(seen.last().map(|row| row.id.clone()), seen.len(), limit);
        Ok(ListReviewsReply { reviews: seen.into_iter().map(convert::review).collect(), next_cursor })
    }

    pub(super) async fn review(self, _context: CallContext, request: GetReviewRequest) -> Result<Review, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let row = self.review_row(&tenant, &request.review_id).await?;
        if !may_see(&row, &person) && row.submitted_by != person.principal {
            return Err(Error::new(
                ErrorCode::Forbidden,
                format!("this review needs one of: {}", row.roles().join(", ")),
            ));
        }
        Ok(convert::review(row))
    }

    pub(super) async fn claim(self, _context: CallContext, request: ClaimReviewRequest) -> Result<Review, Error> {
        let (tenant, person) = convert::caller(request.caller)?;
        let row = self.review_row(&tenant, &request.review_id).await?;
        let review = review_id(&row)?;
        match self.act(&tenant, &row, Command::Claim { review, by: person }).await {
            Ok(()) => Ok(convert::review(self.review_row(&tenant, &row.id).await?)),
            Err(error) => Err(self.closed(&tenant, &row, error).await),
        }
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
        let row = self.review_row(&tenant, &request.review_id).await?;
        let command = Command::Decide {
            review: review_id(&row)?,
            by: person.clone(),
            decision: request.decision.clone(),
            reason: request.reason,
            edits,
        };
        match self.act(&tenant, &row, command).await {
            Ok(()) => Ok(convert::review(self.review_row(&tenant, &row.id).await?)),
            Err(error) => {
                let now = self.review_row(&tenant, &row.id).await?;
                // The same person deciding the same again learns that it stands.
                if now.status == review_status::DECIDED
                    && now.decided_by == person.principal
                    && now.decision == request.decision
                {
                    return Ok(convert::review(now));
                }
                Err(self.closed(&tenant, &row, error).await)
            }
        }
    }

    async fn act(&self, tenant: &TenantId, row: &ReviewRow, command: Command) -> Result<(), ActError> {
        let run = TaskId::new(&row.run_id).map_err(|error| convert::invalid(error.to_string()))?;
        self.kernel.act(tenant, &run, command).await.map(drop)
    }

    /// A refusal, said in terms of the review.
    async fn closed(&self, tenant: &TenantId, row: &ReviewRow, error: ActError) -> Error {
        let is_closed = matches!(error, ActError::Rejected(Reject::ReviewClosed | Reject::Over) | ActError::Unknown);
        if !is_closed {
            return error.into();
        }
        match self.review_row(tenant, &row.id).await {
            Ok(now) if now.status == review_status::DECIDED => {
                Error::new(ErrorCode::Conflict, format!("{} has decided this review already", now.decided_by))
            }
            Ok(_) => {
                Error::new(ErrorCode::FailedPrecondition, "the review was withdrawn: its task no longer waits for it")
            }
            Err(error) => error,
        }
    }
}

fn review_id(row: &ReviewRow) -> Result<ReviewId, Error> {
    ReviewId::new(&row.id).map_err(|error| convert::invalid(error.to_string()))
}
