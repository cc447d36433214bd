//! Anthropic's Messages API.

use serde_json::{Value, json};

use crate::http::{Request, Vendor, named};

pub const VENDOR: Vendor = Vendor {
    prefix: "/v1",
    stream_type: "text/event-stream; charset=utf-8",
    admits,
    streams: |request| request.body["stream"] == json!(true),
    answers,
    opens: || {
        [start(json!({"input_tokens": 3, "output_tokens": 1})), block(0, &json!({"type": "text", "text": ""})), ping()]
            .concat()
    },
    word: |text| text_delta(0, text),
    closes: |words| [stop(0), end("end_turn", words)].concat(),
};

/// The version header is required; `max_tokens` too.
fn admits(request: &Request) -> Result<(), (u16, Value)> {
    let error = |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"});
    if request.header("x-api-key").is_none() {
        return Err((401, error("authentication_error", "x-api-key header is required")));
    }
    if request.header("anthropic-version").is_none() {
        return Err((400, error("invalid_request_error", "anthropic-version: header is required")));
    }
    if !request.body["max_tokens"].is_u64() {
        return Err((400, error("invalid_request_error", "max_tokens: Field required")));
    }
    Ok(())
}

fn answers(_: &Request, text: &str) -> Value {
    let usage = json!({"input_tokens": 3, "output_tokens": text.split_whitespace().count()});
    message(&json!([{"type": "text", "text": text}]), "end_turn", &usage)
}

/// A whole answer.
pub fn message(content: &Value, stop_reason: &str, usage: &Value) -> Value {
    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x-2026", "content": content,
        "stop_reason": stop_reason, "stop_sequence": null, "usage": usage})
}

pub fn start(usage: Value) -> Vec<u8> {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x-2026", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage});
    named(&json!({"type": "message_start", "message": message}))
}

pub fn ping() -> Vec<u8> {
    named(&json!({"type": "ping"}))
}

/// A block begins.
pub fn block(index: u32, block: &Value) -> Vec<u8> {
    named(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

pub fn delta(index: u32, delta: &Value) -> Vec<u8> {
    named(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

pub fn text_delta(index: u32, text: &str) -> Vec<u8> {
    delta(index, &json!({"type": "text_delta", "text": text}))
}

/// A block ends.
pub fn stop(index: u32) -> Vec<u8> {
    named(&json!({"type": "content_block_stop", "index": index}))
}

/// The message ends.
pub fn end(stop_reason: &str, output_tokens: u64) -> Vec<u8> {
    let delta = json!({"stop_reason": stop_reason, "stop_sequence": null});
    let said = json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": output_tokens}});
    [named(&said), named(&json!({"type": "message_stop"}))].concat()
}

/// An error in the middle of a stream.
pub fn error(kind: &str, message: &str) -> Vec<u8> {
    named(&json!({"type": "error", "error": {"type": kind, "message": message}}))
}
