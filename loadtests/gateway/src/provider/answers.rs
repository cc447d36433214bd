//! What the stand-in says, made once: only the count of input tokens differs between answers.

use serde_json::{Value, json};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// An answer of so many words.
#[derive(Debug)]
pub struct Answers {
    model: String,
    words: usize,
    text: String,
    /// Head and first chunk of a streamed answer, which gives the role.
    opening: Vec<u8>,
    /// One word of a streamed answer.
    word: Vec<u8>,
    /// Reason of the end, without usage.
    finish: Vec<u8>,
}

const WORD: &str = "word ";
const DONE: &str = "data: [DONE]\n\n";

/// The text of an answer of so many words.
pub fn text(words: usize) -> String {
    WORD.repeat(words)
}

impl Answers {
    pub fn new(model: &str, words: usize) -> Self {
        let delta = |delta: &Value, reason: &Value| {
            let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason});
            chunk(&event(model, &json!([choice]), &Value::Null))
        };
        let role = delta(&json!({"role": "assistant", "content": ""}), &Value::Null);
        Self {
            model: model.to_owned(),
            words,
            text: text(words),
            opening: [HEAD.as_bytes(), &role].concat(),
            word: delta(&json!({"content": WORD}), &Value::Null),
            finish: delta(&json!({}), &json!("stop")),
        }
    }

    /// A whole answer, with its head.
    pub fn plain(&self, input_tokens: usize) -> Vec<u8> {
        let message = json!({"role": "assistant", "content": self.text, "refusal": null});
        let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
        let completion = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_767_225_600,
            "model": self.model, "choices": [choice], "usage": self.usage(input_tokens)});
        json_answer(&completion)
    }

    /// The parts of a streamed answer in order, each to be sent by itself as soon as it is due.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.opening.as_slice()).chain((0..self.words).map(|_| self.word.as_slice()))
    }

    /// The end of a streamed answer; the usage where it was asked for.
    pub fn end(&self, input_tokens: usize, with_usage: bool) -> Vec<u8> {
        let mut end = self.finish.clone();
        if with_usage {
            end.extend(chunk(&event(&self.model, &json!([]), &self.usage(input_tokens))));
        }
        end.extend(chunk(DONE));
        end.extend_from_slice(b"0\r\n\r\n");
        end
    }

    /// The list of its one model.
    pub fn models(&self) -> Vec<u8> {
        let model = json!({"id": self.model, "object": "model", "created": 1_767_225_600, "owned_by": "bench"});
        json_answer(&json!({"object": "list", "data": [model]}))
    }

    fn usage(&self, input_tokens: usize) -> Value {
        json!({"prompt_tokens": input_tokens, "completion_tokens": self.words, "total_tokens": input_tokens + self.words})
    }
}

/// A JSON answer with its head.
pub fn json_answer(body: &Value) -> Vec<u8> {
    let body = body.to_string();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}

fn event(model: &str, choices: &Value, usage: &Value) -> String {
    let event = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_767_225_600, "model": model,
        "choices": choices, "usage": usage});
    format!("data: {event}\n\n")
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into()
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::http::Body;

    #[test]
    fn a_streamed_answer_is_the_plain_one_in_pieces_with_the_same_usage() {
        let answers = Answers::new("bench", 3);
        let streamed: Vec<u8> = answers.parts().flatten().copied().chain(answers.end(7, true)).collect();
        let mut unread = BytesMut::from(&streamed[HEAD.len()..]);
        let mut content = Vec::new();
        assert!(Body::Size.take(&mut unread, &mut content).unwrap());
        let content = String::from_utf8(content).unwrap();
        let events: Vec<&str> = content.split_terminator("\n\n").map(|it| it.strip_prefix("data: ").unwrap()).collect();
        let (last, events) = events.split_last().unwrap();
        assert_eq!(*last, "[DONE]");
        let events: Vec<Value> = events.iter().map(|it| serde_json::from_str(it).unwrap()).collect();
        let text: String = events.iter().filter_map(|it| it["choices"][0]["delta"]["content"].as_str()).collect();
        let plain = answers.plain(7);
        let plain = String::from_utf8(plain).unwrap();
        let plain: Value = serde_json::from_str(plain.split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!(plain["choices"][0]["message"]["content"], text);
        assert_eq!(plain["usage"], events.last().unwrap()["usage"]);
        assert_eq!(plain["usage"]["total_tokens"], 10);
    }
}
