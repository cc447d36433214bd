//! What becomes known of a review: facts for the log, and notices for whoever tells people. Ids, roles and digests only.

use orrery_proof::facts::{self, kind};
use orrery_types::{ReviewId, Sha256Digest};
use serde_json::{Value, json};

use crate::domain::definition::digest;
use crate::domain::event::Fact;
use crate::domain::review::{Change, USER};
use crate::domain::state::Activity;

/// The facts of a change that belongs in the log. Must agree with [`Change::is_audited`].
pub fn of(review: &ReviewId, change: &Change) -> Option<(&'static str, String)> {
    let review_id = review.to_string();
    let digest_of = |text: &str| Sha256Digest::of(text.as_bytes()).to_string();
    let handed_over = |by: &String, to: Vec<String>| {
        facts::to_json(&facts::ReviewHandedOver { review_id: review_id.clone(), by: by.clone(), to })
    };
    Some(match change {
        Change::Released { by } => (kind::REVIEW_RELEASED, handed_over(by, Vec::new())),
        Change::Delegated { by, to, .. } => (kind::REVIEW_DELEGATED, handed_over(by, vec![format!("{USER}{to}")])),
        Change::Reassigned { by, to } => (kind::REVIEW_REASSIGNED, handed_over(by, to.clone())),
        Change::Commented { comment } => {
            let (by, text_digest) = (comment.by.clone(), digest_of(&comment.text));
            (kind::REVIEW_COMMENTED, facts::to_json(&facts::ReviewCommented { review_id, by, text_digest }))
        }
        Change::Voted { vote } => {
            let voted = facts::ReviewVoted {
                review_id,
                by: vote.by.clone(),
                decision: vote.decision.clone(),
                reason_digest: digest_of(&vote.reason),
                edits_digest: if vote.edits.is_null() { String::new() } else { digest(&vote.edits).to_string() },
            };
            (kind::REVIEW_VOTED, facts::to_json(&voted))
        }
        Change::Escalated { level, roles, replace, .. } => {
            let (level, roles, replaces) = (*level, roles.clone(), *replace);
            (kind::REVIEW_ESCALATED, facts::to_json(&facts::ReviewEscalated { review_id, level, roles, replaces }))
        }
        Change::Expired => (kind::REVIEW_EXPIRED, facts::to_json(&facts::ReviewExpired { review_id })),
        Change::Reminded | Change::Overdue => return None,
    })
}

/// The data of an event, with what a notifier needs to find the people it concerns.
pub fn notice(mut data: Value, fact: &Fact) -> Value {
    let (review, more) = match fact {
        Fact::StepStarted { frame, .. } => match &frame.activity {
            Activity::Human { review } => (&review.id, json!({ "roles": review.roles, "round": review.round })),
            _ => return data,
        },
        Fact::ReviewClaimed { review, by } => (review, json!({ "by": by })),
        Fact::ReviewDecided { review, decision } => (review, json!({ "by": decision.by })),
        Fact::ReviewWithdrawn { review, .. } => (review, json!({})),
        Fact::ReviewChanged { review, change } => (review, changed(change)),
        _ => return data,
    };
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.insert("review_id".to_owned(), json!(review));
        data.extend(more);
    }
    data
}

fn changed(change: &Change) -> Value {
    match change {
        Change::Released { by } => json!({ "by": by }),
        Change::Delegated { by, to, .. } => json!({ "by": by, "roles": [format!("{USER}{to}")] }),
        Change::Reassigned { by, to } => json!({ "by": by, "roles": to }),
        Change::Commented { comment } => json!({ "by": comment.by, "comment_id": comment.id }),
        Change::Voted { vote } => json!({ "by": vote.by }),
        Change::Escalated { level, roles, notify, .. } => json!({ "level": level, "roles": roles, "notify": notify }),
        Change::Reminded | Change::Overdue | Change::Expired => json!({}),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use orrery_types::UnixMillis;

    use super::*;
    use crate::domain::review::{Comment, Vote};

    #[test]
    fn records_and_notices_agree_with_the_domain_and_hold_no_content() {
        let content = "the claimant's name";
        let (by, at) = ("bob".to_owned(), UnixMillis(5));
        let comment = Comment { id: "com_1".to_owned(), by: by.clone(), text: content.to_owned(), at };
        let (reason, edits) = (content.to_owned(), json!({ "name": content }));
        let vote = Vote { by: by.clone(), decision: "approve".to_owned(), reason, edits, at };
        let to = vec!["user:dora".to_owned()];
        let changes = [
            Change::Released { by: by.clone() },
            Change::Delegated { by: by.clone(), to: "dora".to_owned(), admits: false },
            Change::Reassigned { by, to: to.clone() },
            Change::Commented { comment },
            Change::Voted { vote },
            Change::Reminded,
            Change::Overdue,
            Change::Escalated { level: 1, roles: to, replace: true, notify: vec!["role:desk".to_owned()] },
            Change::Expired,
        ];
        let review = ReviewId::new("rev_1").unwrap();
        for change in changes {
            let record = of(&review, &change);
            assert_eq!(record.is_some(), change.is_audited(), "{change:?}");
            if let Some((kind, facts)) = &record {
                assert_eq!(*kind, change.kind());
                assert!(!facts.contains(content), "{facts}");
            }
            let kind = change.kind();
            let data = notice(json!({}), &Fact::ReviewChanged { review: review.clone(), change: Box::new(change) });
            assert_eq!(data["review_id"], json!("rev_1"), "{kind}");
            assert!(!data.to_string().contains(content), "{data}");
        }
    }
}
