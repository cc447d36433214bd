//! The request that is sent over and over, and what its answer must be.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::provider;
use crate::systems::Target;

/// What is asked; as long as a short question is.
pub const PROMPT: &str = "Say in one sentence whether the damage described below is covered, and name the clause: water \
    came through the ceiling of the kitchen during the night of the storm and ruined the cupboards and the floor.";
/// The end of a streamed answer.
const DONE: &[u8] = b"data: [DONE]\n\n";

/// A call of chat completions, as bytes.
#[derive(Debug, Clone)]
pub struct Request {
    bytes: Arc<[u8]>,
    streamed: bool,
}

impl Request {
    /// Asks a target.
    pub fn new(target: &Target, prompt: &str, streamed: bool) -> Self {
        let mut body =
            json!({"model": target.model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 256});
        if let (true, Some(fields)) = (streamed, body.as_object_mut()) {
            fields.insert("stream".to_owned(), json!(true));
            fields.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        let (body, headers) = (body.to_string(), &target.headers);
        let bytes = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
            target.address,
            body.len()
        );
        Self { bytes: bytes.into_bytes().into(), streamed }
    }

    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether an answer is one, as far as can be told in no time.
    pub fn check(&self, status: u16, content: &[u8]) -> anyhow::Result<()> {
        let whole = if self.streamed { content.ends_with(DONE) } else { content.ends_with(b"}") };
        if status == OK && whole {
            return Ok(());
        }
        bail!("answered {status}: {}", String::from_utf8_lossy(content))
    }

    /// Whether an answer is exactly what the provider said, the usage included.
    pub fn check_exactly(&self, status: u16, content: &[u8], prompt: &str, words: usize) -> anyhow::Result<()> {
        self.check(status, content)?;
        let content = std::str::from_utf8(content)?;
        let (text, usage) = if self.streamed { streamed(content)? } else { plain(content)? };
        ensure!(text == provider::text(words), "another answer than the provider's: {content}");
        let count = |name: &str| usage.get(name).and_then(Value::as_u64);
        let (input, output) = (count("prompt_tokens"), count("completion_tokens"));
        ensure!(input == Some(provider::tokens(prompt) as u64), "another count of input tokens: {usage}");
        ensure!(output == Some(words as u64), "another count of output tokens: {usage}");
        Ok(())
    }
}

/// Of HTTP.
const OK: u16 = 200;

fn plain(content: &str) -> anyhow::Result<(String, Value)> {
    let answer: Value = serde_json::from_str(content)?;
    let text =
        answer.pointer("/choices/0/message/content").and_then(Value::as_str).context("an answer without text")?;
    Ok((text.to_owned(), answer.get("usage").cloned().unwrap_or_default()))
}

fn streamed(content: &str) -> anyhow::Result<(String, Value)> {
    let (mut text, mut usage) = (String::new(), Value::Null);
    let data = content.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|it| *it != "[DONE]");
    for event in data {
        let event: Value = serde_json::from_str(event)?;
        text += event.pointer("/choices/0/delta/content").and_then(Value::as_str).unwrap_or_default();
        if let Some(told) = event.get("usage").filter(|it| it.is_object()) {
            usage = told.clone();
        }
    }
    Ok((text, usage))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(streamed: bool) -> Request {
        let target = Target {
            name: "bench",
            address: "127.0.0.1:80".parse().unwrap(),
            model: "m".to_owned(),
            headers: "x: y\r\n".to_owned(),
            processes: Vec::new(),
        };
        Request::new(&target, "two words", streamed)
    }

    #[test]
    fn a_request_is_whole() {
        let request = request(true);
        let text = std::str::from_utf8(request.bytes()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nx: y\r\n"));
        assert!(head.ends_with(&format!("content-length: {}", body.len())));
        assert_eq!(serde_json::from_str::<Value>(body).unwrap()["stream"], json!(true));
    }

    #[test]
    fn another_status_text_or_count_is_an_error() {
        let answer = |text: &str, input: u64| {
            json!({"choices": [{"message": {"content": text}}], "usage": {"prompt_tokens": input, "completion_tokens": 1}})
                .to_string()
        };
        let check = |status, answer: &str| request(false).check_exactly(status, answer.as_bytes(), "two words", 1);
        check(200, &answer("word ", 2)).unwrap();
        assert!(check(200, &answer("ward ", 2)).is_err());
        assert!(check(200, &answer("word ", 3)).is_err());
        let refused = check(429, "{\"error\": \"slow down\"}").unwrap_err().to_string();
        assert!(refused.contains("429") && refused.contains("slow down"), "{refused}");
    }

    #[test]
    fn a_stream_that_breaks_off_is_an_error() {
        let event = |content: &str| {
            let event = json!({"choices": [{"delta": {"content": content}}], "usage": null});
            format!("data: {event}\n\n")
        };
        let usage = "data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 2, \"completion_tokens\": 2}}\n\n";
        let whole = event("word ") + &event("word ") + usage + "data: [DONE]\n\n";
        request(true).check_exactly(200, whole.as_bytes(), "two words", 2).unwrap();
        let broken = event("word ") + "data: {\"error\": {\"message\": \"gone\"}}\n\n";
        assert!(request(true).check(200, broken.as_bytes()).is_err());
    }
}
