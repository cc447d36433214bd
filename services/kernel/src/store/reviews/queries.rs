//! Finding reviews: a person's work, page by page, narrowed and sorted by the database.

use diesel::dsl::not;
use diesel::prelude::*;
use orrery_store::{AnyConnection, StoreError};

use super::super::KernelStore;
use super::super::schema::{decision_keys, review_comments, review_people, review_votes, reviews};
use super::{CommentRow, ReviewRow, VoteRow, part, review_status};
use crate::domain::command::Person;
use crate::domain::review::{ADMIN, USER};

type Backend = <AnyConnection as diesel::Connection>::Backend;
type Query = reviews::BoxedQuery<'static, Backend>;

/// Which of the reviews that a person may see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReviewView {
    /// All.
    #[default]
    All,
    /// Those that they hold.
    Mine,
    /// Those that they could claim or vote on, and have not.
    Claimable,
    /// Those that are past their due time and not closed.
    Overdue,
}

/// In which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReviewOrder {
    /// The newest first.
    #[default]
    Newest,
    /// The most urgent first.
    Due,
}

/// Which reviews.
#[derive(Debug, Clone, Default)]
pub struct ReviewFilter {
    /// Any of these; empty: all.
    pub statuses: Vec<String>,
    /// Of this task; empty: all.
    pub run: String,
    /// Of this workflow; empty: all.
    pub workflow: String,
    /// From whose point of view.
    pub view: ReviewView,
}

/// Where a page begins and how long it is.
#[derive(Debug, Clone, Default)]
pub struct ReviewPage {
    /// `sort_ms` and id of the last row of the page before.
    pub after: Option<(i64, String)>,
    /// Rows at most.
    pub limit: i64,
    /// In which order.
    pub order: ReviewOrder,
}

/// How much work a person has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Reviews that they hold.
    pub mine: i64,
    /// Reviews that they could take on.
    pub claimable: i64,
    /// Reviews past their due time that they may see.
    pub overdue: i64,
    /// Reviews that are not closed and that they may see.
    pub open: i64,
}

/// The reviews of a tenant that a person may see; an admin sees all.
fn visible(tenant: &str, person: &Person) -> Query {
    let rows = reviews::table.filter(reviews::tenant.eq(tenant.to_owned())).into_boxed();
    if person.roles.iter().any(|role| role == ADMIN) {
        return rows;
    }
    let concerned = review_people::table
        .filter(review_people::tenant.eq(tenant.to_owned()))
        .filter(review_people::who.eq_any(called(person)))
        .filter(review_people::part.ne(part::EXCLUDED))
        .select(review_people::review_id);
    rows.filter(reviews::id.eq_any(concerned).or(reviews::claimed_by.eq(person.principal.clone())))
}

/// Everything by which a review may name a person.
fn called(person: &Person) -> Vec<String> {
    person.roles.iter().cloned().chain([format!("{USER}{}", person.principal)]).collect()
}

fn narrowed(tenant: &str, person: &Person, filter: &ReviewFilter, now_ms: i64) -> Query {
    let mut rows = visible(tenant, person);
    if !filter.statuses.is_empty() {
        rows = rows.filter(reviews::status.eq_any(filter.statuses.clone()));
    }
    if !filter.run.is_empty() {
        rows = rows.filter(reviews::run_id.eq(filter.run.clone()));
    }
    if !filter.workflow.is_empty() {
        rows = rows.filter(reviews::workflow.eq(filter.workflow.clone()));
    }
    match filter.view {
        ReviewView::All => rows,
        ReviewView::Mine => rows
            .filter(reviews::status.eq(review_status::CLAIMED))
            .filter(reviews::claimed_by.eq(person.principal.clone())),
        ReviewView::Claimable => {
            let named = review_people::table
                .filter(review_people::tenant.eq(tenant.to_owned()))
                .filter(review_people::who.eq_any(called(person)))
                .filter(review_people::part.eq(part::CANDIDATE))
                .select(review_people::review_id);
            let excluded = review_people::table
                .filter(review_people::tenant.eq(tenant.to_owned()))
                .filter(review_people::who.eq(format!("{USER}{}", person.principal)))
                .filter(review_people::part.eq(part::EXCLUDED))
                .select(review_people::review_id);
            let voted = review_votes::table
                .filter(review_votes::voter.eq(person.principal.clone()))
                .select(review_votes::review_id);
            rows.filter(reviews::status.eq(review_status::OPEN))
                .filter(reviews::submitted_by.ne(person.principal.clone()))
                .filter(reviews::id.eq_any(named))
                .filter(not(reviews::id.eq_any(excluded)))
                .filter(not(reviews::id.eq_any(voted)))
        }
        ReviewView::Overdue => rows
            .filter(reviews::status.eq_any([review_status::OPEN, review_status::CLAIMED]))
            .filter(reviews::due_ms.gt(0).and(reviews::due_ms.lt(now_ms))),
    }
}

impl KernelStore {
    /// A review of a tenant.
    pub async fn review(&self, tenant: String, id: String) -> Result<Option<ReviewRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                Ok(reviews::table.find(id).filter(reviews::tenant.eq(tenant)).first(connection).optional()?)
            })
            .await
    }

    /// What people said about a review, and how they voted, each in the order of time.
    pub async fn review_voices(&self, id: String) -> Result<(Vec<CommentRow>, Vec<VoteRow>), StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let comments = review_comments::table.filter(review_comments::review_id.eq(&id));
                let votes = review_votes::table.filter(review_votes::review_id.eq(&id));
                Ok((
                    comments.order((review_comments::at_ms, review_comments::id)).load(connection)?,
                    votes.order((review_votes::at_ms, review_votes::voter)).load(connection)?,
                ))
            })
            .await
    }

    /// A page of the reviews that a person may see.
    pub async fn reviews(
        &self,
        tenant: String,
        person: Person,
        filter: ReviewFilter,
        page: ReviewPage,
        now_ms: i64,
    ) -> Result<Vec<ReviewRow>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let rows = narrowed(&tenant, &person, &filter, now_ms);
                let rows = match (page.order, page.after) {
                    (ReviewOrder::Newest, None) => rows.order(reviews::id.desc()),
                    (ReviewOrder::Newest, Some((_, id))) => rows.filter(reviews::id.lt(id)).order(reviews::id.desc()),
                    (ReviewOrder::Due, None) => rows.order((reviews::sort_ms, reviews::id)),
                    (ReviewOrder::Due, Some((sort_ms, id))) => {
                        let later = reviews::sort_ms.eq(sort_ms).and(reviews::id.gt(id));
                        rows.filter(reviews::sort_ms.gt(sort_ms).or(later)).order((reviews::sort_ms, reviews::id))
                    }
                };
                Ok(rows.limit(page.limit).load(connection)?)
            })
            .await
    }

    /// How much work a person has.
    pub async fn review_work(&self, tenant: String, person: Person, now_ms: i64) -> Result<Work, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let mut count = |view, statuses: &[&str]| {
                    let statuses = statuses.iter().map(|status| (*status).to_owned()).collect();
                    let filter = ReviewFilter { view, statuses, ..ReviewFilter::default() };
                    narrowed(&tenant, &person, &filter, now_ms).count().get_result(connection)
                };
                Ok(Work {
                    mine: count(ReviewView::Mine, &[])?,
                    claimable: count(ReviewView::Claimable, &[])?,
                    overdue: count(ReviewView::Overdue, &[])?,
                    open: count(ReviewView::All, &[review_status::OPEN, review_status::CLAIMED])?,
                })
            })
            .await
    }

    /// Makes a public key known, so that decisions signed with it can be checked later.
    pub async fn add_decision_key(&self, verifier_key: String, now_ms: i64) -> Result<(), StoreError> {
        self.store
            .write(move |connection| {
                let known: i64 = decision_keys::table.find(&verifier_key).count().get_result(connection)?;
                if known == 0 {
                    diesel::insert_into(decision_keys::table)
                        .values((decision_keys::verifier_key.eq(&verifier_key), decision_keys::since_ms.eq(now_ms)))
                        .execute(connection)?;
                }
                Ok(())
            })
            .await
    }

    /// The public keys of all kernels that have signed decisions here, the oldest first.
    pub async fn decision_keys(&self) -> Result<Vec<String>, StoreError> {
        self.store
            .read(move |connection: &mut AnyConnection| {
                let keys = decision_keys::table.order((decision_keys::since_ms, decision_keys::verifier_key));
                Ok(keys.select(decision_keys::verifier_key).load(connection)?)
            })
            .await
    }
}
