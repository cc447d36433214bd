//! Chat through a lane with the real model: what is streamed, what the whole is, and what ends it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use orrery_config::Paths;
use orrery_errors::ErrorCode;
use orrery_inference::lanes::{Lane, LaneActor};
use orrery_inference::models::{ChatBackend, ChatReply, ChatRequest};
use orrery_proto::v1::{ChatDelta, ChatInput, ChatMessage, ChatOutput, ResponseFormat, Tool, ToolCall, ToolChoice};
use orrery_supervise::{ActorSpec, Root, SupervisorSpec};
use orrery_torch::device::{DeviceSetting, select};
use orrery_torch::smollm2::SmolLm2;
use orrery_types::UnixMillis;
use serde_json::{Value, json};
use tokio::sync::mpsc;

static MODEL: LazyLock<Arc<ChatBackend>> = LazyLock::new(|| {
    let file = Paths::from_env().models().join("smollm2-135m-instruct/0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf");
    Arc::new(ChatBackend::new(SmolLm2::load(&file, select(DeviceSetting::Cpu).unwrap()).unwrap()))
});

async fn lane() -> (Root, Lane<ChatBackend>) {
    let spec = ActorSpec::new("chat", || LaneActor::new("chat", MODEL.clone()));
    let lane = Lane::new(spec.handle());
    (Root::start(SupervisorSpec::new("models").child(spec)).await.unwrap(), lane)
}

/// Long enough for all tests of this file to wait for the one model on a busy machine.
fn deadline() -> UnixMillis {
    UnixMillis::now().saturating_add(Duration::from_secs(600))
}

fn asks(text: &str) -> ChatInput {
    let message = ChatMessage { role: "user".into(), content: text.into(), ..Default::default() };
    ChatInput { messages: vec![message], ..Default::default() }
}

/// The whole answer, and what was streamed of it.
async fn streamed(lane: &Lane<ChatBackend>, input: ChatInput) -> (ChatReply, Vec<ChatDelta>) {
    let (sender, mut receiver) = mpsc::channel(64);
    let request = ChatRequest::new(input, "smollm2", Some(sender)).unwrap();
    let collect = async {
        let mut deltas = Vec::new();
        while let Some(delta) = receiver.recv().await {
            deltas.push(delta);
        }
        deltas
    };
    let (reply, deltas) = tokio::join!(lane.submit(request, 0, deadline()), collect);
    (reply.unwrap(), deltas)
}

/// What the deltas of one choice make up.
fn joined(deltas: &[ChatDelta], index: u32) -> ChatOutput {
    let mut whole = ChatOutput::default();
    for delta in deltas.iter().filter(|delta| delta.index == index) {
        assert_eq!(whole.finish_reason, "", "nothing comes after the end");
        whole.text.push_str(&delta.text);
        whole.logprobs.extend(delta.logprobs.iter().cloned());
        whole.finish_reason.clone_from(&delta.finish_reason);
        for part in &delta.tool_calls {
            if part.index as usize == whole.tool_calls.len() {
                whole.tool_calls.push(ToolCall { id: part.id.clone(), name: part.name.clone(), ..Default::default() });
            }
            whole.tool_calls[part.index as usize].arguments_json.push_str(&part.arguments);
        }
    }
    whole
}

fn colour() -> Value {
    json!({"type": "object", "properties": {"colour": {"enum": ["red", "green"]}, "shades": {"type": "array", "maxItems": 2,
        "items": {"type": "string", "maxLength": 10}}}, "required": ["colour", "shades"], "additionalProperties": false})
}

#[actix::test]
async fn several_choices_keep_to_the_schema_and_what_is_streamed_makes_them_up() {
    let (_root, lane) = lane().await;
    let format = ResponseFormat { kind: "json_schema".into(), schema_json: colour().to_string(), ..Default::default() };
    let input = ChatInput {
        response_format: Some(format),
        n: 3,
        temperature: Some(1.2),
        seed: Some(11),
        top_logprobs: 2,
        max_tokens: 150,
        ..asks("Name a colour in JSON.")
    };
    let (reply, deltas) = streamed(&lane, input.clone()).await;
    assert_eq!(reply.output.others.len(), 2);
    let mut tokens = 0;
    let first = ChatOutput { others: Vec::new(), ..reply.output.clone() };
    for (index, choice) in std::iter::once(&first).chain(&reply.output.others).enumerate() {
        assert_eq!(*choice, joined(&deltas, u32::try_from(index).unwrap()));
        assert_eq!(choice.finish_reason, "stop");
        let value: Value = serde_json::from_str(&choice.text).unwrap();
        assert!(jsonschema::is_valid(&colour(), &value), "{value}");
        let bytes: Vec<u8> = choice.logprobs.iter().flat_map(|entry| entry.bytes.clone()).collect();
        assert_eq!(String::from_utf8(bytes).unwrap(), choice.text);
        assert!(choice.logprobs.iter().all(|entry| entry.top.len() == 2 && entry.logprob <= entry.top[0].logprob));
        tokens += choice.logprobs.len() as u64;
    }
    assert!(deltas.len() > 6, "the answer came in one piece");
    // At most the token that ends a turn is not told of.
    assert!((tokens..=tokens + 3).contains(&reply.output_tokens), "{tokens} told, {} counted", reply.output_tokens);
    let (again, _) = streamed(&lane, input.clone()).await;
    assert_eq!(again.output.others, reply.output.others, "a seed decides");
    let (other, _) = streamed(&lane, ChatInput { seed: Some(99), ..input }).await;
    assert_ne!(other.output.others, reply.output.others);
}

fn tool(name: &str) -> Tool {
    let parameters = json!({"type": "object", "properties": {"place": {"type": "string", "maxLength": 16}},
        "required": ["place"], "additionalProperties": false});
    Tool {
        name: name.into(),
        description: "Tells the weather.".into(),
        parameters_json: parameters.to_string(),
        strict: true,
    }
}

fn choice(mode: &str, name: &str) -> Option<ToolChoice> {
    Some(ToolChoice { mode: mode.into(), name: name.into() })
}

#[actix::test]
async fn calls_that_are_asked_for_come_well_formed_and_in_parts() {
    let (_root, lane) = lane().await;
    let input = ChatInput {
        tools: vec![tool("get_weather"), tool("get_tides")],
        tool_choice: choice("tool", "get_tides"),
        parallel_tool_calls: Some(false),
        max_tokens: 200,
        ..asks("When is high tide in Galway?")
    };
    let (reply, deltas) = streamed(&lane, input.clone()).await;
    assert_eq!(reply.output, joined(&deltas, 0));
    assert_eq!((reply.output.finish_reason.as_str(), reply.output.text.as_str()), ("tool_calls", ""));
    let [call] = reply.output.tool_calls.as_slice() else { panic!("{:?}", reply.output) };
    assert!(call.name == "get_tides" && call.id.starts_with("call_"), "{call:?}");
    let arguments: Value = serde_json::from_str(&call.arguments_json).unwrap();
    assert!(arguments["place"].is_string(), "{arguments}");

    // The call and what came of it are part of the next prompt.
    let mut next = ChatInput { tool_choice: choice("none", ""), max_tokens: 8, ..input };
    let called =
        ChatMessage { role: "assistant".into(), tool_calls: reply.output.tool_calls.clone(), ..Default::default() };
    let told = ChatMessage {
        role: "tool".into(),
        content: "At 17:40.".into(),
        tool_call_id: call.id.clone(),
        ..Default::default()
    };
    next.messages.extend([called, told]);
    let (answer, _) = streamed(&lane, next).await;
    assert!(answer.output.tool_calls.is_empty() && !answer.output.text.is_empty(), "{answer:?}");
}

#[actix::test]
async fn with_tools_at_will_the_answer_is_text_or_calls_but_never_half_a_call() {
    let (_root, lane) = lane().await;
    for (seed, mode) in [(1, "auto"), (2, "auto"), (3, "auto"), (4, "required")] {
        let input = ChatInput {
            tools: vec![tool("get_weather")],
            tool_choice: choice(mode, ""),
            temperature: Some(0.8),
            seed: Some(seed),
            parallel_tool_calls: Some(false),
            max_tokens: 100,
            ..asks("What is the weather in Galway? Call get_weather.")
        };
        let (reply, deltas) = streamed(&lane, input).await;
        let output = reply.output;
        assert_eq!(output, joined(&deltas, 0));
        assert_eq!(output.text.is_empty(), !output.tool_calls.is_empty(), "{output:?}");
        assert!(mode == "auto" || output.finish_reason == "tool_calls", "{output:?}");
        for call in &output.tool_calls {
            assert_eq!(call.name, "get_weather");
            if output.finish_reason == "tool_calls" {
                assert!(serde_json::from_str::<Value>(&call.arguments_json).unwrap()["place"].is_string(), "{call:?}");
            }
        }
    }
}

#[actix::test]
async fn a_raw_prompt_is_continued_as_it_stands() {
    let (_root, lane) = lane().await;
    let continued = ChatInput { raw: true, max_tokens: 3, ..asks("The capital of France is") };
    let (raw, _) = streamed(&lane, continued.clone()).await;
    let (chat, _) = streamed(&lane, ChatInput { raw: false, ..continued }).await;
    assert!(raw.output.text.contains("Paris"), "{raw:?}");
    assert_eq!(raw.input_tokens, 5);
    assert!(chat.input_tokens > 20);
    assert_eq!((raw.output.finish_reason.as_str(), raw.output_tokens), ("length", 3));
}

#[actix::test]
async fn a_prompt_beyond_the_context_is_refused_with_both_numbers() {
    let (_root, lane) = lane().await;
    let request = ChatRequest::new(asks(&"word ".repeat(9_000)), "smollm2", None).unwrap();
    let error = lane.submit(request, 0, deadline()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert!(error.message.contains("the prompt has 90") && error.message.contains("holds 8192"), "{error}");

    let format =
        ResponseFormat { kind: "json_schema".into(), schema_json: r#"{"not": {}}"#.into(), ..Default::default() };
    let request = ChatRequest::new(ChatInput { response_format: Some(format), ..asks("Hi") }, "smollm2", None).unwrap();
    let error = lane.submit(request, 0, deadline()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidRequest);
    assert!(
        error.message.contains("the schema of the answer cannot be enforced") && error.message.contains("not"),
        "{error}"
    );
}

#[actix::test]
async fn who_leaves_stops_the_model_and_the_next_one_is_served() {
    let (_root, lane) = lane().await;
    let (sender, mut deltas) = mpsc::channel(1);
    // Would go on for eight thousand tokens: an answer that never may end.
    let endless = ChatInput {
        logit_bias: [("2".to_owned(), -100.0), ("0".to_owned(), -100.0)].into(),
        max_tokens: 8_000,
        ..asks("Count.")
    };
    let request = ChatRequest::new(endless, "smollm2", Some(sender)).unwrap();
    let leaving = actix::spawn({
        let lane = lane.clone();
        async move { lane.submit(request, 0, deadline()).await }
    });
    deltas.recv().await.expect("the model began");
    leaving.abort();
    assert!(leaving.await.is_err(), "the caller left");
    let mut after = 0;
    while let Some(delta) = deltas.recv().await {
        assert_eq!(delta.finish_reason, "");
        after += 1;
    }
    // One that was on its way and one in the making; the rest is for the moment in which the caller leaves.
    assert!(after < 8, "{after} more tokens were written");
    let request = ChatRequest::new(ChatInput { max_tokens: 2, ..asks("Hi") }, "smollm2", None).unwrap();
    assert_eq!(lane.submit(request, 0, deadline()).await.unwrap().output_tokens, 2);
}
