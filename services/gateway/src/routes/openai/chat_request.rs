//! A chat request: read, checked, and put into the platform's shape.

use orrery_proto::v1::{ChatInput, ChatMessage};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::parameters::refuse_unsupported;
use crate::http::Failure;

const MESSAGES_MAX: usize = 2048;
const STOPS_MAX: usize = 4;

/// A chat.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ChatRequest {
    /// A model that `GET /v1/models` lists, or `auto`.
    pub model: String,
    /// What was said so far.
    messages: Vec<Message>,
    /// Tokens to answer with at most.
    max_tokens: Option<u32>,
    /// The newer name of `max_tokens`; it goes first.
    max_completion_tokens: Option<u32>,
    /// 0 to 2; 0 always takes the likeliest token.
    temperature: Option<f32>,
    /// 0 to 1.
    top_p: Option<f32>,
    /// The same seed gives the same answer.
    seed: Option<i64>,
    /// Where to stop: one text, or up to four.
    #[schema(value_type = Object)]
    stop: Option<OneOrMany>,
    /// Whether the answer comes as Server-Sent Events.
    #[serde(default)]
    pub stream: Option<bool>,
    /// Of a streamed answer.
    pub stream_options: Option<StreamOptions>,
    /// Everything else.
    #[serde(flatten)]
    #[schema(ignore)]
    rest: Map<String, Value>,
}

/// Options of a streamed answer.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// A last chunk tells the usage.
    #[serde(default)]
    pub include_usage: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
struct Message {
    role: String,
    #[schema(value_type = Object)]
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl ChatRequest {
    /// Whether a last chunk tells the usage.
    pub fn include_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    /// In the platform's shape; an error names the parameter.
    pub fn input(&self) -> Result<ChatInput, Failure> {
        refuse_unsupported(&self.rest)?;
        if self.messages.is_empty() || self.messages.len() > MESSAGES_MAX {
            return Err(Failure::param(
                "messages",
                format!("messages holds {}; send 1 to {MESSAGES_MAX}", self.messages.len()),
            ));
        }
        let messages = self.messages.iter().enumerate().map(|(index, message)| message.read(index));
        let max_tokens = self.max_completion_tokens.or(self.max_tokens);
        if max_tokens == Some(0) {
            return Err(Failure::param("max_tokens", "max_tokens is 0; ask for at least one token, or leave it out"));
        }
        let seed = match self.seed.map(u64::try_from).transpose() {
            Ok(seed) => seed,
            Err(_) => return Err(Failure::param("seed", "seed is negative; use 0 or more")),
        };
        Ok(ChatInput {
            messages: messages.collect::<Result<_, _>>()?,
            max_tokens: max_tokens.unwrap_or(0),
            temperature: within("temperature", self.temperature, 2.0)?,
            top_p: within("top_p", self.top_p, 1.0)?,
            seed,
            stop: self.stops()?,
            ..ChatInput::default()
        })
    }

    fn stops(&self) -> Result<Vec<String>, Failure> {
        let stops = match &self.stop {
            None => Vec::new(),
            Some(OneOrMany::One(stop)) => vec![stop.clone()],
            Some(OneOrMany::Many(stops)) => stops.clone(),
        };
        if stops.len() > STOPS_MAX || stops.iter().any(String::is_empty) {
            return Err(Failure::param("stop", format!("stop holds up to {STOPS_MAX} texts, none of them empty")));
        }
        Ok(stops)
    }
}

impl Message {
    fn read(&self, index: usize) -> Result<ChatMessage, Failure> {
        let role = match self.role.as_str() {
            // The newer name of the same thing.
            "developer" => "system",
            role @ ("system" | "user" | "assistant") => role,
            other => {
                let message = format!("the role {other:?} is not supported; use system, user or assistant");
                return Err(Failure::param(format!("messages[{index}].role"), message));
            }
        };
        let content = match &self.content {
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                let texts = parts.iter().enumerate().map(|(part, content)| content.read(index, part));
                texts.collect::<Result<Vec<_>, _>>()?.concat()
            }
            None => return Err(Failure::param(format!("messages[{index}].content"), "the message has no content")),
        };
        Ok(ChatMessage { role: role.to_owned(), content, ..ChatMessage::default() })
    }
}

impl Part {
    fn read(&self, message: usize, part: usize) -> Result<String, Failure> {
        match (self.kind.as_str(), &self.text) {
            ("text", Some(text)) => Ok(text.clone()),
            (kind, _) => Err(Failure::param(
                format!("messages[{message}].content[{part}]"),
                format!("content of type {kind:?} is not supported; send text, and files as attachments of a task"),
            )),
        }
    }
}

fn within(name: &'static str, value: Option<f32>, max: f32) -> Result<Option<f32>, Failure> {
    match value {
        Some(value) if !(0.0..=max).contains(&value) => {
            Err(Failure::param(name, format!("{name} is {value}; use 0 to {max}")))
        }
        value => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(body: Value) -> Result<ChatInput, Option<String>> {
        serde_json::from_value::<ChatRequest>(body).unwrap().input().map_err(|failure| failure.param)
    }

    #[test]
    fn texts_and_parts_of_text_say_the_same() {
        let parts = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        let input = read(json!({"model": "m", "stop": "x", "messages": [
            {"role": "developer", "content": "be brief"}, {"role": "user", "content": parts}]}))
        .unwrap();
        let said: Vec<_> = input.messages.iter().map(|m| (m.role.as_str(), m.content.as_str())).collect();
        assert_eq!(said, [("system", "be brief"), ("user", "ab")]);
        assert_eq!(input.stop, ["x"]);
    }

    #[test]
    fn the_parameter_at_fault_is_named() {
        let with = |extra: Value| {
            let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
            body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            read(body).unwrap_err().unwrap()
        };
        assert_eq!(with(json!({"temperature": 3})), "temperature");
        assert_eq!(with(json!({"messages": []})), "messages");
        assert_eq!(with(json!({"messages": [{"role": "tool", "content": "x"}]})), "messages[0].role");
        let image = json!([{"type": "image_url", "image_url": {"url": "http://10.0.0.1/"}}]);
        assert_eq!(with(json!({"messages": [{"role": "user", "content": image}]})), "messages[0].content[0]");
        assert_eq!(with(json!({"tools": [1]})), "tools");
    }

    proptest! {
        #[test]
        fn no_body_breaks_the_reader(text in "\\PC{0,200}") {
            if let Ok(request) = serde_json::from_str::<ChatRequest>(&text) {
                let _read = request.input();
            }
        }
    }
}
