//! Reviews over the bus.

use orrery_bus::{CallContext, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    Caller, ClaimReviewRequest, CommentReviewRequest, DecideReviewRequest, DelegateReviewRequest, GetReviewRequest,
    ListReviewsRequest, ReassignReviewRequest, ReleaseReviewRequest, Review, ReviewKeysRequest, ReviewOrder,
    ReviewStatus, ReviewView, ReviewWorkRequest,
};
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

const BOARD: &str = "do:
  - ask:
      call: orrery.human
      with:
        title: Pay?
        roles: [adjuster]
        supervisors: [lead]
        subject: {amount: 5, note: ünïcode}
        form: {type: object}
        quorum: {approvals: 2}
        due: '2030-01-01T00:00:00Z'
";

async fn verb<Request, Reply>(
    system: &System,
    verb: orrery_bus::Verb<Request, Reply>,
    request: Request,
) -> Result<Reply, Error>
where
    Request: prost::Message + Default,
    Reply: prost::Message + Default,
{
    system.bus.call(verb, &CallContext::default(), &request).await
}

async fn inbox(system: &System, by: Caller, view: ReviewView, limit: u32, cursor: &str) -> (Vec<String>, String) {
    let request = ListReviewsRequest {
        caller: Some(by),
        view: view.into(),
        order: ReviewOrder::Due.into(),
        limit,
        cursor: cursor.into(),
        ..ListReviewsRequest::default()
    };
    let reply = verb(system, verbs::kernel::REVIEWS, request).await.unwrap();
    (reply.reviews.into_iter().map(|review| review.id).collect(), reply.next_cursor)
}

async fn work(system: &System, by: Caller) -> (u64, u64, u64, u64) {
    let work = verb(system, verbs::kernel::REVIEW_WORK, ReviewWorkRequest { caller: Some(by) }).await.unwrap();
    (work.mine, work.claimable, work.overdue, work.open)
}

/// Work is found, handed on and talked about, and survives a kernel that dies.
async fn a_review_goes_from_hand_to_hand(mut system: System) {
    system.deploy("ask", &format!("{ASK}        due: PT1H\n        delegation: anyone\n")).await.unwrap();
    let mut reviews = Vec::new();
    for _ in 0..3 {
        let task = system.submit("ask", "{}", "").await.unwrap();
        reviews.push(system.review(&task.id).await.id);
    }
    // The most urgent first, page by page.
    let (first, cursor) = inbox(&system, bob(), ReviewView::Claimable, 2, "").await;
    let (second, end) = inbox(&system, bob(), ReviewView::Claimable, 2, &cursor).await;
    assert_eq!(([first, second].concat(), end.as_str()), (reviews.clone(), ""));
    let alice_adjusts = caller("alice", "adjuster");
    assert!(inbox(&system, alice_adjusts, ReviewView::Claimable, 9, "").await.0.is_empty(), "her own tasks");
    assert_eq!(work(&system, bob()).await, (0, 3, 0, 3));

    let id = reviews[1].clone();
    claim(&system, bob(), &id).await.unwrap();
    assert_eq!(inbox(&system, bob(), ReviewView::Mine, 9, "").await.0, std::slice::from_ref(&id));
    assert_eq!(work(&system, bob()).await, (1, 2, 0, 3));
    let carl = caller("carl", "clerk");
    let delegate = DelegateReviewRequest {
        caller: Some(bob()),
        review_id: id.clone(),
        to: "carl".into(),
        to_roles: vec!["clerk".into()],
    };
    let held = verb(&system, verbs::kernel::DELEGATE, delegate.clone()).await.unwrap();
    assert_eq!((held.claimed_by.as_str(), held.delegated_by.as_str()), ("carl", "bob"));
    assert!(held.roles.contains(&"user:carl".to_owned()), "who was handed it may see it");

    system.kill_kernel();
    system.start_kernel().await;
    assert_eq!(verb(&system, verbs::kernel::DELEGATE, delegate).await.unwrap().claimed_at_ms, held.claimed_at_ms);
    assert_eq!(inbox(&system, carl.clone(), ReviewView::Mine, 9, "").await.0, std::slice::from_ref(&id));
    let said = |text: &str| CommentReviewRequest { caller: Some(alice()), review_id: id.clone(), text: text.into() };
    verb(&system, verbs::kernel::COMMENT, said("the amount is net")).await.unwrap();
    let shown = verb(&system, verbs::kernel::COMMENT, said("the amount is net")).await.unwrap();
    assert_eq!(shown.comments.len(), 1, "the same words twice are one comment");
    let reassign = ReassignReviewRequest {
        caller: Some(caller("ada", "admin")),
        review_id: id.clone(),
        to: vec!["user:dora".into()],
    };
    let moved = verb(&system, verbs::kernel::REASSIGN, reassign).await.unwrap();
    assert_eq!((moved.status(), moved.claimed_by.as_str()), (ReviewStatus::Open, ""));
    assert_eq!(work(&system, carl).await, (0, 0, 0, 0));
    assert_eq!(decide(&system, bob(), &id, "mine", "").await.unwrap_err().code, ErrorCode::Forbidden);
    let release = ReleaseReviewRequest { caller: Some(caller("dora", "x")), review_id: id.clone() };
    verb(&system, verbs::kernel::RELEASE, release).await.unwrap();
    decide(&system, caller("dora", "x"), &id, "fine", "").await.unwrap();
}

#[tokio::test]
async fn work_is_found_and_handed_on_sqlite() {
    a_review_goes_from_hand_to_hand(System::start().await).await;
}

#[tokio::test]
async fn work_is_found_and_handed_on_postgresql() {
    let postgres = orrery_testkit::PostgresServer::start().await.unwrap();
    a_review_goes_from_hand_to_hand(System::start_on(Some(postgres.url())).await).await;
}

#[tokio::test]
async fn a_board_decides_once_and_its_decision_is_signed() {
    let system = System::start().await;
    system.deploy("board", BOARD).await.unwrap();
    let task = system.submit("board", "{}", "").await.unwrap();
    let id = system.review(&task.id).await.id;
    decide(&system, bob(), &id, "covered", r#"{"amount": 4}"#).await.unwrap();
    assert_eq!(work(&system, bob()).await, (0, 0, 0, 1), "who has voted has nothing left to do");
    // Two at the same time: the quorum is reached once, the other is too late or was the second voice.
    let (dora, eve) = (caller("dora", "adjuster"), caller("eve", "adjuster"));
    let (one, two) = tokio::join!(
        decide(&system, dora, &id, "covered", r#"{"amount": 4}"#),
        decide(&system, eve, &id, "covered", r#"{"amount": 4}"#)
    );
    assert_eq!([&one, &two].iter().filter(|outcome| outcome.is_ok()).count(), 1, "{one:?} {two:?}");
    let refused = one.as_ref().err().or(two.as_ref().err()).unwrap();
    assert_eq!(refused.code, ErrorCode::Conflict);

    let get = GetReviewRequest { caller: Some(alice()), review_id: id.clone() };
    let review = verb(&system, verbs::kernel::REVIEW, get).await.unwrap();
    assert_eq!((review.status(), review.votes.len()), (ReviewStatus::Decided, 2));
    let result: Value = serde_json::from_str(&review.result_json).unwrap();
    assert_eq!(result, json!({"amount": 4, "note": "ünïcode"}));
    let keys = verb(&system, verbs::kernel::REVIEW_KEYS, ReviewKeysRequest { caller: Some(alice()) }).await.unwrap();
    let verifier = orrery_proof::NoteVerifier::parse(&keys.verifier_keys[0]).unwrap();
    let signed = verifier.open(&review.signature).unwrap();
    for part in [id.as_str(), task.id.as_str(), "\"decision\":\"approve\"", review.decided_by.as_str(), "sha256:"] {
        assert!(signed.contains(part), "{part} is missing in {signed}");
    }
    assert!(!signed.contains("ünïcode") && !signed.contains("covered"), "content in a signature: {signed}");
    let kinds: Vec<String> = system.history(&task.id).await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "review.decided").count(), 1);
    assert_eq!(kinds.iter().filter(|kind| *kind == "review.voted").count(), 2);
}

#[tokio::test]
async fn a_definition_with_a_human_task_that_could_never_run_is_refused() {
    let system = System::start().await;
    let bad = ASK.replace("roles: [adjuster]", "roles: [adjuster]\n        due: in a while");
    let error = system.deploy("bad", &bad).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidDefinition);
    assert!(error.message.contains("`due`"), "{}", error.message);
}
