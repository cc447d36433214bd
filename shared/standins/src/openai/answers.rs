//! What the server answers beside plain chat: other calls, and conversations with tools, choices, probabilities and thoughts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Script;
use crate::wire::Request;

/// A picture of one pixel, as far as anybody looks.
pub const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n-one-pixel";

/// The answer to a call that is no chat; none for chat.
pub(super) fn to(request: &Request, script: &Script) -> Option<Value> {
    let told = match script {
        Script::Says(text) => text,
        Script::Answers(whole, _) if !request.place().ends_with("/completions") => return Some(whole.clone()),
        _ => return None,
    };
    let place = request.place();
    let answer = match () {
        () if place.ends_with("/embeddings") => embeddings(request, told),
        () if place.ends_with("/moderations") => moderations(request),
        () if place.ends_with("/rerank") => rerank(request),
        () if place.ends_with("/audio/transcriptions") || place.ends_with("/audio/translations") => {
            heard(request, told)
        }
        () if place.contains("/images/") => pictures(request),
        () if place.ends_with("/chat/completions") => return None,
        () if place.ends_with("/completions") && request.body["stream"] != json!(true) => continued(told),
        () => return None,
    };
    Some(answer)
}

/// Out of order, as the interface allows, and not of unit length.
fn embeddings(request: &Request, model: &str) -> Value {
    let texts = request.body["input"].as_array().unwrap().len();
    let in_base64 = request.body["encoding_format"] == "base64";
    let data = (0..texts).rev().map(|at| {
        let numbers = [3.0, 4.0 + at as f32];
        let bytes: Vec<u8> = numbers.iter().flat_map(|number: &f32| number.to_le_bytes()).collect();
        let embedding = if in_base64 { json!(STANDARD.encode(bytes)) } else { json!(numbers) };
        json!({"object": "embedding", "index": at, "embedding": embedding})
    });
    let data: Vec<_> = data.collect();
    json!({"object": "list", "model": model, "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}})
}

/// What holds "kill" is violent.
fn moderations(request: &Request) -> Value {
    let results = request.body["input"].as_array().unwrap().iter().map(|text| {
        let found = text.as_str().unwrap().contains("kill");
        let score = if found { 0.9 } else { 0.01 };
        json!({"flagged": found, "categories": {"violence": found, "hate": false}, "category_scores": {"violence": score, "hate": 0.0}})
    });
    let results: Vec<_> = results.collect();
    json!({"id": "modr-1", "model": "omni-moderation-2024-09-26", "results": results})
}

/// The last document is the best.
fn rerank(request: &Request) -> Value {
    let documents = request.body["documents"].as_array().unwrap().len();
    let wanted = usize::try_from(request.body["top_n"].as_u64().unwrap()).unwrap();
    let results = (0..documents).rev().take(wanted).map(|at| {
        json!({"index": at, "document": {"text": request.body["documents"][at]}, "relevance_score": (at + 1) as f32 / documents as f32})
    });
    let results: Vec<_> = results.collect();
    json!({"id": "rerank-1", "model": "reranker-2", "usage": {"total_tokens": 12}, "results": results})
}

fn heard(request: &Request, text: &str) -> Value {
    let detailed = request.field("response_format").as_deref() == Some("verbose_json");
    let granular = request.field("timestamp_granularities").is_some();
    let segments = json!([{"id": 0, "start": 0.0, "end": 1.5, "text": format!(" {text}"), "avg_logprob": -0.1, "no_speech_prob": 0.01}]);
    match () {
        () if detailed => {
            json!({"task": "transcribe", "language": "english", "duration": 2.0, "text": text, "segments": segments,
                "usage": {"type": "duration", "seconds": 2}})
        }
        () if granular => {
            json!({"model": "voxtral-mini-2507", "text": text, "language": "en",
                "segments": [{"type": "transcription_segment", "text": text, "start": 0.0, "end": 1.5}],
                "usage": {"prompt_audio_seconds": 2, "prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9}})
        }
        () => {
            json!({"text": text, "logprobs": [{"token": text, "logprob": -0.1, "bytes": []}],
                "usage": {"type": "tokens", "input_tokens": 14, "output_tokens": 4, "total_tokens": 18}})
        }
    }
}

fn pictures(request: &Request) -> Value {
    let count = match request.body["n"].as_u64() {
        Some(count) => count,
        None => request.field("n").map_or(1, |text| text.parse().unwrap()),
    };
    let data: Vec<_> =
        (0..count).map(|_| json!({"b64_json": STANDARD.encode(PICTURE), "revised_prompt": "a small cat"})).collect();
    json!({"created": 1, "data": data, "output_format": "png", "usage": {"input_tokens": 9, "output_tokens": 200, "total_tokens": 209}})
}

fn continued(text: &str) -> Value {
    json!({"id": "cmpl-1", "object": "text_completion", "model": "m-2026", "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "text": text, "finish_reason": "length", "logprobs": null}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}})
}

fn whole(choices: Value) -> Value {
    json!({"id": "c1", "object": "chat.completion", "model": "m-2026", "system_fingerprint": null, "choices": choices,
        "usage": {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}})
}

fn chunks(choices: Vec<Value>) -> Vec<Value> {
    let of =
        |choices: Value| json!({"id": "c1", "object": "chat.completion.chunk", "model": "m-2026", "choices": choices});
    let mut chunks: Vec<Value> = choices.into_iter().map(|choice| of(json!([choice]))).collect();
    let mut last = of(json!([]));
    last["usage"] = whole(json!([]))["usage"].clone();
    chunks.push(last);
    chunks
}

/// Two calls of tools.
pub fn calls_tools() -> Script {
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let message = json!({"role": "assistant", "content": null,
        "tool_calls": [call("call_a01", "look", "{\"at\":1}"), call("call_b02", "wait", "{}")]});
    let choices = json!([{"index": 0, "message": message, "finish_reason": "tool_calls"}]);
    let part = |value: Value| json!({"index": 0, "delta": {"tool_calls": [value]}, "finish_reason": null});
    let begin = |index: u32, id: &str, name: &str| {
        part(json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}))
    };
    let more = |index: u32, text: &str| part(json!({"index": index, "function": {"arguments": text}}));
    let streamed = vec![
        json!({"index": 0, "delta": {"role": "assistant", "content": null}, "finish_reason": null}),
        begin(0, "call_a01", "look"),
        more(0, "{\"at\""),
        more(0, ":1}"),
        begin(1, "call_b02", "wait"),
        more(1, "{}"),
        json!({"index": 0, "delta": {}, "finish_reason": "tool_calls"}),
    ];
    Script::Answers(whole(choices), chunks(streamed))
}

/// Two choices, the second cut off at the limit.
pub fn two_choices() -> Script {
    let choice = |index: u32, text: &str, reason: &str| json!({"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": reason});
    let part = |index: u32, text: &str, reason: Value| json!({"index": index, "delta": {"content": text}, "finish_reason": reason});
    let streamed = vec![
        part(1, "ta", Value::Null),
        part(0, "heads", Value::Null),
        part(1, "ils", json!("length")),
        part(0, "", json!("stop")),
    ];
    Script::Answers(whole(json!([choice(0, "heads", "stop"), choice(1, "tails", "length")])), chunks(streamed))
}

/// One token with what it was chosen among.
pub fn tells_probabilities() -> Script {
    let logprobs = json!({"content": [{"token": "yes", "logprob": -0.25, "bytes": [121, 101, 115],
        "top_logprobs": [{"token": "yes", "logprob": -0.25, "bytes": [121, 101, 115]}, {"token": "no", "logprob": -1.5, "bytes": null}]}],
        "refusal": null});
    let choice = json!({"index": 0, "message": {"role": "assistant", "content": "yes"}, "logprobs": logprobs, "finish_reason": "stop"});
    let streamed = vec![
        json!({"index": 0, "delta": {"content": "yes"}, "logprobs": logprobs, "finish_reason": null}),
        json!({"index": 0, "delta": {}, "finish_reason": "stop"}),
    ];
    Script::Answers(whole(json!([choice])), chunks(streamed))
}

/// Thinks aloud before it answers, as DeepSeek's and vLLM's models do.
pub fn thinks() -> Script {
    let choice = json!({"index": 0, "message": {"role": "assistant", "reasoning_content": "let me see", "content": "42"}, "finish_reason": "stop"});
    let part = |delta: Value| json!({"index": 0, "delta": delta, "finish_reason": null});
    let streamed = vec![
        part(json!({"role": "assistant", "content": null, "reasoning_content": "let me "})),
        part(json!({"reasoning_content": "see", "content": ""})),
        part(json!({"content": "42"})),
        json!({"index": 0, "delta": {}, "finish_reason": "stop"}),
    ];
    Script::Answers(whole(json!([choice])), chunks(streamed))
}

/// Azure's refusal of what its filter found.
pub fn filtered_by_azure() -> Script {
    let found =
        json!({"hate": {"filtered": false, "severity": "safe"}, "violence": {"filtered": true, "severity": "medium"}});
    let body = json!({"error": {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        "type": null, "param": "prompt", "code": "content_filter", "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": found}}});
    Script::Refuses(400, vec![], body.to_string())
}
