//! Amazon Bedrock's runtime: Converse, its binary event streams, InvokeModel, and SigV4 checked from first principles (AWS
//! Signature Version 4, "Create a signed AWS API request").

use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::http::{Request, Vendor};

pub const REGION: &str = "eu-central-1";
pub const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
pub const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub const SESSION_TOKEN: &str = "session/token==";

pub const VENDOR: Vendor = Vendor {
    prefix: "",
    stream_type: "application/vnd.amazon.eventstream",
    admits,
    streams: |request| request.path.ends_with("/converse-stream"),
    answers,
    opens: || event("messageStart", &json!({"role": "assistant"})),
    word: |text| text_delta(0, text),
    closes: |words| [event("contentBlockStop", &json!({"contentBlockIndex": 0})), end("end_turn", words)].concat(),
};

/// A bearer token, or a signature that is right.
fn admits(request: &Request) -> Result<(), (u16, Value)> {
    let refused = |message: &str| Err((403, json!({"message": message})));
    let Some(authorization) = request.header("authorization") else { return refused("Missing Authentication Token") };
    if authorization.starts_with("Bearer ") {
        return Ok(());
    }
    let expected = signature(request, authorization);
    match expected {
        Some(expected) if authorization.ends_with(&format!("Signature={expected}")) => Ok(()),
        _ => refused("The request signature we calculated does not match the signature you provided."),
    }
}

fn signature(request: &Request, authorization: &str) -> Option<String> {
    let field = |name: &str| {
        let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        rest.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let scope = field("Credential")?.strip_prefix(ACCESS_KEY_ID)?.strip_prefix('/')?;
    let (day, rest) = scope.split_once('/')?;
    if rest != format!("{REGION}/bedrock/aws4_request") {
        return None;
    }
    let names = field("SignedHeaders")?;
    for needed in ["host", "x-amz-date", "x-amz-security-token"] {
        names.split(';').find(|name| *name == needed)?;
    }
    let mut headers = String::new();
    for name in names.split(';') {
        headers.push_str(&format!("{name}:{}\n", request.header(name)?));
    }
    let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    // Every service but S3 has the path as it was sent escaped once more.
    let escaped: String = path.bytes().map(escape).collect();
    let body = hex::encode(Sha256::digest(&request.bytes));
    let canonical = format!("{}\n{escaped}\n{query}\n{headers}\n{names}\n{body}", request.method);
    let date = request.header("x-amz-date")?;
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical.as_bytes())));
    let mut key = format!("AWS4{SECRET_ACCESS_KEY}").into_bytes();
    for part in [day, REGION, "bedrock", "aws4_request"] {
        key = hmac(&key, part);
    }
    Some(hex::encode(hmac(&key, &to_sign)))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

fn answers(request: &Request, text: &str) -> Value {
    if let Some(texts) = request.body["texts"].as_array() {
        let vectors: Vec<Value> = (0..texts.len()).map(|at| json!([3.0, 4.0 + at as f64])).collect();
        return json!({"id": "e1", "response_type": "embeddings_by_type", "embeddings": {"float": vectors}, "texts": texts});
    }
    if request.body["inputText"].is_string() {
        return json!({"embedding": [3.0, 4.0], "inputTextTokenCount": 5});
    }
    reply(&json!([{"text": text}]), "end_turn", &usage(text.split_whitespace().count()))
}

/// A whole answer.
pub fn reply(content: &Value, stop_reason: &str, usage: &Value) -> Value {
    json!({"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop_reason, "usage": usage,
        "metrics": {"latencyMs": 5}})
}

pub fn usage(output: usize) -> Value {
    json!({"inputTokens": 3, "outputTokens": output, "totalTokens": 3 + output})
}

pub fn text_delta(index: u32, text: &str) -> Vec<u8> {
    event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": {"text": text}, "p": "abcdef"}))
}

/// The message ends.
pub fn end(stop_reason: &str, words: u64) -> Vec<u8> {
    let usage = usage(usize::try_from(words).unwrap());
    let stop = event("messageStop", &json!({"stopReason": stop_reason}));
    [stop, event("metadata", &json!({"usage": usage, "metrics": {"latencyMs": 5}}))].concat()
}

/// An event of a stream.
pub fn event(name: &str, body: &Value) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    message(&headers, body.to_string().as_bytes())
}

/// An exception in the middle of a stream.
pub fn exception(name: &str, told: &str) -> Vec<u8> {
    let headers = [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")];
    message(&headers, json!({"message": told}).to_string().as_bytes())
}

/// `application/vnd.amazon.eventstream`: total length, length of the headers, their checksum; headers; body; checksum of all.
pub fn message(headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    const STRING: u8 = 7;
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(u8::try_from(name.len()).unwrap());
        block.extend_from_slice(name.as_bytes());
        block.push(STRING);
        block.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    let length = u32::try_from(block.len() + body.len() + 16).unwrap();
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&u32::try_from(block.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes.extend_from_slice(&block);
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
    bytes
}
