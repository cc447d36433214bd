//! Providers' secrets: sealed before they leave the gateway, for operators alone, and in no answer or log.

use std::sync::Arc;

use orrery_bus::{RunningServer, Server, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::*;
use orrery_vault::{KeySource, Place, add_key};
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Value, json};

use crate::players::LIMIT;
use crate::world::{World, answer, assert_error};

const VALUE: &str = "sk-canary-5d1e90c2b7";

fn info(name: &str, version: u64) -> SecretInfo {
    let by = if version > 0 { "acme/admin" } else { "" };
    SecretInfo {
        name: name.into(),
        version,
        set_by: by.into(),
        set_at_ms: version * 1_700_000_000_000,
        providers: vec!["cloud".into()],
        ..SecretInfo::default()
    }
}

/// The router's part, which keeps what it was sent.
async fn router(world: &World, sent: &Arc<Mutex<Vec<SetSecretRequest>>>) -> RunningServer {
    let (bus, sent) = (world.nats.connect("router").await.unwrap(), sent.clone());
    let server = Server::new(&bus, "router", "1.0.0")
        .handle(verbs::router::SET_SECRET, LIMIT, move |_, request: SetSecretRequest| {
            let secret = Some(info(&request.name, 3));
            sent.lock().push(request);
            async move { Ok(SetSecretReply { secret }) }
        })
        .handle(verbs::router::SECRETS, LIMIT, |_, _: ListSecretsRequest| async move {
            Ok(ListSecretsReply { secrets: vec![info("openai", 3), info("wanted", 0)] })
        })
        .handle(verbs::router::REMOVE_SECRET, LIMIT, |_, request: RemoveSecretRequest| async move {
            match request.name.as_str() {
                "openai" => Ok(RemoveSecretReply { secret: Some(info("openai", 3)) }),
                _ => Err(Error::new(ErrorCode::NotFound, "there is no such secret")),
            }
        })
        .handle(verbs::router::RESEAL_SECRETS, LIMIT, |_, _: ResealSecretsRequest| async move {
            let (key_id, resealed) = ("0123".to_owned(), vec!["openai".to_owned()]);
            Ok(ResealSecretsReply { key_id, resealed, unopened: Vec::new() })
        });
    let server = server.handle(verbs::router::CATALOGUE, LIMIT, |_, _: CatalogueRequest| async move {
        let without_key = [("cloud".to_owned(), "no secret".to_owned())].into();
        let fault = "line 7: model \"m\"".to_owned();
        Ok(CatalogueReply { digest: "sha256:1".into(), models: 2, fault, without_key, ..CatalogueReply::default() })
    });
    server.start().await.unwrap()
}

async fn put(world: &World, key: &str, body: &str) -> (u16, Value) {
    let request =
        world.request(Method::PUT, "/v1/admin/secrets/openai", key).header("content-type", "application/json");
    answer(request.body(body.to_owned()).send().await.unwrap()).await
}

#[actix_web::test]
async fn a_secret_is_sealed_before_it_leaves() {
    let world = World::start().await;
    let sent = Arc::default();
    let _router = router(&world, &sent).await;
    let body = json!({ "value": format!("{VALUE}\n") }).to_string();
    let refused = put(&world, &world.admin, &body).await;
    assert_error(&refused, "failed_precondition");
    assert!(refused.1.to_string().contains("orrery secret new-key"), "{}", refused.1);

    let file = world.folder.path().join("secrets.key");
    add_key(&file).unwrap();
    let (status, set) = put(&world, &world.admin, &body).await;
    assert_eq!((status, &set["version"], &set["providers"]), (200, &json!(3), &json!(["cloud"])), "{set}");
    let request = sent.lock().pop().unwrap();
    assert_eq!((request.name.as_str(), request.caller.unwrap().principal.as_str()), ("openai", "admin"));
    assert!(!request.sealed.windows(VALUE.len()).any(|part| part == VALUE.as_bytes()));
    let opened = KeySource::file(&file).load().unwrap().open(Place::sent("openai"), &request.sealed).unwrap();
    assert_eq!(opened.expose(), VALUE);

    let (_, listed) = world.get("/v1/admin/secrets", &world.admin).await;
    assert_eq!(listed["data"][0]["set_by"], "acme/admin");
    assert_eq!(listed["data"][1], json!({ "name": "wanted", "providers": ["cloud"] }));
    let remove = |name: &str| world.request(Method::DELETE, &format!("/v1/admin/secrets/{name}"), &world.admin);
    assert_eq!(answer(remove("openai").send().await.unwrap()).await.1["providers"], json!(["cloud"]));
    assert_error(&answer(remove("nothing").send().await.unwrap()).await, "not_found");
    let (_, resealed) = world.post("/v1/admin/reseal", &world.admin, &json!({})).await;
    assert_eq!(resealed, json!({ "key_id": "0123", "resealed": ["openai"], "unopened": [] }));

    let (_, catalogue) = world.get("/v1/admin/catalogue", &world.admin).await;
    assert_eq!(
        (&catalogue["fault"], &catalogue["without_key"]["cloud"]),
        (&json!("line 7: model \"m\""), &json!("no secret"))
    );

    // Bodies that are refused are told of in words that hold nothing of them.
    let bad = [
        format!("\"{VALUE}\""),
        format!("{{\"{VALUE}\": 1}}"),
        format!("{{\"value\": {{\"{VALUE}\": 1}}}}"),
        VALUE.into(),
    ];
    for body in bad {
        let refused = put(&world, &world.admin, &body).await;
        assert_error(&refused, "invalid_request");
        assert!(!refused.1.to_string().contains(VALUE), "{}", refused.1);
    }
    for role in ["admin", "developer", "auditor"] {
        let key = world.key(role, &[role]).await;
        assert_error(&put(&world, &key, &body).await, "forbidden");
        assert_error(&world.get("/v1/admin/secrets", &key).await, "forbidden");
        assert_eq!(world.get("/v1/admin/catalogue", &key).await.0, if role == "admin" { 200 } else { 403 });
    }
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        let found = bytes.windows(VALUE.len()).any(|part| part == VALUE.as_bytes());
        assert!(!found, "{} holds the value", path.display());
    }
}
