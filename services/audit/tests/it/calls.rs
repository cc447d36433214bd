//! The calls, over a real bus: explanations and proofs of real records, and nothing for other tenants.

use std::time::Duration;

use orrery_bus::{CallContext, subjects, verbs};
use orrery_errors::ErrorCode;
use orrery_proof::{KeyTrust, verify};
use orrery_proto::v1::{ExplainRequest, ProofRequest};
use orrery_testkit::eventually_within;
use serde_json::Value;

use crate::system::{PATIENCE, System, caller};
use crate::task::{TASK, claim};

fn short() -> CallContext {
    CallContext::within(Duration::from_secs(2))
}

fn explain(tenant: &str) -> ExplainRequest {
    ExplainRequest { caller: Some(caller(tenant)), task_id: TASK.to_owned() }
}

fn proof(tenant: &str) -> ProofRequest {
    ProofRequest { caller: Some(caller(tenant)), task_id: TASK.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_explained_while_it_runs_and_proven_once_all_its_records_are_there() {
    let system = System::start().await;
    let (_, verifier) = system.checkpoint().await;
    let mut records = claim();
    let model_called = records.remove(0);
    let closing = records.pop().unwrap();

    system.report(&records).await;
    system.grown_to(7).await;
    let running = system.gateway.call(verbs::audit::EXPLAIN, &short(), &explain("acme")).await.unwrap();
    assert!(running.plain.contains("still running"), "{}", running.plain);
    let refused = system.gateway.call(verbs::audit::PROOF, &short(), &proof("acme")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FailedPrecondition, "{refused}");

    // Closed, but the model's record is late: the proof waits for it.
    system.report(&[closing]).await;
    system.grown_to(8).await;
    let refused = system.gateway.call(verbs::audit::PROOF, &short(), &proof("acme")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unavailable, "{refused}");
    assert!(refused.message.contains("dec_1") && refused.retry_after.is_some(), "{refused}");
    let patient = CallContext::within(Duration::from_secs(20));
    let request = proof("acme");
    let (reply, ()) = tokio::join!(
        system.gateway.call(verbs::audit::PROOF, &patient, &request),
        system.report(std::slice::from_ref(&model_called))
    );
    let reply = reply.unwrap();
    let verified = verify(&reply.proof, Some(&verifier)).unwrap();
    assert_eq!((verified.key_trust, verified.outcome.records), (KeyTrust::Trusted, 8));

    let whole = system.gateway.call(verbs::audit::EXPLAIN, &short(), &explain("acme")).await.unwrap();
    assert_eq!(whole.plain, verified.outcome.plain());
    let explanation: Value = serde_json::from_str(&whole.explanation_json).unwrap();
    assert_eq!(explanation["complete"], true);
    assert_eq!(explanation["reviews"][0]["decided"]["by"], "dana");
    assert_eq!(explanation["retrievals"][0]["hits"][0]["clause"], "H-2.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_sees_nothing() {
    let system = System::start().await;
    system.report(&claim()).await;
    system.grown_to(9).await;
    let explained = system.gateway.call(verbs::audit::EXPLAIN, &short(), &explain("rival")).await.unwrap_err();
    let proven = system.gateway.call(verbs::audit::PROOF, &short(), &proof("rival")).await.unwrap_err();
    assert_eq!((explained.code, proven.code), (ErrorCode::NotFound, ErrorCode::NotFound));
    assert!(system.export("rival", 10).await.is_empty());
    assert_eq!(system.export("acme", 3).await.len(), 8);

    let nobody = ExplainRequest { caller: None, task_id: TASK.to_owned() };
    let refused = system.gateway.call(verbs::audit::EXPLAIN, &short(), &nobody).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidRequest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_record_is_kept_aside_and_holds_nothing_up() {
    let system = System::start().await;
    let router = system.nats.connect("router").await.unwrap();
    let subject = subjects::audit_record("router");
    router.publish_durable(subject.clone(), "poison", vec![0xff; 40]).await.unwrap();
    system.report(&claim()).await;
    system.grown_to(9).await;
    let log = system.log().await;
    let letters = || async { Some(log.dead_letters(10).await.unwrap()).filter(|letters| !letters.is_empty()) };
    let letters = eventually_within(PATIENCE, letters).await.unwrap();
    assert_eq!((letters.len(), &letters[0].subject, letters[0].payload.len()), (1, &subject, 40));
}
