//! Reviews as rows.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use crate::domain::event::{Event, Fact};
use crate::domain::state::{Activity, State};
use crate::store::rows::{ReviewRow, review_status, signed};
use crate::store::schema::reviews;

/// What becomes of a review's row.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the fields are columns
pub enum ReviewChange {
    Requested(Box<ReviewRow>),
    Claimed { id: String, by: String, at: i64 },
    Decided { id: String, decision: String, reason: String, edits: String, by: String, at: i64 },
    Withdrawn { id: String },
}

/// The change that an event makes.
pub(super) fn of(state: &State, event: &Event) -> Option<ReviewChange> {
    let at = signed(event.at.0);
    match &event.fact {
        Fact::StepStarted { frame, .. } => match &frame.activity {
            Activity::Human { review } => {
                Some(ReviewChange::Requested(Box::new(ReviewRow::requested(state, frame, review))))
            }
            _ => None,
        },
        Fact::ReviewClaimed { review, by } => {
            Some(ReviewChange::Claimed { id: review.to_string(), by: by.clone(), at })
        }
        Fact::ReviewDecided { review, decision } => Some(ReviewChange::Decided {
            id: review.to_string(),
            decision: decision.decision.clone(),
            reason: decision.reason.clone(),
            edits: if decision.edits.is_null() { String::new() } else { decision.edits.to_string() },
            by: decision.by.clone(),
            at,
        }),
        Fact::ReviewWithdrawn { review, .. } => Some(ReviewChange::Withdrawn { id: review.to_string() }),
        _ => None,
    }
}

/// Makes it.
pub(super) fn write(connection: &mut AnyConnection, change: &ReviewChange) -> Result<(), StoreError> {
    let open = [review_status::OPEN, review_status::CLAIMED];
    match change {
        ReviewChange::Requested(row) => {
            diesel::insert_into(reviews::table).values(&**row).execute(connection)?;
        }
        ReviewChange::Claimed { id, by, at } => {
            diesel::update(reviews::table.find(id))
                .set((
                    reviews::status.eq(review_status::CLAIMED),
                    reviews::claimed_by.eq(by),
                    reviews::claimed_ms.eq(at),
                ))
                .execute(connection)?;
        }
        ReviewChange::Decided { id, decision, reason, edits, by, at } => {
            diesel::update(reviews::table.find(id))
                .set((
                    reviews::status.eq(review_status::DECIDED),
                    reviews::decision.eq(decision),
                    reviews::reason.eq(reason),
                    reviews::edits.eq(edits),
                    reviews::decided_by.eq(by),
                    reviews::decided_ms.eq(at),
                ))
                .execute(connection)?;
        }
        ReviewChange::Withdrawn { id } => {
            diesel::update(reviews::table.find(id).filter(reviews::status.eq_any(open)))
                .set(reviews::status.eq(review_status::WITHDRAWN))
                .execute(connection)?;
        }
    }
    Ok(())
}
