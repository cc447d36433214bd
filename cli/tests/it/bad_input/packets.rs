//! Claim packets with files that cannot be read: a person gets them, with the reason.

use serde_json::{Value, json};

use super::media::{png, silence, truncated_jpeg};
use crate::live::{Live, id, packet, with};

/// Every file of it is bad in its own way.
pub async fn that_cannot_be_read_go_to_a_person(live: &Live) {
    let spoilt = with(
        packet("C001"),
        vec![
            ("form", "image/jpeg", truncated_jpeg()),
            ("estimate", "image/png", png(20_000, 20_000)),
            ("note", "audio/wav", silence(5)),
            ("email", "text/plain", b"Dear \xff\xfe all".to_vec()),
            ("signals", "application/json", b"%PDF-1.7".to_vec()),
        ],
    );
    let task = live.submit("intake", spoilt).await;
    let reasons = reasons(live, &task).await;
    for named in [
        "the form cannot be read: the image/jpeg is damaged",
        "the estimate cannot be read: the picture is 20000 x 20000",
        "the note cannot be read: the recording is silent",
        "the email cannot be read: the text is not valid utf-8",
        "the signals cannot be read: declared as application/json but the bytes are application/pdf",
    ] {
        assert!(reasons.iter().any(|reason| reason.starts_with(named)), "{named:?} is missing: {reasons:#?}");
    }

    let few = vec![("note", "audio/wav", silence(30 * 60)), ("email", "text/plain", Vec::new())];
    let task = live.submit("intake", few).await;
    let reasons = self::reasons(live, &task).await;
    for named in [
        "the form cannot be read: orrery.read: the task has no attachment",
        "the note cannot be read: the recording is longer than 600 seconds",
        "the email cannot be read: the payload is empty",
    ] {
        assert!(reasons.iter().any(|reason| reason.starts_with(named)), "{named:?} is missing: {reasons:#?}");
    }

    // The person decides, and the record shows who.
    let adjuster = live.key("default", "ada", &["adjuster", "reviewer"]).await;
    let review = id(&live.review_of(&task).await);
    let claim = live.post(&format!("/v1/reviews/{review}/claim"), &adjuster, &json!({})).await;
    assert_eq!(claim.0, 200, "{}", claim.1);
    let decision = json!({"decision": "refer", "reason": "nothing in it can be read"});
    let decided = live.post(&format!("/v1/reviews/{review}/decide"), &adjuster, &decision).await;
    assert_eq!(decided.0, 200, "{}", decided.1);
    let ended = live.settled(&task, &live.admin).await;
    assert_eq!((&ended["status"], &ended["output"]["decision"]), (&json!("completed"), &json!("refer")), "{ended}");
    let explained = live.explained(&task, &live.admin, |record| record["complete"] == true).await;
    assert!(explained["reviews"].to_string().contains("ada"), "{explained}");
}

/// A form that is laid out and worded in a way that no packet of the example has.
pub async fn in_another_layout_go_on(live: &Live) {
    let form = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/inference/tests/fixtures/form.png");
    let other = with(packet("C004"), vec![("form", "image/png", std::fs::read(form).unwrap())]);
    let task = live.submit("intake", other).await;
    let reasons = reasons(live, &task).await;
    assert!(reasons.iter().any(|reason| reason.contains("missing: incident_type")), "{reasons:#?}");
    let review = live.review_of(&task).await;
    let facts = &review["subject"]["facts"];
    for (field, value) in [
        ("policy_number", json!("MI-H-204817")),
        ("claimant_name", json!("Ingrid Halvorsen")),
        ("incident_date", json!("2026-03-14")),
        ("amount_claimed", json!(1284.5)),
    ] {
        assert_eq!(facts[field], value, "{field}: {facts}");
    }
}

/// Why a person was asked.
async fn reasons(live: &Live, task: &str) -> Vec<String> {
    let settled = live.settled(task, &live.admin).await;
    assert_eq!(settled["status"], "waiting", "{settled}");
    let review = live.review_of(task).await;
    live.explained(task, &live.admin, |record| record["reviews"].to_string().contains(&id(&review))).await;
    let reasons = review["subject"]["reasons"].as_array().unwrap_or_else(|| panic!("no reasons: {review}"));
    reasons.iter().map(Value::as_str).map(|reason| reason.unwrap().to_owned()).collect()
}
