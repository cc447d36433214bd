//! Arguments of `orrery.human`: what they mean, and what is refused with the reason.

use orrery_types::{ReviewId, UnixMillis};
use serde_json::{Value, json};

use crate::domain::fault::Fault;
use crate::domain::review::{Delegation, Review, check_constants, merge_patch};

const NOW: UnixMillis = UnixMillis(1_767_603_600_000); // Monday 2026-01-05T09:00:00Z

fn review(more: Value) -> Result<Review, Fault> {
    let arguments = merge_patch(json!({"title": "Pay?", "roles": ["adjuster"]}), &more);
    let calendars = json!({"office": {"time_zone": "UTC"}});
    Review::from_arguments(ReviewId::new("rev_1").unwrap(), &arguments, &calendars, NOW)
}

#[test]
fn times_are_given_as_durations_or_points_and_in_business_time() {
    for (arguments, due_at) in [
        (json!({"due": "PT8H"}), "2026-01-05T17:00:00.000Z"),
        (json!({"due": {"hours": 1}}), "2026-01-05T10:00:00.000Z"),
        (json!({"due": "2026-03-01T12:00:00+01:00"}), "2026-03-01T11:00:00.000Z"),
        (json!({"due": {"at": "2026-03-01T12:00:00Z"}}), "2026-03-01T12:00:00.000Z"),
        (json!({"due": "PT12H", "calendar": "office"}), "2026-01-06T13:00:00.000Z"),
        (json!({"due": "P1D", "calendar": {"time_zone": "UTC", "days": ["fri"]}}), "2026-01-16T09:00:00.000Z"),
    ] {
        let review = review(arguments.clone()).unwrap();
        assert_eq!(review.due_at.unwrap().to_string(), due_at, "{arguments}");
    }
    let chain = json!([{"after": "PT16H", "roles": ["lead"]}, {"after": "PT4H", "notify": ["role:desk"]}]);
    let review =
        review(json!({"due": "P2D", "calendar": "office", "reminders": ["PT1H", "PT4H"], "escalation": chain}))
            .unwrap();
    let times = |times: &[UnixMillis]| times.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(times(&review.reminders), ["2026-01-06T13:00:00.000Z", "2026-01-06T16:00:00.000Z"]);
    let levels: Vec<UnixMillis> = review.escalation.iter().map(|level| level.at).collect();
    assert_eq!(times(&levels), ["2026-01-05T13:00:00.000Z", "2026-01-06T17:00:00.000Z"], "in the order of time");
}

#[test]
fn those_who_decided_before_are_named_by_principal_or_by_what_they_decided() {
    let earlier = json!({"decision": "approve", "decided_by": "bob", "voters": ["bob", "dora"]});
    let review = review(json!({"exclude": ["carl", "user:zoë"], "not_by": [earlier, null, "carl"]})).unwrap();
    assert_eq!(review.excluded, ["bob", "carl", "dora", "zoë"]);
}

#[test]
fn quorum_and_four_eyes_take_distinct_people() {
    let quorum = |more: Value| review(more).unwrap().quorum;
    assert!(!quorum(json!({})).takes_votes());
    assert_eq!(quorum(json!({"four_eyes": true})).needed("approve"), 2);
    let some = quorum(json!({"quorum": {"approvals": 3, "per_decision": {"decline": 1}}}));
    assert_eq!((some.needed("approve"), some.needed("decline")), (3, 1));
    let strict = quorum(json!({"four_eyes": true, "quorum": {"per_decision": {"decline": 1}}}));
    assert_eq!((strict.needed("approve"), strict.needed("decline")), (2, 2), "four eyes only make it stricter");
    assert_eq!(review(json!({"delegation": "anyone"})).unwrap().delegation, Delegation::Anyone);
}

#[test]
fn what_cannot_be_is_refused_with_the_argument_and_the_reason() {
    for (bad, reason) in [
        (json!({"roles": []}), "`roles`"),
        (json!({"roles": ["user:"]}), "names nobody"),
        (json!({"roles": "adjuster"}), "`roles`"),
        (json!({"title": null}), "`title`"),
        (json!({"decisions": []}), "`decisions`"),
        (json!({"on_expiry": "settle"}), "none of the decisions"),
        (json!({"changes": "redo"}), "none of the decisions"),
        (json!({"due": "tomorrow"}), "`due`"),
        (json!({"due": "P1W", "calendar": "office"}), "business time"),
        (json!({"calendar": "moon"}), "document.metadata.calendars"),
        (json!({"quorum": {"approvals": 0}}), "`quorum`"),
        (json!({"quorum": {"votes": 2}}), "votes"),
        (json!({"quorum": {"approvals": 2, "per_decision": {"redo": 1}}}), "redo"),
        (json!({"reminders": ["PT1H"]}), "need `due`"),
        (json!({"escalation": [{"roles": ["lead"]}]}), "after"),
        (json!({"escalation": [{"after": "PT1H", "replace": true}]}), "`escalation.roles`"),
        (json!({"delegation": "nobody"}), "`delegation`"),
        (json!({"not_by": [5]}), "`not_by`"),
        (json!({"form": {"type": 5}}), "`form`"),
        (json!({"four_eyes": "yes"}), "`four_eyes`"),
    ] {
        let fault = review(bad.clone()).unwrap_err();
        assert!(fault.detail.as_ref().unwrap().contains(reason), "{bad}: {fault:?}");
    }
}

#[test]
fn constants_are_checked_at_deployment_and_what_is_computed_is_left_for_later() {
    let check = |more: Value| {
        check_constants(&merge_patch(json!({"title": "${ .t }", "roles": "${ .r }"}), &more), &Value::Null)
    };
    assert_eq!(check(json!({"due": "PT8H", "subject": "${ . }", "not_by": ["${ .first }"]})), Ok(()));
    assert!(check(json!({"due": "eight hours"})).unwrap_err().contains("`due`"));
    assert!(check(json!({"on_expiry": "settle"})).is_err());
    assert_eq!(check(json!({"on_expiry": "settle", "decisions": "${ .d }"})), Ok(()));
}
