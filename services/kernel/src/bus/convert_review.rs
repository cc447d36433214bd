//! Between wire messages and rows of reviews. Wire types stop here.

use orrery_errors::Error;
use orrery_proto::v1;
use serde_json::json;

use super::convert::{invalid, unsigned};
use crate::payloads;
use crate::store::{CommentRow, ReviewFilter, ReviewOrder, ReviewPage, ReviewRow, ReviewView, VoteRow, review_status};

const PAGE_DEFAULT: u32 = 50;
const PAGE_MAX: u32 = 500;
/// Bytes of the contents of one page.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Which reviews a request asks for.
pub(super) fn filter(request: &v1::ListReviewsRequest) -> Result<ReviewFilter, Error> {
    let view = match v1::ReviewView::try_from(request.view) {
        Ok(v1::ReviewView::Unspecified) => ReviewView::All,
        Ok(v1::ReviewView::Mine) => ReviewView::Mine,
        Ok(v1::ReviewView::Claimable) => ReviewView::Claimable,
        Ok(v1::ReviewView::Overdue) => ReviewView::Overdue,
        Err(_) => return Err(invalid(format!("{} is no view of reviews", request.view))),
    };
    let statuses = request.statuses.iter().map(word).collect::<Result<_, _>>()?;
    Ok(ReviewFilter { statuses, run: request.task_id.clone(), workflow: request.workflow.clone(), view })
}

/// The stored word of a status.
fn word(value: &i32) -> Result<String, Error> {
    let word = match v1::ReviewStatus::try_from(*value) {
        Ok(v1::ReviewStatus::Open) => review_status::OPEN,
        Ok(v1::ReviewStatus::Claimed) => review_status::CLAIMED,
        Ok(v1::ReviewStatus::Decided) => review_status::DECIDED,
        Ok(v1::ReviewStatus::Withdrawn) => review_status::WITHDRAWN,
        Ok(v1::ReviewStatus::Expired) => review_status::EXPIRED,
        _ => return Err(invalid(format!("{value} is no review status"))),
    };
    Ok(word.to_owned())
}

/// Which page of them.
pub(super) fn page(request: &v1::ListReviewsRequest) -> Result<ReviewPage, Error> {
    let order = match v1::ReviewOrder::try_from(request.order) {
        Ok(v1::ReviewOrder::Unspecified) => ReviewOrder::Newest,
        Ok(v1::ReviewOrder::Due) => ReviewOrder::Due,
        Err(_) => return Err(invalid(format!("{} is no order of reviews", request.order))),
    };
    let limit = if request.limit == 0 { PAGE_DEFAULT } else { request.limit.min(PAGE_MAX) };
    let after = match (request.cursor.as_str(), order) {
        ("", _) => None,
        (id, ReviewOrder::Newest) => Some((0, id.to_owned())),
        (cursor, ReviewOrder::Due) => {
            let place = cursor.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
            Some(place.ok_or_else(|| invalid("the cursor is not of a page of this order"))?)
        }
    };
    Ok(ReviewPage { after, limit: i64::from(limit), order })
}

/// As many rows as fit into one answer, and the cursor of the page after them; empty: there is none.
pub(super) fn fitting(mut rows: Vec<ReviewRow>, page: &ReviewPage) -> (Vec<ReviewRow>, String) {
    let full = i64::try_from(rows.len()).is_ok_and(|found| found >= page.limit);
    let mut bytes = 0;
    let fit = rows.iter().take_while(|row| {
        bytes += row.subject.len() + row.form.len() + row.previous.len() + row.result.len() + row.edits.len();
        bytes <= PAGE_BYTES_MAX
    });
    // One is always shown: what a row holds itself is bounded.
    let (found, fit) = (rows.len(), fit.count().max(1));
    rows.truncate(fit);
    let cursor = match (rows.last().filter(|_| full || fit < found), page.order) {
        (None, _) => String::new(),
        (Some(last), ReviewOrder::Newest) => last.id.clone(),
        (Some(last), ReviewOrder::Due) => format!("{}.{}", last.sort_ms, last.id),
    };
    (rows, cursor)
}

/// A review in a list: what is stored elsewhere because of its length is named by that only.
pub(super) fn listed(mut row: ReviewRow) -> v1::Review {
    for text in [&mut row.subject, &mut row.result, &mut row.previous] {
        *text = payloads::shown(std::mem::take(text));
    }
    review(row)
}

pub(super) fn review(row: ReviewRow) -> v1::Review {
    let status = match row.status.as_str() {
        review_status::OPEN => v1::ReviewStatus::Open,
        review_status::CLAIMED => v1::ReviewStatus::Claimed,
        review_status::DECIDED => v1::ReviewStatus::Decided,
        review_status::WITHDRAWN => v1::ReviewStatus::Withdrawn,
        review_status::EXPIRED => v1::ReviewStatus::Expired,
        _ => v1::ReviewStatus::Unspecified,
    };
    let details = row.details();
    v1::Review {
        roles: row.roles(),
        id: row.id,
        tenant: row.tenant,
        task_id: row.run_id,
        pointer: row.pointer,
        title: row.title,
        instructions: row.instructions,
        form_schema_json: row.form,
        subject_json: row.subject,
        status: status as i32,
        claimed_by: row.claimed_by,
        decision: row.decision,
        reason: row.reason,
        edits_json: row.edits,
        decided_by: row.decided_by,
        created_at_ms: unsigned(row.created_ms),
        claimed_at_ms: unsigned(row.claimed_ms),
        decided_at_ms: unsigned(row.decided_ms),
        due_at_ms: unsigned(row.due_ms),
        submitted_by: row.submitted_by,
        workflow: row.workflow,
        decisions: details.decisions,
        changes: details.changes.unwrap_or_default(),
        approvals: details.quorum.approvals,
        per_decision_json: match details.quorum.per_decision.is_empty() {
            true => String::new(),
            false => json!(details.quorum.per_decision).to_string(),
        },
        excluded: details.excluded,
        supervisors: details.supervisors,
        delegated_by: row.delegated_by,
        expires_at_ms: unsigned(row.expires_ms),
        level: u32::try_from(row.level).unwrap_or(0),
        round: u32::try_from(row.round).unwrap_or(0),
        previous_json: row.previous,
        result_json: row.result,
        signature: row.signature,
        comments: Vec::new(),
        votes: Vec::new(),
    }
}

pub(super) fn comment(row: CommentRow) -> v1::ReviewComment {
    v1::ReviewComment { id: row.id, by: row.author, text: row.text, at_ms: unsigned(row.at_ms) }
}

pub(super) fn vote(row: VoteRow) -> v1::ReviewVote {
    let VoteRow { voter, decision, reason, edits, at_ms, .. } = row;
    v1::ReviewVote { by: voter, decision, reason, edits_json: edits, at_ms: unsigned(at_ms) }
}
