//! One trace from HTTP through NATS to the tensor, as an OpenTelemetry collector receives it, and the metrics beside it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Text;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use orrery_config::env;
use orrery_testkit::eventually_within;
use parking_lot::Mutex;
use prost::Message as _;
use serde_json::{Value, json};

use crate::command::{run, up_with};

const EXPORTED_WITHIN: Duration = Duration::from_secs(60);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";
const WORKFLOW: &str = "document: {dsl: 1.0.0, namespace: test, name: greet, version: 1.0.0}
do:
  - say: {call: orrery.generate, with: {messages: [{role: user, content: Hello}], max_tokens: 4, data_classes: [personal]}}
";

/// Spans with the service that they come from.
type Received = Arc<Mutex<Vec<(String, Span)>>>;

fn service(resource: Option<&Resource>) -> String {
    let attributes = resource.map(|resource| resource.attributes.as_slice()).unwrap_or_default();
    let name = attributes.iter().find(|attribute| attribute.key == "service.name");
    match name.and_then(|name| name.value.clone()).and_then(|value| value.value) {
        Some(Text::StringValue(name)) => name,
        other => panic!("a resource without a service name: {other:?}"),
    }
}

async fn receive(received: web::Data<Received>, body: web::Bytes) -> HttpResponse {
    let export = ExportTraceServiceRequest::decode(body).unwrap();
    for spans in export.resource_spans {
        let service = service(spans.resource.as_ref());
        let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
        received.lock().extend(spans.map(|span| (service.clone(), span)));
    }
    HttpResponse::Ok().finish()
}

/// Listens as a collector does; its endpoint and what it receives.
fn collector() -> (String, Received) {
    let received = Received::default();
    let shared = web::Data::new(received.clone());
    let app = move || App::new().app_data(shared.clone()).route("/v1/traces", web::post().to(receive));
    let server = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", server.addrs()[0]);
    actix_rt::spawn(server.run());
    (endpoint, received)
}

#[actix_rt::test]
async fn one_trace_leads_from_http_through_the_workflow_to_the_tensor() {
    let data = tempfile::tempdir().unwrap();
    let (endpoint, received) = collector();
    let _system = up_with(data.path(), &[(env::OTLP_ENDPOINT, endpoint)]).await;
    let workflow = data.path().join("greet.yaml");
    std::fs::write(&workflow, WORKFLOW).unwrap();
    let deployed = run(data.path(), &["workflow", "deploy", workflow.to_str().unwrap()]);
    assert!(deployed.status.success(), "{}", String::from_utf8_lossy(&deployed.stderr));

    let file: Value = serde_json::from_slice(&std::fs::read(data.path().join("system.json")).unwrap()).unwrap();
    let submitted = reqwest::Client::new()
        .post(format!("{}/v1/tasks", file["gateway_url"].as_str().unwrap()))
        .bearer_auth(file["api_key"].as_str().unwrap())
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .json(&json!({"workflow": "greet"}))
        .send()
        .await
        .unwrap();
    assert_eq!(submitted.headers()["orrery-trace-id"], TRACE);

    let spans_of_trace = || -> Vec<(String, Span)> {
        let received = received.lock();
        received.iter().filter(|(_, span)| hex(&span.trace_id) == TRACE).cloned().collect()
    };
    let reached = eventually_within(EXPORTED_WITHIN, || {
        let spans = spans_of_trace();
        let computed = spans.iter().any(|(service, span)| service == "orrery-inference" && span.name == "model.run");
        // The gateway's span is exported when its answer is out, which may be later than the tensor.
        let whole = computed && spans.iter().any(|(_, span)| hex(&span.parent_span_id) == CALLER);
        async move { whole.then_some(spans) }
    });
    let spans = reached.await.unwrap_or_else(|| panic!("{:?}", names(&spans_of_trace())));

    // Every step of the way back from the tensor is there, and it ends at the caller.
    let mut way = Vec::new();
    let mut at = spans.iter().find(|(_, span)| span.name == "model.run");
    while let Some((service, span)) = at {
        way.push(service.as_str());
        let parent = &span.parent_span_id;
        at = spans.iter().find(|(_, above)| above.span_id == *parent);
        assert!(at.is_some() || hex(parent) == CALLER, "{} has no parent among {:?}", span.name, names(&spans));
    }
    way.dedup();
    assert_eq!(way, ["orrery-inference", "orrery-router", "orrery-kernel", "orrery-gateway"]);
}

fn names(spans: &[(String, Span)]) -> Vec<String> {
    spans.iter().map(|(service, span)| format!("{service} {}", span.name)).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
