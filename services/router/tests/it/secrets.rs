//! Providers' secrets: sealed wherever they lie, changed while calls run, and in nobody's way when they are missing.

use std::path::{Path, PathBuf};

use diesel::prelude::*;
use futures::StreamExt as _;
use orrery_bus::{CallContext, Verb, subjects, verbs};
use orrery_config::Secret;
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    ListModelsRequest, ListSecretsRequest, RemoveSecretRequest, ResealSecretsReply, ResealSecretsRequest,
    RoutingSnapshot, SecretInfo, SetSecretRequest,
};
use orrery_standins::openai::{OpenaiServer, Script};
use orrery_testkit::PostgresServer;
use orrery_vault::{KeySource, Place, add_key};
use prost::Message;

use crate::streams::open;
use crate::system::{System, caller, catalogue, chat};

const NAME: &str = "cloud-key";
const FIRST: &str = "sk-first-3f9a1c77d2e8";
const SECOND: &str = "sk-second-8be2047c5d16";

async fn cloud() -> OpenaiServer {
    OpenaiServer::start(Script::Says("from the cloud")).await
}

/// The external provider has its key in the store.
fn stored(cloud: &OpenaiServer) -> String {
    let key = format!("location = \"external\"\napi_key = {{ store = \"{NAME}\" }}\n");
    catalogue(Some(cloud)).replace("location = \"external\"\n", &key)
}

fn key_file(system: &System) -> PathBuf {
    system.folder.path().join("secrets.key")
}

async fn ask<Q: Message + Default, A: Message + Default + 'static>(
    system: &System,
    verb: Verb<Q, A>,
    request: &Q,
) -> Result<A, Error> {
    system.bus.call(verb, &CallContext::default(), request).await
}

/// Sets a secret as the gateway does it, with the keys in a file.
async fn set_with(system: &System, keys: &Path, name: &str, value: &str) -> Result<SecretInfo, Error> {
    let sealed = KeySource::file(keys).load().unwrap().seal(Place::sent(name), &Secret::new(value)).unwrap();
    let request = SetSecretRequest { caller: Some(caller(&["operator"])), name: name.into(), sealed };
    Ok(ask(system, verbs::router::SET_SECRET, &request).await?.secret.unwrap())
}

async fn set(system: &System, value: &str) -> SecretInfo {
    set_with(system, &key_file(system), NAME, value).await.unwrap()
}

async fn list(system: &System) -> Vec<SecretInfo> {
    let request = ListSecretsRequest { caller: Some(caller(&["operator"])) };
    ask(system, verbs::router::SECRETS, &request).await.unwrap().secrets
}

async fn reseal(system: &System) -> ResealSecretsReply {
    let request = ResealSecretsRequest { caller: Some(caller(&["operator"])) };
    ask(system, verbs::router::RESEAL_SECRETS, &request).await.unwrap()
}

/// What the provider was sent as its key by a call that is made now.
async fn key_of_a_call(system: &System, cloud: &OpenaiServer) -> String {
    let reply = system.invoke(&chat("cloud-chat", "hello")).await.unwrap();
    assert_eq!(reply.decision.unwrap().chosen, "cloud-chat");
    cloud.last().header("authorization").unwrap().to_owned()
}

#[tokio::test]
async fn a_missing_secret_closes_its_own_models_alone_and_says_what_to_do() {
    let cloud = cloud().await;
    let system = System::start(&stored(&cloud)).await;
    assert_eq!(system.invoke(&chat("drafts", "hello")).await.unwrap().decision.unwrap().chosen, "home");
    let refused = system.invoke(&chat("cloud-chat", "hello")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unavailable);
    for told in [refused.message, refused.detail.unwrap().to_string()] {
        assert!(told.contains("orrery secret set cloud-key"), "{told}");
    }
    let models = ListModelsRequest { caller: Some(caller(&[])) };
    let models = ask(&system, verbs::router::MODELS, &models).await.unwrap().models;
    let healthy: Vec<_> = models.iter().filter(|model| model.healthy).map(|model| model.name.as_str()).collect();
    assert_eq!(healthy, ["by-token", "home"]);
    let wanted = SecretInfo { name: NAME.into(), providers: vec!["cloud".into()], ..SecretInfo::default() };
    assert_eq!(list(&system).await, [wanted]);
    assert!(system.router.log().contains("orrery secret set cloud-key"), "{}", system.router.log());

    // Without a sealing key nothing can be kept.
    let elsewhere = system.folder.path().join("elsewhere.key");
    add_key(&elsewhere).unwrap();
    let refused = set_with(&system, &elsewhere, NAME, FIRST).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FailedPrecondition);
    assert!(refused.message.contains("orrery secret new-key"), "{refused}");
    add_key(&key_file(&system)).unwrap();
    let refused = set_with(&system, &elsewhere, NAME, FIRST).await.unwrap_err();
    assert!(refused.message.contains("it is sealed with key"), "{refused}");

    let now = set(&system, FIRST).await;
    assert_eq!(
        (now.version, now.set_by.as_str(), now.providers.as_slice()),
        (1, "acme/ana", &["cloud".to_owned()][..])
    );
    assert_eq!(list(&system).await, [now]);
    assert_eq!(key_of_a_call(&system, &cloud).await, format!("Bearer {FIRST}"));

    let remove = |name: &str| RemoveSecretRequest { caller: Some(caller(&["operator"])), name: name.into() };
    ask(&system, verbs::router::REMOVE_SECRET, &remove(NAME)).await.unwrap();
    assert_eq!(system.invoke(&chat("cloud-chat", "hello")).await.unwrap_err().code, ErrorCode::Unavailable);
    let gone = ask(&system, verbs::router::REMOVE_SECRET, &remove(NAME)).await.unwrap_err();
    assert_eq!(gone.code, ErrorCode::NotFound);
    assert_eq!(set(&system, SECOND).await.version, 3, "no version comes twice");
    assert_eq!(key_of_a_call(&system, &cloud).await, format!("Bearer {SECOND}"));
}

#[tokio::test]
async fn secrets_are_for_operators_and_of_a_form_that_fits_a_header() {
    let system = System::start(&catalogue(None)).await;
    add_key(&key_file(&system)).unwrap();
    let others = || Some(caller(&["admin", "developer"]));
    let list = ListSecretsRequest { caller: others() };
    let set = SetSecretRequest { caller: others(), name: NAME.into(), sealed: Vec::new() };
    let remove = RemoveSecretRequest { caller: others(), name: NAME.into() };
    let reseal = ResealSecretsRequest { caller: others() };
    let refused = [
        ask(&system, verbs::router::SECRETS, &list).await.unwrap_err(),
        ask(&system, verbs::router::SET_SECRET, &set).await.unwrap_err(),
        ask(&system, verbs::router::REMOVE_SECRET, &remove).await.unwrap_err(),
        ask(&system, verbs::router::RESEAL_SECRETS, &reseal).await.unwrap_err(),
    ];
    assert!(refused.iter().all(|error| error.code == ErrorCode::Forbidden), "{refused:?}");
    for bad in ["", "two\nlines", "ümlaut", &"x".repeat(20_000)] {
        let refused = set_with(&system, &key_file(&system), NAME, bad).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidRequest);
        assert!(bad.is_empty() || !refused.message.contains(bad), "{refused}");
    }
    for name in ["", ".hidden", "a/b", &"x".repeat(129)] {
        let refused = set_with(&system, &key_file(&system), name, FIRST).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidRequest, "{name:?}");
    }
}

async fn rotated_while_calls_run(postgres: Option<PostgresServer>) {
    let cloud = cloud().await;
    let mut system = System::start_on(&stored(&cloud), postgres).await;
    add_key(&key_file(&system)).unwrap();
    set(&system, FIRST).await;
    cloud.becomes(Script::Babbles);
    let mut under_way = open(&system, &chat("cloud-chat", "talk"), None).await;
    under_way.next().await.unwrap().unwrap();
    assert_eq!(cloud.last().header("authorization"), Some(&*format!("Bearer {FIRST}")));

    let now = set(&system, SECOND).await;
    assert_eq!(now.version, 2);
    cloud.becomes(Script::Says("from the cloud"));
    assert_eq!(key_of_a_call(&system, &cloud).await, format!("Bearer {SECOND}"), "the next call goes with the new key");
    for _ in 0..50 {
        under_way.next().await.expect("the call under way was ended").expect("the call under way was disturbed");
    }
    drop(under_way);
    let log = system.router.log();
    system.crash_router().await;
    assert_eq!(key_of_a_call(&system, &cloud).await, format!("Bearer {SECOND}"));
    cloud.becomes(Script::Refuses(401, vec![], format!("{{\"error\": \"{SECOND} is no key of ours\"}}")));
    let refused = system.invoke(&chat("cloud-chat", "hello")).await.unwrap_err();

    // Who looks for a value finds none, though what belongs to it is there.
    let mut snapshots = system.bus.follow_snapshot(subjects::SNAPSHOT_ROUTING).await.unwrap();
    let published = loop {
        let bytes = snapshots.next().await.unwrap().unwrap();
        let snapshot = RoutingSnapshot::decode(bytes.clone()).unwrap();
        if snapshot.secrets.iter().any(|secret| secret.version == 2) {
            break bytes;
        }
    };
    let mut places = vec![("the bucket", published.to_vec())];
    places.push(("the log", log.into_bytes()));
    places.push(("an error", format!("{refused} {refused:?}").into_bytes()));
    let mut records = Vec::new();
    system
        .records(|record| {
            records.push(record);
            records.iter().filter(|record| record.kind == "secret.set").count() == 2
                && records.iter().any(|record| record.kind.ends_with(".called"))
        })
        .await;
    let facts = records.iter().rfind(|record| record.kind == "secret.set").unwrap().facts_json.clone();
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    assert_eq!(facts, serde_json::json!({ "name": NAME, "version": 2, "by": "acme/ana" }));
    places.push(("the audit log", format!("{records:?}").into_bytes()));
    let postgres = system.postgres.as_ref().map(|postgres| postgres.tables().parent().unwrap().to_owned());
    for (path, bytes) in files(postgres.iter().map(PathBuf::as_path).chain([system.folder.path()])) {
        let (name, of_postgres) = (path.file_name().unwrap(), postgres.as_ref().is_some_and(|it| path.starts_with(it)));
        match name.to_str().unwrap() {
            "secrets.key" => {}
            "router.log" => places.push(("the log", bytes)),
            name if of_postgres || name.starts_with("router.db") => places.push(("the database", bytes)),
            _ => places.push(("a file", bytes)),
        }
    }
    for (place, bytes) in &places {
        for value in [FIRST, SECOND] {
            assert!(!has(bytes, value), "{place} has the value: {}", String::from_utf8_lossy(bytes));
        }
    }
    for looked_at in ["the bucket", "the audit log", "the log", "the database"] {
        let of_secret = places.iter().any(|(place, bytes)| *place == looked_at && has(bytes, NAME));
        assert!(of_secret, "{looked_at} was not looked at");
    }
}

fn has(bytes: &[u8], text: &str) -> bool {
    let hexadecimal: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    [text.as_bytes(), hexadecimal.as_bytes()].iter().any(|text| bytes.windows(text.len()).any(|part| part == *text))
}

/// All files below.
fn files<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (Vec::new(), folders.into_iter().map(Path::to_owned).collect::<Vec<_>>());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.push((path, bytes));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_changed_secret_holds_for_the_next_call_and_its_value_lies_nowhere() {
    rotated_while_calls_run(None).await;
}

#[tokio::test]
async fn so_it_is_on_postgresql() {
    rotated_while_calls_run(Some(PostgresServer::start().await.unwrap())).await;
}

#[tokio::test]
async fn sealing_keys_are_changed_and_a_wrong_one_is_named() {
    let cloud = cloud().await;
    let mut system = System::start(&stored(&cloud)).await;
    let file = key_file(&system);
    let old = add_key(&file).unwrap().remove(0);
    assert_eq!(set(&system, FIRST).await.key_id, old);
    let new = add_key(&file).unwrap().remove(0);
    assert_eq!(key_of_a_call(&system, &cloud).await, format!("Bearer {FIRST}"), "old keys open");
    let resealed = reseal(&system).await;
    assert_eq!((resealed.key_id.as_str(), resealed.resealed.as_slice()), (new.as_str(), &[NAME.to_owned()][..]));
    assert_eq!(reseal(&system).await.resealed, Vec::<String>::new());
    let now = list(&system).await.remove(0);
    assert_eq!((now.key_id.as_str(), now.version), (new.as_str(), 1), "the value is the same");

    // The old key is needed no more.
    let keys = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, keys.lines().next().unwrap()).unwrap();
    system.crash_router().await;
    assert_eq!(key_of_a_call(&system, &cloud).await, format!("Bearer {FIRST}"));

    // Without the new one the router runs, and says what is missing.
    std::fs::write(&file, keys.lines().nth(1).unwrap()).unwrap();
    system.crash_router().await;
    system.invoke(&chat("home", "hello")).await.unwrap();
    let refused = system.invoke(&chat("cloud-chat", "hello")).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Unavailable);
    for part in [&new, &old, "give it that key"] {
        assert!(refused.message.contains(part), "{refused}");
    }
    assert_eq!(reseal(&system).await.unopened, [NAME]);

    // Given back, it opens without a restart.
    std::fs::write(&file, keys).unwrap();
    let again = orrery_testkit::eventually(|| async { system.invoke(&chat("cloud-chat", "hello")).await.ok() });
    assert!(again.await.is_some(), "{}", system.router.log());
}

#[tokio::test]
async fn rows_that_were_swapped_do_not_open() {
    let cloud = cloud().await;
    let mut system = System::start(&stored(&cloud)).await;
    add_key(&key_file(&system)).unwrap();
    set(&system, FIRST).await;
    set_with(&system, &key_file(&system), "other", SECOND).await.unwrap();
    system.router.kill().unwrap();
    let path = system.database_url.strip_prefix("sqlite://").unwrap();
    let mut database = SqliteConnection::establish(path).unwrap();
    let swap = "UPDATE secrets SET sealed = (SELECT sealed FROM secrets AS s WHERE s.name != secrets.name)";
    assert_eq!(diesel::sql_query(swap).execute(&mut database).unwrap(), 2);
    drop(database);
    system.crash_router().await;
    let refused = system.invoke(&chat("cloud-chat", "hello")).await.unwrap_err();
    assert!(refused.message.contains("its seal is broken"), "{refused}");
    assert_eq!(cloud.calls(), 0);
}
