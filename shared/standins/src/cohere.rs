//! Cohere's API, version 2.

use serde_json::{Value, json};

use crate::http::{Request, Vendor, named};

pub const VENDOR: Vendor = Vendor {
    prefix: "/v2",
    stream_type: "text/event-stream",
    admits,
    streams: |request| request.body["stream"] == json!(true),
    answers,
    opens: || {
        let content = json!({"message": {"content": {"type": "text", "text": ""}}});
        [start(), event("content-start", Some(0), &content)].concat()
    },
    word,
    closes: |words| [event("content-end", Some(0), &Value::Null), end("COMPLETE", words)].concat(),
};

fn admits(request: &Request) -> Result<(), (u16, Value)> {
    match request.header("authorization") {
        Some(value) if value.starts_with("Bearer ") => Ok(()),
        _ => Err((401, json!({"id": "e1", "message": "no api key supplied"}))),
    }
}

fn answers(request: &Request, text: &str) -> Value {
    if request.path.ends_with("/embed") {
        let count = request.body["texts"].as_array().map_or(0, Vec::len);
        let vectors: Vec<Value> = (0..count).map(|at| json!([3.0, 4.0 + at as f64])).collect();
        let meta = json!({"api_version": {"version": "2"}, "billed_units": {"input_tokens": count}});
        return json!({"id": "e1", "embeddings": {"float": vectors}, "texts": [], "meta": meta, "response_type": "embeddings_by_type"});
    }
    if request.path.ends_with("/rerank") {
        let count = request.body["documents"].as_array().map_or(0, Vec::len);
        let top = request.body["top_n"].as_u64().map_or(count, |top| usize::try_from(top).unwrap());
        // The last document is the best.
        let results: Vec<Value> = (0..count)
            .rev()
            .take(top)
            .map(|at| json!({"index": at, "relevance_score": (at + 1) as f64 / count as f64}))
            .collect();
        return json!({"id": "r1", "results": results, "meta": {"billed_units": {"search_units": 1}}});
    }
    message(&json!({"content": [{"type": "text", "text": text}]}), "COMPLETE", &usage(text.split_whitespace().count()))
}

/// Counts: billed ones leave out what the vendor adds itself.
pub fn usage(output: usize) -> Value {
    json!({"billed_units": {"input_tokens": 1, "output_tokens": output}, "tokens": {"input_tokens": 3, "output_tokens": output}})
}

/// A whole answer.
pub fn message(message: &Value, finish_reason: &str, usage: &Value) -> Value {
    let mut message = message.clone();
    message["role"] = json!("assistant");
    json!({"id": "c1", "finish_reason": finish_reason, "message": message, "usage": usage})
}

pub fn start() -> Vec<u8> {
    named(
        &json!({"id": "c1", "type": "message-start", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}}),
    )
}

pub fn event(kind: &str, index: Option<u32>, delta: &Value) -> Vec<u8> {
    let mut event = json!({"type": kind});
    if let Some(index) = index {
        event["index"] = json!(index);
    }
    if !delta.is_null() {
        event["delta"] = delta.clone();
    }
    named(&event)
}

pub fn word(text: &str) -> Vec<u8> {
    event("content-delta", Some(0), &json!({"message": {"content": {"text": text}}}))
}

pub fn end(finish_reason: &str, words: u64) -> Vec<u8> {
    event(
        "message-end",
        None,
        &json!({"finish_reason": finish_reason, "usage": usage(usize::try_from(words).unwrap())}),
    )
}
