//! Reviews as rows.

use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};
use serde_json::{Value, json};

use crate::domain::event::{Event, Fact};
use crate::domain::review::{Change, Decision, USER};
use crate::domain::state::{Activity, State};
use crate::store::reviews::{CommentRow, PersonRow, ReviewRow, VoteRow, part, review_status};
use crate::store::rows::signed;
use crate::store::schema::{review_comments, review_people, review_votes, reviews};

/// What becomes of a review's rows.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the fields are columns
pub enum ReviewChange {
    Requested(Box<ReviewRow>, Vec<PersonRow>),
    Claimed { id: String, by: String, delegated_by: String, at: i64 },
    Released { id: String },
    Candidates { id: String, tenant: String, roles: Vec<String>, replace: bool },
    Commented(CommentRow),
    Voted(VoteRow),
    Escalated { id: String, level: i32 },
    Decided { id: String, decision: Box<Decision>, result: String, at: i64 },
    Closed { id: String, status: &'static str },
}

/// The changes that an event makes.
pub(super) fn of(state: &State, event: &Event) -> Vec<ReviewChange> {
    let at = signed(event.at.0);
    match &event.fact {
        Fact::StepStarted { frame, .. } => match &frame.activity {
            Activity::Human { review } => {
                let people = PersonRow::all(state.run.tenant.as_str(), review);
                vec![ReviewChange::Requested(Box::new(ReviewRow::requested(state, frame, review)), people)]
            }
            _ => Vec::new(),
        },
        Fact::ReviewClaimed { review, by } => {
            let delegated_by = String::new();
            vec![ReviewChange::Claimed { id: review.to_string(), by: by.clone(), delegated_by, at }]
        }
        Fact::ReviewChanged { review, change } => changed(state, review.as_str(), change, at),
        Fact::ReviewDecided { review, decision } => {
            let result = text(&decision.result);
            vec![ReviewChange::Decided { id: review.to_string(), decision: decision.clone(), result, at }]
        }
        Fact::ReviewWithdrawn { review, .. } => {
            vec![ReviewChange::Closed { id: review.to_string(), status: review_status::WITHDRAWN }]
        }
        _ => Vec::new(),
    }
}

fn changed(state: &State, id: &str, change: &Change, at: i64) -> Vec<ReviewChange> {
    let id = id.to_owned();
    let tenant = state.run.tenant.to_string();
    let candidates = |roles: Vec<String>, replace| ReviewChange::Candidates {
        id: id.clone(),
        tenant: tenant.clone(),
        roles,
        replace,
    };
    let released = || ReviewChange::Released { id: id.clone() };
    match change {
        Change::Released { .. } => vec![released()],
        Change::Delegated { by, to, admits } => {
            let claimed = ReviewChange::Claimed { id: id.clone(), by: to.clone(), delegated_by: by.clone(), at };
            let admitted = admits.then(|| candidates(vec![format!("{USER}{to}")], false));
            admitted.into_iter().chain([claimed]).collect()
        }
        Change::Reassigned { to, .. } => vec![released(), candidates(to.clone(), true)],
        Change::Commented { comment } => vec![ReviewChange::Commented(CommentRow {
            review_id: id,
            id: comment.id.clone(),
            author: comment.by.clone(),
            text: comment.text.clone(),
            at_ms: at,
        })],
        Change::Voted { vote } => vec![ReviewChange::Voted(VoteRow {
            review_id: id,
            voter: vote.by.clone(),
            decision: vote.decision.clone(),
            reason: vote.reason.clone(),
            edits: text(&vote.edits),
            at_ms: at,
        })],
        Change::Escalated { level, roles, replace, .. } => {
            let level = i32::try_from(*level).unwrap_or(i32::MAX);
            let escalated = ReviewChange::Escalated { id: id.clone(), level };
            let released = replace.then(released);
            let others = (!roles.is_empty()).then(|| candidates(roles.clone(), *replace));
            [escalated].into_iter().chain(released).chain(others).collect()
        }
        Change::Expired => vec![ReviewChange::Closed { id, status: review_status::EXPIRED }],
        Change::Reminded | Change::Overdue => Vec::new(),
    }
}

/// A value as a column holds it; empty: there is none.
fn text(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}

impl ReviewChange {
    /// The texts of any length, which may be replaced by references.
    pub(super) fn texts_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let texts = match self {
            Self::Requested(row, _) => [Some(&mut row.subject), Some(&mut row.previous)],
            Self::Decided { result, .. } => [Some(result), None],
            _ => [None, None],
        };
        texts.into_iter().flatten()
    }
}

/// Makes it.
pub(super) fn write(connection: &mut AnyConnection, change: &ReviewChange) -> Result<(), StoreError> {
    match change {
        ReviewChange::Requested(row, people) => {
            diesel::insert_into(reviews::table).values(&**row).execute(connection)?;
            for person in people {
                diesel::insert_into(review_people::table).values(person).execute(connection)?;
            }
        }
        ReviewChange::Claimed { id, by, delegated_by, at } => {
            diesel::update(reviews::table.find(id))
                .set((
                    reviews::status.eq(review_status::CLAIMED),
                    reviews::claimed_by.eq(by),
                    reviews::claimed_ms.eq(at),
                    reviews::delegated_by.eq(delegated_by),
                ))
                .execute(connection)?;
        }
        ReviewChange::Released { id } => {
            diesel::update(reviews::table.find(id))
                .set((
                    reviews::status.eq(review_status::OPEN),
                    reviews::claimed_by.eq(""),
                    reviews::claimed_ms.eq(0),
                    reviews::delegated_by.eq(""),
                ))
                .execute(connection)?;
        }
        ReviewChange::Candidates { id, tenant, roles, replace } => {
            write_candidates(connection, id, tenant, roles, *replace)?;
        }
        ReviewChange::Commented(row) => {
            diesel::insert_into(review_comments::table).values(row).execute(connection)?;
        }
        ReviewChange::Voted(row) => {
            diesel::delete(review_votes::table.find((&row.review_id, &row.voter))).execute(connection)?;
            diesel::insert_into(review_votes::table).values(row).execute(connection)?;
        }
        ReviewChange::Escalated { id, level } => {
            diesel::update(reviews::table.find(id)).set(reviews::level.eq(level)).execute(connection)?;
        }
        ReviewChange::Decided { id, decision, result, at } => write_decision(connection, id, decision, result, *at)?,
        ReviewChange::Closed { id, status } => {
            let open = [review_status::OPEN, review_status::CLAIMED];
            diesel::update(reviews::table.find(id).filter(reviews::status.eq_any(open)))
                .set(reviews::status.eq(*status))
                .execute(connection)?;
        }
    }
    Ok(())
}

fn write_candidates(
    connection: &mut AnyConnection,
    id: &str,
    tenant: &str,
    roles: &[String],
    replace: bool,
) -> Result<(), StoreError> {
    let before: String = reviews::table.find(id).select(reviews::roles).first(connection)?;
    let mut candidates: Vec<String> =
        if replace { Vec::new() } else { serde_json::from_str(&before).unwrap_or_default() };
    for role in roles {
        if !candidates.contains(role) {
            candidates.push(role.clone());
        }
    }
    let rows =
        review_people::table.filter(review_people::review_id.eq(id)).filter(review_people::part.eq(part::CANDIDATE));
    diesel::delete(rows).execute(connection)?;
    for who in &candidates {
        let row = PersonRow::new(tenant, id, part::CANDIDATE, who);
        diesel::insert_into(review_people::table).values(row).execute(connection)?;
    }
    diesel::update(reviews::table.find(id))
        .set(reviews::roles.eq(json!(candidates).to_string()))
        .execute(connection)?;
    Ok(())
}

fn write_decision(
    connection: &mut AnyConnection,
    id: &str,
    decision: &Decision,
    result: &str,
    at: i64,
) -> Result<(), StoreError> {
    diesel::update(reviews::table.find(id))
        .set((
            reviews::status.eq(review_status::DECIDED),
            reviews::decision.eq(&decision.decision),
            reviews::reason.eq(&decision.reason),
            reviews::edits.eq(text(&decision.edits)),
            reviews::result.eq(result),
            reviews::signature.eq(decision.signature.clone().unwrap_or_default()),
            reviews::decided_by.eq(&decision.by),
            reviews::decided_ms.eq(at),
        ))
        .execute(connection)?;
    Ok(())
}
