//! Keys, roles and tenants, on both databases, and what of it goes on the record.

use std::time::Duration;

use orrery_bus::{ConsumerSpec, subjects};
use orrery_proto::v1::AuditRecord;
use orrery_testkit::{PostgresServer, eventually};
use prost::Message as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{World, answer, assert_error};

#[actix_web::test]
async fn keys_live_and_die_on_sqlite() {
    keys_live_and_die(World::start().await).await;
}

#[actix_web::test]
async fn keys_live_and_die_on_postgresql() {
    let postgres = PostgresServer::start().await.unwrap();
    keys_live_and_die(World::on(Some(postgres.url())).await).await;
}

async fn keys_live_and_die(mut world: World) {
    assert_eq!(world.key_file_mode(), 0o600);
    let (status, me) = world.get("/v1/me", &world.admin).await;
    assert_eq!((status, &me["tenant"], &me["roles"]), (200, &json!("acme"), &json!(["admin", "operator"])));

    let (_, made) = world
        .post("/v1/admin/keys", &world.admin, &json!({"principal": "ada", "roles": ["developer", "senior"]}))
        .await;
    let key = made["key"].as_str().unwrap().to_owned();
    assert_eq!(world.get("/v1/me", &key).await.1["principal"], "ada");

    // A restart makes no second first key and forgets none.
    let first = world.admin.clone();
    world.restart().await;
    assert_eq!(std::fs::read_to_string(world.key_file()).unwrap().trim(), first);
    assert_eq!(world.get("/v1/me", &key).await.0, 200);

    let (_, listed) = world.get("/v1/admin/keys", &world.admin).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert!(listed["data"].as_array().unwrap().iter().all(|key| key.get("key").is_none()), "{listed}");

    let path = format!("/v1/admin/keys/{}", made["id"].as_str().unwrap());
    let revoked = answer(world.request(Method::DELETE, &path, &world.admin).send().await.unwrap()).await;
    assert_eq!(revoked.0, 200);
    assert!(revoked.1["revoked_at"].is_string());
    assert_error(&world.get("/v1/me", &key).await, "unauthenticated");
    let again = answer(world.request(Method::DELETE, "/v1/admin/keys/00", &world.admin).send().await.unwrap()).await;
    assert_error(&again, "not_found");

    // Nothing that is stored holds a key in clear.
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path != world.key_file() {
            let bytes = std::fs::read(&path).unwrap();
            let secret = key.rsplit('_').next().unwrap().as_bytes();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{} holds a key", path.display());
        }
    }
}

#[actix_web::test]
async fn whoever_may_not_is_turned_away_and_goes_on_the_record() {
    let world = World::start().await;
    let none = answer(world.http.get(format!("{}/v1/me", world.base)).send().await.unwrap()).await;
    assert_error(&none, "unauthenticated");
    for key in ["sk-something", "ok_0000000000000000_00", &world.admin.replace("ok_", "ok_f"), "\u{7f}"] {
        let bare = world.http.get(format!("{}/v1/me", world.base)).header("authorization", format!("Bearer {key}"));
        if let Ok(response) = bare.send().await {
            assert!(matches!(response.status().as_u16(), 401 | 400));
        }
    }
    // The right id with a wrong secret.
    let (id, secret) = world.admin.rsplit_once('_').unwrap();
    let forged = format!("{id}_{}", secret.chars().rev().collect::<String>());
    assert_error(&world.get("/v1/me", &forged).await, "unauthenticated");

    let soon = (jiff::Timestamp::now() + Duration::from_millis(1500)).to_string();
    let body = json!({"principal": "bo", "roles": ["developer"], "expires_at": soon});
    let (_, made) = world.post("/v1/admin/keys", &world.admin, &body).await;
    let expiring = made["key"].as_str().unwrap().to_owned();
    assert_eq!(world.get("/v1/me", &expiring).await.0, 200);
    let expired = || async { (world.get("/v1/me", &expiring).await.0 == 401).then_some(()) };
    assert!(eventually(expired).await.is_some(), "the key did not expire");

    let (developer, reviewer) = (world.key("dev", &["developer"]).await, world.key("rev", &["reviewer"]).await);
    assert_error(&world.get("/v1/admin/keys", &developer).await, "forbidden");
    assert_error(&world.get("/v1/audit/export", &developer).await, "forbidden");
    assert_error(&world.post("/v1/tasks", &reviewer, &json!({"workflow": "claims"})).await, "forbidden");
    assert_error(&world.get("/v1/reviews", &developer).await, "forbidden");

    let mut records = Vec::new();
    let spec = ConsumerSpec {
        stream: subjects::STREAM_AUDIT,
        durable: "audit-test",
        filter: String::new(),
        ack_wait: Duration::from_secs(30),
        pending_max: 100,
    };
    let mut consumer = world.players.audit.consume(spec).await.unwrap();
    let wanted = ["key.created", "missing", "malformed", "unknown", "expired", "role"];
    let reading = async {
        while !wanted.iter().all(|wanted| {
            records.iter().any(|(kind, facts): &(String, Value)| kind == wanted || facts["reason"] == *wanted)
        }) {
            let delivery = consumer.next().await.unwrap().unwrap();
            let record = AuditRecord::decode(delivery.payload()).unwrap();
            assert!(!record.facts_json.contains("ok_"), "{}", record.facts_json);
            records.push((record.kind, serde_json::from_str(&record.facts_json).unwrap()));
            delivery.ack().await.unwrap();
        }
    };
    let all = tokio::time::timeout(Duration::from_secs(20), reading).await;
    assert!(all.is_ok(), "not all was recorded: {records:?}");
}

#[actix_web::test]
async fn tenants_do_not_see_each_other() {
    let world = World::start().await;
    let (status, _) = world.post("/v1/admin/tenants", &world.admin, &json!({"id": "globex", "title": "Globex"})).await;
    assert_eq!(status, 201);
    let again = world.post("/v1/admin/tenants", &world.admin, &json!({"id": "globex"})).await;
    assert_error(&again, "already_exists");
    let body = json!({"principal": "eve", "roles": ["admin", "developer"], "tenant": "globex"});
    let (_, made) = world.post("/v1/admin/keys", &world.admin, &body).await;
    let eve = made["key"].as_str().unwrap();

    let (_, task) = world.post("/v1/tasks", &world.admin, &json!({"workflow": "claims"})).await;
    assert_error(&world.get(&format!("/v1/tasks/{}", task["id"].as_str().unwrap()), eve).await, "not_found");
    world.post("/v1/tasks", eve, &json!({"workflow": "claims"})).await;
    let caller = world.players.seen.lock().callers.last().cloned().unwrap();
    assert_eq!((caller.tenant.as_str(), caller.principal.as_str()), ("globex", "eve"));

    // An administrator stays within their tenant and cannot rise above it.
    let other = json!({"principal": "x", "roles": ["developer"], "tenant": "acme"});
    assert_error(&world.post("/v1/admin/keys", eve, &other).await, "forbidden");
    let higher = json!({"principal": "x", "roles": ["operator"]});
    assert_error(&world.post("/v1/admin/keys", eve, &higher).await, "forbidden");
    assert_error(&world.post("/v1/admin/tenants", eve, &json!({"id": "mine"})).await, "forbidden");
    assert_eq!(world.get("/v1/admin/keys", eve).await.1["data"].as_array().unwrap().len(), 1);
}
