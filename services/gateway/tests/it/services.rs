//! Reviews, workflows, knowledge, audit, spend and system: what goes to the services and what comes back.

use orrery_proto::v1::{ReviewOrder, ReviewView};
use reqwest::Method;
use serde_json::json;

use crate::world::{World, answer, assert_error};

#[actix_web::test]
async fn reviews_are_decided_by_people_who_may() {
    let world = World::start().await;
    let (reviewer, submitter) = (world.key("rev", &["reviewer"]).await, world.key("submitter", &["reviewer"]).await);
    let (_, page) = world.get("/v1/reviews?status=open", &reviewer).await;
    assert_eq!((&page["data"][0]["status"], &page["data"][0]["subject"]), (&json!("open"), &json!({"amount": 7})));
    let decision = json!({"decision": "approve", "reason": "the estimate is plausible", "edits": {"amount": 8}});
    assert_error(&world.post("/v1/reviews/rev_1/decide", &submitter, &decision).await, "forbidden");
    let (status, review) = world.post("/v1/reviews/rev_1/decide", &reviewer, &decision).await;
    assert_eq!((status, &review["status"], &review["decision"]), (200, &json!("decided"), &json!("approve")));
    let decided = world.players.seen.lock().decisions[0].clone();
    assert_eq!((decided.caller.unwrap().principal.as_str(), decided.edits_json.as_str()), ("rev", "{\"amount\":8}"));
    let unfounded = json!({"decision": "approve", "reason": " "});
    assert_error(&world.post("/v1/reviews/rev_1/decide", &reviewer, &unfounded).await, "invalid_request");
}

#[actix_web::test]
async fn reviews_are_found_handed_on_and_talked_about() {
    let world = World::start().await;
    let (bob, clerk) = (world.key("bob", &["reviewer", "adjuster"]).await, world.key("clerk", &["developer"]).await);
    world.key("dora", &["reviewer"]).await;
    world.get("/v1/reviews?view=claimable&order=due&workflow=claims", &bob).await;
    {
        let seen = world.players.seen.lock();
        let asked = &seen.review_lists[0];
        assert_eq!((asked.view(), asked.order()), (ReviewView::Claimable, ReviewOrder::Due));
        assert_eq!(asked.workflow, "claims");
    }
    for wrong in ["view=yours", "order=random", "status=lost", "colour=red"] {
        assert_error(&world.get(&format!("/v1/reviews?{wrong}"), &bob).await, "invalid_request");
    }
    assert_eq!(
        world.get("/v1/reviews/work", &bob).await.1,
        json!({"mine": 1, "claimable": 2, "overdue": 3, "open": 4})
    );
    assert_error(&world.get("/v1/reviews/work", &clerk).await, "forbidden");
    assert_eq!(world.get("/v1/reviews/keys", &clerk).await.1["verifier_keys"], json!(["orrery-kernel+1+key"]));

    let (status, held) = world.post("/v1/reviews/rev_1/delegate", &bob, &json!({"to": "dora"})).await;
    assert_eq!((status, &held["claimed_by"], &held["delegated_by"]), (200, &json!("dora"), &json!("bob")));
    assert_eq!(held["roles"], json!(["reviewer"]), "the kernel learns the roles of whom it is handed to");
    assert_error(&world.post("/v1/reviews/rev_1/delegate", &bob, &json!({"to": "nobody"})).await, "not_found");
    assert_error(&world.post("/v1/reviews/rev_1/delegate", &bob, &json!({"to": "a b"})).await, "invalid_request");
    assert_error(&world.post("/v1/reviews/rev_1/delegate", &clerk, &json!({"to": "dora"})).await, "forbidden");
    let (_, moved) = world.post("/v1/reviews/rev_1/reassign", &world.admin, &json!({"to": ["user:dora"]})).await;
    assert_eq!(moved["roles"], json!(["user:dora"]));
    assert_eq!(world.post("/v1/reviews/rev_1/release", &bob, &json!({})).await.0, 200);
    let (_, said) = world.post("/v1/reviews/rev_1/comments", &clerk, &json!({"text": "see page 2 📎"})).await;
    assert_eq!((&said["comments"][0]["by"], &said["comments"][0]["text"]), (&json!("clerk"), &json!("see page 2 📎")));
}

#[actix_web::test]
async fn workflows_and_knowledge_reach_their_services() {
    let world = World::start().await;
    let deploy = |body: &'static [u8], kind: &'static str| {
        let request = world.request(Method::POST, "/v1/workflows", &world.admin).header("content-type", kind);
        async move { answer(request.body(body).send().await.unwrap()).await }
    };
    let (status, workflow) = deploy(b"document: {}", "application/yaml").await;
    assert_eq!((status, &workflow["name"], &workflow["created"]), (201, &json!("claims"), &json!(true)));
    let broken = deploy(b"broken", "application/yaml").await;
    assert_error(&broken, "invalid_definition");
    assert_eq!(broken.1["error"]["detail"][0]["line"], 3);
    assert_error(&deploy(b"\xff\xfe", "text/yaml").await, "invalid_request");
    assert_error(&deploy(b"<a/>", "application/xml").await, "unsupported_media");

    let put = world.request(Method::PUT, "/v1/knowledge/home/policy.md?access=reviewer,%20senior", &world.admin);
    let put = put.header("content-type", "text/markdown; charset=utf-8").body("# Policy\n");
    assert_eq!(answer(put.send().await.unwrap()).await.0, 201);
    {
        let seen = world.players.seen.lock();
        let (request, bytes) = &seen.ingested[0];
        assert_eq!((request.collection.as_str(), request.document.as_str()), ("home", "policy.md"));
        assert_eq!(request.access, ["reviewer", "senior"]);
        assert_eq!(request.blob.as_ref().unwrap().media_type, "text/markdown");
        assert_eq!(bytes, b"# Policy\n");
    }
    let (_, found) = world.post("/v1/knowledge/home/search", &world.admin, &json!({"query": "storm"})).await;
    assert_eq!((&found["hits"][0]["clause"], &found["embedding_model"]["name"]), (&json!("H-2.1"), &json!("minilm")));
    assert_error(
        &world.post("/v1/knowledge/home/search", &world.admin, &json!({"query": ""})).await,
        "invalid_request",
    );
    assert_error(&world.get("/v1/knowledge/%ff", &world.admin).await, "invalid_request");
    assert_error(&world.get("/v1/knowledge/..%2fetc", &world.admin).await, "invalid_request");
}

#[actix_web::test]
async fn audit_spend_and_status_are_told_as_asked() {
    let world = World::start().await;
    let explain = "/v1/audit/tasks/task_1/explain";
    assert_eq!(world.get(explain, &world.admin).await.1, json!({"task": "task_1"}));
    let plain = world.request(Method::GET, explain, &world.admin).header("accept", "text/plain").send().await.unwrap();
    assert_eq!(plain.text().await.unwrap(), "It was decided.\n");
    let proof = world.request(Method::GET, "/v1/audit/tasks/task_1/proof", &world.admin).send().await.unwrap();
    assert_eq!(proof.headers()["orrery-verifier-key"], "log+1+key");
    assert_eq!(proof.bytes().await.unwrap().as_ref(), [1, 2, 3]);
    let auditor = world.key("aud", &["auditor"]).await;
    let (_, export) = world.get("/v1/audit/export?after=7", &auditor).await;
    assert_eq!((&export["data"][0]["index"], &export["tree_size"]), (&json!(8), &json!(9)));
    // Nobody plays the checkpoint: the service is there, and this call is not answered.
    let gone = world.get("/v1/audit/checkpoint", &world.admin).await;
    assert_error(&gone, "unavailable");
    assert!(gone.1["error"]["retry_after_ms"].as_u64().is_some_and(|hint| hint > 0), "{}", gone.1);

    let set = world.request(Method::PUT, "/v1/budget", &world.admin).json(&json!({"limit_nanos": 5_000_000_000_u64}));
    assert_eq!(answer(set.send().await.unwrap()).await.1["limit_nanos"], 5_000_000_000_u64);
    assert_eq!(world.get("/v1/spend", &auditor).await.1["limit_nanos"], 5_000_000_000_u64);
    let negative = world.request(Method::PUT, "/v1/budget", &world.admin).json(&json!({"limit_nanos": -1}));
    assert_error(&answer(negative.send().await.unwrap()).await, "invalid_request");

    let (_, stats) = world.get("/v1/stats/models", &auditor).await;
    assert_eq!((&stats["models"]["home"]["minute"]["error_ppm"], &stats["revision"]), (&json!(7), &json!(9)));
    let (_, decision) = world.get("/v1/decisions/dec_1", &auditor).await;
    assert_eq!((&decision["decision"]["id"], &decision["verified"]), (&json!("dec_1"), &json!(true)));

    let (_, status) = world.get("/v1/system/status", &world.admin).await;
    let service = |name: &str| {
        let services = status["services"].as_array().unwrap().clone();
        services.into_iter().find(|service| service["service"] == name).unwrap()
    };
    assert_eq!(service("audit")["tree"]["name"], "audit");
    assert_eq!(service("gateway")["ready"], true, "{}", service("gateway"));
    assert!(service("gateway")["tree"].to_string().contains("keys"));
    assert_eq!(service("inference")["reachable"], false);
}
