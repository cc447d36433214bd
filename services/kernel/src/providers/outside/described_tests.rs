//! Calls that a document describes, against servers on the real wire.

use super::*;

const OPENAPI: &str = r##"
openapi: 3.0.3
info: {title: pets, version: "1"}
servers: [{url: "/api/{version}", variables: {version: {default: v1}}}]
paths:
  /pets/{petId}:
    parameters:
      - {$ref: "#/components/parameters/petId"}
    get:
      operationId: getPetById
      parameters:
        - {name: tags, in: query, schema: {type: array}}
        - {name: ids, in: query, explode: false, schema: {type: array}}
        - {name: filter, in: query, style: deepObject, schema: {type: object}}
        - {name: X-Trace, in: header, schema: {type: string}}
        - {name: session, in: cookie, schema: {type: string}}
    post:
      operationId: updatePet
      requestBody: {required: true, content: {application/json: {schema: {type: object}}}}
components:
  parameters:
    petId: {name: petId, in: path, required: true, schema: {type: string}}
"##;

fn swagger(port: u16) -> Value {
    json!({
        "swagger": "2.0", "host": format!("127.0.0.1:{port}"), "basePath": "/api/v2", "schemes": ["http"],
        "paths": {
            "/pet/findByStatus": { "get": { "operationId": "findPetsByStatus", "parameters": [
                { "name": "status", "in": "query", "required": true, "type": "array", "collectionFormat": "multi" },
                { "name": "ids", "in": "query", "type": "array" },
            ] } },
            "/pet": {
                "post": { "operationId": "addPet", "parameters": [{ "name": "pet", "in": "body", "required": true }] },
                "put": { "operationId": "formPet", "parameters": [{ "name": "name", "in": "formData", "type": "string" }] },
            },
        },
    })
}

/// Serves the documents and answers below `/api`; counts how often a document is asked for.
async fn described() -> Site {
    let seen = web::Data::new(Seen::default());
    let kept = seen.clone().into_inner();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(seen.clone())
            .route("/openapi.yaml", web::get().to(|seen: web::Data<Seen>| async move {
                seen.tokens.fetch_add(1, Ordering::SeqCst);
                HttpResponse::Ok().content_type("application/yaml").body(OPENAPI)
            }))
            .route("/swagger.json", web::get().to(|request: HttpRequest| async move {
                HttpResponse::Ok().json(swagger(request.app_config().local_addr().port()))
            }))
            .route("/broken", web::get().to(|| async { HttpResponse::Ok().body("{ not: [a document") }))
            .route("/asyncapi.json", web::get().to(|request: HttpRequest| async move {
                let port = request.app_config().local_addr().port();
                HttpResponse::Ok().json(json!({
                    "asyncapi": "2.6.0",
                    "servers": { "main": { "url": "http://127.0.0.1:{port}/api", "protocol": "http", "variables": { "port": { "default": port } } } },
                    "channels": { "greetings": { "publish": { "operationId": "greet", "bindings": { "http": { "method": "PUT" } } } } },
                }))
            }))
            .default_service(web::route().to(echo))
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let port = server.addrs()[0].port();
    actix_web::rt::spawn(server.run());
    Site { port, seen: kept }
}

async fn openapi(outside: &OutwardCalls, document: &str, operation: &str, parameters: Value) -> Result<Value, Fault> {
    let arguments = json!({ "document": { "uri": document }, "operationId": operation, "parameters": parameters });
    made(outside, &call(Outward::Openapi, arguments)).await
}

#[actix_web::test]
async fn an_operation_is_found_and_its_parameters_go_where_the_document_says() {
    let (site, outside) = (described().await, outside());
    let document = site.url("/openapi.yaml");
    let parameters = json!({
        "petId": "a/b c", "tags": ["x", "y"], "ids": [1, 2], "filter": { "age": 3 }, "X-Trace": "t", "session": "s1",
    });
    let seen = openapi(&outside, &document, "getPetById", parameters).await.unwrap();
    assert_eq!((&seen["method"], &seen["path"]), (&json!("GET"), &json!("/api/v1/pets/a%2Fb%20c")));
    assert_eq!(seen["query"], "tags=x&tags=y&ids=1%2C2&filter%5Bage%5D=3");
    assert_eq!((&seen["headers"]["x-trace"], &seen["headers"]["cookie"]), (&json!("t"), &json!("session=s1")));
    let seen =
        openapi(&outside, &document, "updatePet", json!({ "petId": 7, "name": "milou", "age": 3 })).await.unwrap();
    assert_eq!((&seen["method"], &seen["body"]), (&json!("POST"), &json!("{\"name\":\"milou\",\"age\":3}")));
    let seen = openapi(&outside, &document, "updatePet", json!({ "petId": 7, "body": [1, 2] })).await.unwrap();
    assert_eq!((&seen["body"], &seen["headers"]["content-type"]), (&json!("[1,2]"), &json!("application/json")));
    assert_eq!(site.seen.tokens.load(Ordering::SeqCst), 1, "the document is kept");
}

#[actix_web::test]
async fn swagger_2_is_read_as_the_examples_need_it() {
    let (site, outside) = (described().await, outside());
    let document = site.url("/swagger.json");
    let found = openapi(&outside, &document, "findPetsByStatus", json!({ "status": "available", "ids": [1, 2] }))
        .await
        .unwrap();
    assert_eq!(
        (&found["path"], &found["query"]),
        (&json!("/api/v2/pet/findByStatus"), &json!("status=available&ids=1%2C2"))
    );
    let added = openapi(&outside, &document, "addPet", json!({ "pet": { "name": "milou" } })).await.unwrap();
    assert_eq!(added["body"], "{\"name\":\"milou\"}");
    let form = openapi(&outside, &document, "formPet", json!({ "name": "a b" })).await.unwrap();
    assert_eq!(
        (&form["body"], &form["headers"]["content-type"]),
        (&json!("name=a+b"), &json!("application/x-www-form-urlencoded"))
    );
}

#[actix_web::test]
async fn what_does_not_fit_the_document_is_named() {
    let (site, outside) = (described().await, outside());
    for (document, operation, parameters, kind, reason) in [
        ("/openapi.yaml", "nothing", json!({}), "configuration", "there are getPetById, updatePet"),
        ("/openapi.yaml", "getPetById", json!({}), "validation", "needs the parameter \"petId\""),
        ("/openapi.yaml", "getPetById", json!({ "petId": ".." }), "validation", "neither `.` nor `..`"),
        ("/openapi.yaml", "getPetById", json!({ "petId": 1, "colour": 1 }), "validation", "takes no \"colour\""),
        ("/openapi.yaml", "updatePet", json!({ "petId": 1 }), "validation", "needs the parameter \"body\""),
        ("/swagger.json", "addPet", json!({}), "validation", "needs the parameter \"pet\""),
        ("/broken", "x", json!({}), "configuration", "neither JSON nor YAML"),
        ("/echo", "x", json!({}), "configuration", "no `paths`"),
    ] {
        let fault = openapi(&outside, &site.url(document), operation, parameters).await.unwrap_err();
        let detail = fault.detail.unwrap();
        assert!(fault.kind.ends_with(kind) && detail.contains(reason), "{operation}: {} {detail}", fault.kind);
    }
}

#[actix_web::test]
async fn a_message_goes_to_the_channel_of_an_http_server() {
    let (site, outside) = (described().await, outside());
    let arguments = json!({
        "document": { "uri": site.url("/asyncapi.json") }, "operation": "greet",
        "message": { "payload": { "greetings": "Hello" }, "headers": { "foo": "bar" } },
    });
    let sent = made(&outside, &call(Outward::Asyncapi, arguments.clone())).await.unwrap();
    assert_eq!(sent, arguments["message"]);
    let mut other = arguments.clone();
    other["server"] = json!({ "name": "staging" });
    let fault = made(&outside, &call(Outward::Asyncapi, other)).await.unwrap_err();
    assert!(fault.detail.unwrap().contains("there are main"));
    let mut other = arguments;
    other["operation"] = json!("nothing");
    assert!(made(&outside, &call(Outward::Asyncapi, other)).await.unwrap_err().kind.ends_with("/configuration"));
}

#[actix_web::test]
async fn a_message_goes_to_the_channel_of_a_nats_server() {
    let (_server, host) = someones_nats().await;
    let subject = "greetings.world";
    let document = json!({
        "asyncapi": "3.0.0",
        "servers": {
            "web": { "host": "127.0.0.1:1", "protocol": "kafka" },
            "bus": { "host": "{where}", "protocol": "nats", "variables": { "where": { "default": "nowhere" } } },
        },
        "channels": { "greetings": { "address": subject }, "barred": { "address": "barred" } },
        "operations": {
            "greet": { "action": "send", "channel": { "$ref": "#/channels/greetings" } },
            "start": { "action": "send", "channel": { "$ref": "#/channels/barred" } },
        },
    });
    let folder = hosts_document(document).await;
    let login = |password: &str| json!({ "basic": { "username": "ann", "password": password } });
    let greet = |operation: &str, password: &str| {
        call(
            Outward::Asyncapi,
            json!({
                "document": { "uri": folder }, "operation": operation,
                "server": { "name": "bus", "variables": { "where": host } }, "authentication": login(password),
                "message": { "payload": { "greetings": "Hello" }, "headers": { "foo": "bar" } },
            }),
        )
    };
    let options = async_nats::ConnectOptions::with_user_and_password("ann".into(), "right".into());
    let hearing = options.connect(format!("nats://{host}")).await.unwrap();
    let mut heard = hearing.subscribe(subject).await.unwrap();
    hearing.flush().await.unwrap();
    let outside = outside();
    made(&outside, &greet("greet", "right")).await.unwrap();
    let message =
        tokio::time::timeout(Duration::from_secs(20), futures::StreamExt::next(&mut heard)).await.unwrap().unwrap();
    assert_eq!(message.payload.as_ref(), b"{\"greetings\":\"Hello\"}");
    assert_eq!(message.headers.unwrap().get("foo").unwrap().as_str(), "bar");
    let fault = made(&outside, &greet("start", "right")).await.unwrap_err();
    assert!(fault.kind.ends_with("/authorization"), "{fault:?}");
    let fault = made(&outside, &greet("greet", "wrong")).await.unwrap_err();
    assert!(fault.kind.ends_with("/authentication"), "{fault:?}");
    // The rules of hosts hold for NATS as well.
    let mut closed = KernelConfig::embedded(None, None);
    closed.http.deny = vec!["127.0.0.0/8".parse().unwrap()];
    closed.http.allow.clear();
    let fault = made(&OutwardCalls::new(&closed).unwrap(), &greet("greet", "x")).await.unwrap_err();
    assert_eq!(fault.title.as_deref(), Some("policy_denied"));
}

/// A NATS server that is none of ours, with a user who may not publish everything.
async fn someones_nats() -> (orrery_testkit::Process, String) {
    let folder = tempfile::tempdir().unwrap().keep();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let users = "{user: ann, password: right, permissions: {publish: {deny: [barred]}}}";
    let config = format!("listen: \"127.0.0.1:{port}\"\nauthorization: {{users: [{users}]}}\n");
    std::fs::write(folder.join("nats.conf"), config).unwrap();
    let program = orrery_config::Paths::from_env().program("nats-server");
    let mut command = std::process::Command::new(program.unwrap_or_else(|| "nats-server".into()));
    command.arg("-c").arg(folder.join("nats.conf"));
    let server = orrery_testkit::Process::start(command, &folder.join("nats.log")).unwrap();
    let ready = || async move { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok() };
    orrery_testkit::eventually(ready).await.expect("the server listens");
    (server, format!("127.0.0.1:{port}"))
}

/// Serves one document and gives its address.
async fn hosts_document(document: Value) -> String {
    let server = HttpServer::new(move || {
        let document = document.clone();
        App::new().default_service(web::route().to(move || {
            let document = document.clone();
            async move { HttpResponse::Ok().json(document) }
        }))
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let port = server.addrs()[0].port();
    actix_web::rt::spawn(server.run());
    format!("http://127.0.0.1:{port}/asyncapi.json")
}
