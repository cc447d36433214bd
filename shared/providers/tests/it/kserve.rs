//! The Open Inference Protocol, as Triton speaks it.

use std::time::Duration;

use orrery_errors::ErrorCode;
use orrery_proto::v1::{ChatInput, EmbedInput, model_input, model_output};
use orrery_standins::http::{Script, data};
use orrery_standins::kserve::{VENDOR, generated, last};
use orrery_types::UnixMillis;
use serde_json::{Value, json};

use crate::contract::{LONG, made, order, suite};
use crate::vendor::{Faults, VendorRig, linked_image, message, plain, said, with_format, with_tools};

const TEMPLATE: &str = "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}{% endfor %}\
                        {% if add_generation_prompt %}<assistant>{% endif %}";

fn body(message: &str) -> Value {
    json!({"error": message})
}

async fn kserve(options: &[(&str, &str)]) -> VendorRig {
    let faults = Faults {
        overloaded: || Script::Answers(503, vec![], body("Exceeds maximum queue size").to_string()),
        wait: |wait| Script::Answers(429, vec![("retry-after", wait.as_secs().to_string())], body("slow").to_string()),
        refused: || Script::Answers(400, vec![], body("unexpected key in buffer: 'x'").to_string()),
        body,
    };
    let chat = || ChatInput {
        messages: vec![message("system", "be brief"), message("user", "grüße")],
        max_tokens: 16,
        temperature: Some(0.1),
        seed: Some(7),
        stop: vec!["\n".into()],
        ..ChatInput::default()
    };
    VendorRig::start(VENDOR, "kserve", options, faults, chat).await
}

#[tokio::test]
async fn kserve_keeps_the_contract() {
    suite(&kserve(&[("chat_template", TEMPLATE)]).await).await;
}

#[tokio::test]
async fn kserve_is_sent_what_its_backends_want() {
    let rig = kserve(&[("chat_template", TEMPLATE)]).await;
    rig.server.becomes(Script::Says("hi"));
    rig.asked((rig.chat)()).await.unwrap();
    rig.streamed((rig.chat)()).await.1.unwrap();
    let requests = rig.server.requests();
    assert_eq!(
        [&requests[0].path, &requests[1].path],
        ["/v2/models/m-upstream/generate", "/v2/models/m-upstream/generate_stream"]
    );
    let mut sent = requests[0].body.clone();
    let parameters: Value = serde_json::from_str(sent["sampling_parameters"].as_str().unwrap()).unwrap();
    assert_eq!(parameters, json!({"max_tokens": 16, "temperature": 0.1, "seed": 7, "stop": ["\n"]}));
    sent.as_object_mut().unwrap().remove("sampling_parameters");
    let expected = json!({"text_input": "<system>be brief<user>grüße<assistant>", "stream": false, "exclude_input_in_output": true,
        "return_finish_reason": true, "return_num_input_tokens": true, "return_num_output_tokens": true});
    assert_eq!(sent, expected);

    let rig = kserve(&[("backend", "tensorrt_llm")]).await;
    rig.server.becomes(Script::Says("hi"));
    rig.asked(ChatInput { messages: vec![message("user", "x")], ..(rig.chat)() }).await.unwrap();
    let expected = json!({"text_input": "x", "stream": false, "exclude_input_in_output": true, "max_tokens": 16,
        "temperature": 0.1, "seed": 7, "stop_words": ["\n"]});
    assert_eq!(rig.last_body(), expected);
    rig.asked(ChatInput { raw: true, messages: vec![message("user", "once upon")], ..plain() }).await.unwrap();
    assert_eq!(rig.last_body()["text_input"], "once upon");
}

#[tokio::test]
async fn kserve_streams_end_as_their_backend_ends_them() {
    let rig = kserve(&[("backend", "tensorrt_llm")]).await;
    let part = |text: &str| data(&json!({"model_name": "ensemble", "model_version": "1", "text_output": text}));
    let (deltas, whole) = rig.stream_of(plain(), [part("good "), part("morning")].concat()).await;
    let answer = whole.unwrap();
    assert_eq!(
        (deltas.len(), said(&answer).text.as_str(), said(&answer).finish_reason.as_str()),
        (2, "good morning", "stop")
    );
    assert!(answer.usage.output_tokens > 0, "tokens are estimated");
    rig.server.becomes(Script::Breaks(vec![part("good ")]));
    assert_eq!(rig.streamed(plain()).await.1.unwrap_err().code, ErrorCode::ModelFailed);

    let rig = kserve(&[]).await;
    let answer = rig.answered(plain(), &last("good", "length", 2)).await;
    assert_eq!(said(&answer).finish_reason, "length");
    let (_, unfinished) = rig.stream_of(plain(), data(&generated("good ", "None"))).await;
    assert_eq!(unfinished.unwrap_err().code, ErrorCode::ModelFailed);
}

#[tokio::test]
async fn kserve_embeds_by_tensors() {
    let rig = kserve(&[("input", "TEXTS"), ("output", "VECTORS"), ("input_shape", "flat")]).await;
    rig.server.becomes(Script::Says(""));
    let embed = EmbedInput { texts: vec!["grüße".into(), "b".into()], ..EmbedInput::default() };
    let mut asked = order(model_input::Kind::Embed(embed.clone()), LONG);
    asked.upstream = "bge/versions/7".into();
    let answer = rig.provider.invoke(asked.clone()).await.unwrap();
    let Some(model_output::Kind::Embed(output)) = answer.output.kind else { panic!("no embeddings") };
    assert_eq!((output.dimensions, output.values.len(), answer.models[0].version.as_str()), (2, 4, "7"));
    assert!((output.values[0] - 0.6).abs() < 1e-6);
    let request = rig.server.requests().pop().unwrap();
    assert_eq!(request.path, "/v2/models/bge/versions/7/infer");
    let expected = json!({"id": "dec_1", "inputs": [{"name": "TEXTS", "datatype": "BYTES", "shape": [2], "data": ["grüße", "b"]}],
        "outputs": [{"name": "VECTORS"}]});
    assert_eq!(request.body, expected);
    for outputs in [
        json!([]),
        json!([{"name": "VECTORS", "datatype": "FP32", "shape": [2, 2], "data": [1.0, 2.0, 3.0]}]),
        json!([{"name": "VECTORS", "datatype": "INT64", "shape": [2, 1], "data": [1, 2]}]),
    ] {
        rig.server.becomes(Script::Answers(200, vec![], json!({"outputs": outputs}).to_string()));
        assert_eq!(rig.provider.invoke(asked.clone()).await.unwrap_err().code, ErrorCode::ModelFailed, "{outputs}");
    }
    let wide = model_input::Kind::Embed(EmbedInput { dimensions: 8, ..embed });
    assert!(rig.provider.invoke(order(wide, LONG)).await.unwrap_err().to_string().contains("dimensions"));

    let column = kserve(&[]).await;
    column.server.becomes(Script::Says(""));
    column.provider.invoke(asked).await.unwrap();
    assert_eq!(column.last_body()["inputs"][0]["shape"], json!([2, 1]));
}

#[tokio::test]
async fn kserve_says_whether_it_is_ready() {
    let rig = kserve(&[]).await;
    let soon = || UnixMillis::now().saturating_add(Duration::from_secs(5));
    rig.server.becomes(Script::Answers(200, vec![], String::new()));
    rig.provider.ready(soon()).await.unwrap();
    let request = rig.server.requests().pop().unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v2/health/ready"));
    rig.server.becomes(Script::Answers(503, vec![], String::new()));
    assert_eq!(rig.provider.ready(soon()).await.unwrap_err().code, ErrorCode::Overloaded);
}

#[tokio::test]
async fn kserve_streams_survive_cuts_and_break_with_errors() {
    let rig = kserve(&[("chat_template", TEMPLATE)]).await;
    let events = [data(&generated("schöne ", "None")), data(&generated("Grüße 🦀", "stop"))];
    rig.survives_any_cut(&events.concat(), &["schöne ", "Grüße 🦀"]).await;
    rig.breaks_as_events_do().await;
    let told = rig.breaks_at("failed", data(&body("CUDA out of memory")), ErrorCode::ModelFailed).await;
    assert!(told.to_string().contains("CUDA out of memory"), "{told}");
}

#[tokio::test]
async fn kserve_refusals_are_typed_and_what_it_cannot_say_is_named() {
    let rig = kserve(&[("chat_template", TEMPLATE)]).await;
    rig.refusals_are_typed_and_keep_secrets().await;
    rig.refuses_by_name(vec![
        ("response_format", with_format("json_schema")),
        ("anything but text", linked_image()),
        ("anything but text", with_tools()),
        ("(n)", ChatInput { n: 2, ..plain() }),
        ("logprobs", ChatInput { logprobs: true, ..plain() }),
        ("reasoning_effort", ChatInput { reasoning_effort: "low".into(), ..plain() }),
        ("tools", ChatInput { tools: with_tools().tools, ..plain() }),
    ])
    .await;
    let bare = kserve(&[]).await;
    bare.refuses_by_name(vec![("chat_template", (bare.chat)())]).await;
    let strict = kserve(&[("chat_template", "{{ raise_exception('roles must alternate') }}")]).await;
    strict.refuses_by_name(vec![("roles must alternate", plain())]).await;
    for (options, expected) in [
        (vec![("chat_template", "{% if %}")], "does not read"),
        (vec![("chat_template_file", "/nowhere")], "/nowhere"),
        (vec![("backend", "onnx")], "use vllm or tensorrt_llm"),
        (vec![("colour", "red")], "has no option \"colour\""),
    ] {
        let error = made("kserve", Some("http://127.0.0.1:1/v2"), &options).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
