//! Reviews over the bus.

use orrery_bus::{CallContext, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{Caller, ClaimReviewRequest, DecideReviewRequest, Review, ReviewStatus};
use serde_json::{Value, json};

use crate::system::{System, alice, bob, caller};

const ASK: &str = "do:
  - ask:
      call: orrery.human
      with:
        title: Pay?
        instructions: Look at the estimate.
        roles: [adjuster]
        subject: {amount: 5}
        form: {type: object, properties: {amount: {type: number}}, additionalProperties: false}
";

async fn claim(system: &System, by: Caller, id: &str) -> Result<Review, Error> {
    let request = ClaimReviewRequest { caller: Some(by), review_id: id.into() };
    system.bus.call(verbs::kernel::CLAIM, &CallContext::default(), &request).await
}

async fn decide(system: &System, by: Caller, id: &str, reason: &str, edits: &str) -> Result<Review, Error> {
    let request = DecideReviewRequest {
        caller: Some(by),
        review_id: id.into(),
        decision: "approve".into(),
        reason: reason.into(),
        edits_json: edits.into(),
    };
    system.bus.call(verbs::kernel::DECIDE, &CallContext::default(), &request).await
}

#[tokio::test]
async fn a_person_decides_once_and_only_who_may() {
    let system = System::start().await;
    system.deploy("ask", ASK).await.unwrap();
    let task = system.submit("ask", "{}", "").await.unwrap();
    let review = system.review(&task.id).await;
    assert_eq!((review.status(), review.submitted_by.as_str()), (ReviewStatus::Open, "alice"));
    assert!(system.reviews(caller("carl", "clerk"), "").await.unwrap().is_empty(), "not for clerks");
    assert_eq!(system.reviews(caller("ada", "admin"), "").await.unwrap().len(), 1, "admins see all");

    let own = claim(&system, caller("alice", "adjuster"), &review.id).await.unwrap_err();
    assert_eq!(own.code, ErrorCode::Forbidden);
    assert_eq!(claim(&system, bob(), &review.id).await.unwrap().claimed_by, "bob");
    assert_eq!(claim(&system, bob(), &review.id).await.unwrap().claimed_by, "bob");
    let other = caller("dora", "adjuster");
    assert_eq!(claim(&system, other.clone(), &review.id).await.unwrap_err().code, ErrorCode::Conflict);
    assert_eq!(decide(&system, bob(), &review.id, "", "").await.unwrap_err().code, ErrorCode::InvalidRequest);
    let wrong = decide(&system, bob(), &review.id, "ok", r#"{"colour": 1}"#).await.unwrap_err();
    assert_eq!(wrong.code, ErrorCode::InvalidRequest);

    let decided = decide(&system, bob(), &review.id, "covered", r#"{"amount": 4}"#).await.unwrap();
    assert_eq!((decided.status(), decided.reason.as_str()), (ReviewStatus::Decided, "covered"));
    let again = decide(&system, bob(), &review.id, "covered", r#"{"amount": 4}"#).await.unwrap();
    assert_eq!(again.decided_at_ms, decided.decided_at_ms, "deciding the same again changes nothing");
    assert_eq!(decide(&system, other, &review.id, "me too", "").await.unwrap_err().code, ErrorCode::Conflict);
    assert_eq!(decide(&system, alice(), &review.id, "x", "").await.unwrap_err().code, ErrorCode::Conflict);

    let output: Value = serde_json::from_str(&system.finished(&task.id).await.output_json).unwrap();
    assert_eq!((&output["decision"], &output["edits"]), (&json!("approve"), &json!({"amount": 4})));
}
