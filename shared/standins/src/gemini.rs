//! Google's Gemini API.

use serde_json::{Value, json};

use crate::http::{Request, Vendor, data};

pub const VENDOR: Vendor = Vendor {
    prefix: "/v1beta",
    stream_type: "text/event-stream",
    admits,
    streams: |request| request.path.ends_with(":streamGenerateContent?alt=sse"),
    answers,
    opens: Vec::new,
    word: |text| data(&chunk(&json!([{"text": text}]))),
    closes: |words| {
        data(&reply(&json!([{"text": ""}]), "STOP", &json!({"promptTokenCount": 3, "candidatesTokenCount": words})))
    },
};

/// A wrong key is told with status 400.
fn admits(request: &Request) -> Result<(), (u16, Value)> {
    if request.header("x-goog-api-key").is_none() {
        let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]);
        return Err((400, error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", &details)));
    }
    Ok(())
}

fn answers(request: &Request, text: &str) -> Value {
    if request.path.ends_with(":batchEmbedContents") {
        let count = request.body["requests"].as_array().map_or(0, Vec::len);
        let embeddings: Vec<Value> = (0..count).map(|at| json!({"values": [3.0, 4.0 + at as f64]})).collect();
        return json!({"embeddings": embeddings});
    }
    let usage = json!({"promptTokenCount": 3, "candidatesTokenCount": text.split_whitespace().count()});
    reply(&json!([{"text": text}]), "STOP", &usage)
}

/// A whole answer, or the last part of one.
pub fn reply(parts: &Value, finish_reason: &str, usage: &Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": finish_reason, "index": 0}],
        "usageMetadata": usage, "modelVersion": "gemini-x-2026", "responseId": "r1"})
}

/// A part of an answer.
pub fn chunk(parts: &Value) -> Value {
    json!({"candidates": [{"content": {"parts": parts, "role": "model"}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 3}, "modelVersion": "gemini-x-2026", "responseId": "r1"})
}

/// An error's body.
pub fn error(code: u16, status: &str, message: &str, details: &Value) -> Value {
    json!({"error": {"code": code, "message": message, "status": status, "details": details}})
}
