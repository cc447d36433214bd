//! Where data may go, seen from outside: an external model that is cheaper, faster and asked for still gets no personal data.

use orrery_errors::ErrorCode;
use orrery_proto::v1::{Candidate, InvokeRequest};

use crate::system::{System, catalogue, chat};
use orrery_standins::openai::{OpenaiServer, Script};

fn personal(model: &str) -> InvokeRequest {
    InvokeRequest { data_classes: vec!["personal".into()], ..chat(model, "my phone number is 030 1234567") }
}

#[tokio::test]
async fn personal_data_stays_on_local_models() {
    let cloud = OpenaiServer::start(Script::Says("from the cloud")).await;
    let system = System::start(&catalogue(Some(&cloud))).await;

    // Without personal data the external model is what everybody would take.
    for model in ["auto", "drafts", "cloud-chat"] {
        let reply = system.invoke(&chat(model, "hello")).await.unwrap();
        assert_eq!(reply.decision.unwrap().chosen, "cloud-chat", "{model}");
    }
    assert_eq!(cloud.calls(), 3);

    for model in ["auto", "drafts"] {
        let decision = system.invoke(&personal(model)).await.unwrap().decision.unwrap();
        assert_eq!(decision.chosen, "home", "{model}");
        let dropped: &Candidate = decision.candidates.iter().find(|c| c.model == "cloud-chat").unwrap();
        assert!(!dropped.eligible);
        assert_eq!(dropped.policies, ["personal-data-stays-local"]);
        assert_eq!(dropped.reason, "forbidden by personal-data-stays-local");
    }
    let refused = system.invoke(&personal("cloud-chat")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::PolicyDenied);
    assert!(refused.detail.unwrap().to_string().contains("personal-data-stays-local"));
    assert_eq!(cloud.calls(), 3, "personal data has left");

    let audited = system.audited(6).await;
    let outcomes: Vec<&str> = audited.iter().map(|(_, facts)| facts.outcome.as_str()).collect();
    assert_eq!(outcomes, ["ok", "ok", "ok", "ok", "ok", "policy_denied"]);
    let (record, denied) = &audited[5];
    assert_eq!(
        (record.service.as_str(), record.kind.ends_with(".called"), record.tenant.as_str()),
        ("router", true, "acme")
    );
    assert!(denied.models.is_empty() && denied.output_digest.is_empty() && denied.attempts == 0);
    assert!(denied.policy_digest.starts_with("sha256:") && denied.input_digest.starts_with("sha256:"));
    assert!(!record.facts_json.contains("1234567"), "content is on the record");
}

#[tokio::test]
async fn external_models_need_an_agreement_for_tenant_and_purpose() {
    let cloud = OpenaiServer::start(Script::Says("from the cloud")).await;
    let system = System::start(&catalogue(Some(&cloud))).await;
    let of = |tenant: &str, purpose: &str, class: &str| {
        let mut request = chat("cloud-chat", "hello");
        request.caller.as_mut().unwrap().tenant = tenant.into();
        request.purpose = purpose.into();
        request.data_classes = vec![class.into()];
        request
    };
    assert!(system.invoke(&of("acme", "drafting", "internal")).await.is_ok());
    for (tenant, purpose, class) in
        [("other", "drafting", "internal"), ("acme", "profiling", "internal"), ("acme", "drafting", "secret")]
    {
        let refused = system.invoke(&of(tenant, purpose, class)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::PolicyDenied, "{tenant} {purpose} {class}");
    }
    assert_eq!(cloud.calls(), 1);
}
