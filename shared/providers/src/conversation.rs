//! A conversation as vendors want it whose dialect knows the system's words apart from what user and assistant say in
//! turns, and tools' results among the user's words. What such a dialect has no word for is refused here.

use std::collections::BTreeMap;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatInput, ChatMessage, Media, content_part};
use serde_json::{Map, Value};

use crate::failure::unsupported;

/// Name of the tool whose input is the text, where a format is kept by a tool that the model is forced to call.
pub(crate) const ANSWER_TOOL: &str = "answer";

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    User,
    Assistant,
}

/// A part of what is said in a turn.
#[derive(Debug)]
pub(crate) enum Word<'a> {
    Text(&'a str),
    Image(&'a Media),
    Audio(&'a Media),
    Document(&'a Media),
    /// What an assistant thought before it spoke, with the proof that the vendor gave of it.
    Thought {
        text: &'a str,
        signature: &'a str,
    },
    Call {
        id: &'a str,
        name: &'a str,
        arguments: Map<String, Value>,
    },
    /// What a tool answered to a call of this name.
    Result {
        id: &'a str,
        name: &'a str,
        words: Vec<Word<'a>>,
        failed: bool,
    },
}

/// What one speaker says before the other does.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub speaker: Speaker,
    pub words: Vec<Word<'a>>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Conversation<'a> {
    /// What the system says, wherever in the conversation it said it.
    pub system: Vec<&'a str>,
    pub turns: Vec<Turn<'a>>,
}

impl<'a> Conversation<'a> {
    /// Reads it from the messages.
    pub fn read(provider: &str, input: &'a ChatInput) -> Result<Self, Error> {
        let mut conversation = Self::default();
        let mut names = BTreeMap::new();
        for message in &input.messages {
            if !message.name.is_empty() && message.role != "tool" {
                return Err(unsupported(provider, "the name of who speaks (messages.name)"));
            }
            let said = words(provider, message)?;
            match message.role.as_str() {
                "system" => conversation.system.extend(texts(provider, "in a system message", &said)?),
                "user" => conversation.turn(Speaker::User, said),
                "assistant" => {
                    let (text, signature) = (message.reasoning.as_str(), message.reasoning_signature.as_str());
                    let thought = (!text.is_empty()).then_some(Word::Thought { text, signature });
                    let mut all: Vec<Word<'a>> = thought.into_iter().chain(said).collect();
                    for call in &message.tool_calls {
                        names.insert(call.id.as_str(), call.name.as_str());
                        let arguments = object("tool_calls.arguments", &call.arguments_json)?;
                        all.push(Word::Call { id: &call.id, name: &call.name, arguments });
                    }
                    conversation.turn(Speaker::Assistant, all);
                }
                "tool" => {
                    let id = message.tool_call_id.as_str();
                    let name = names.get(id).copied().filter(|name| !name.is_empty());
                    let name = name.or_else(|| Some(message.name.as_str()).filter(|name| !name.is_empty()));
                    let name = name.ok_or_else(|| {
                        let message = format!("a tool's message answers {id:?}, which no assistant called before");
                        Error::new(ErrorCode::InvalidRequest, message)
                    })?;
                    let result = Word::Result { id, name, words: said, failed: message.tool_failed };
                    conversation.turn(Speaker::User, vec![result]);
                }
                other => return Err(unsupported(provider, &format!("messages of the role {other:?}"))),
            }
        }
        Ok(conversation)
    }

    /// Whoever speaks twice in a row has one turn.
    fn turn(&mut self, speaker: Speaker, words: Vec<Word<'a>>) {
        match self.turns.last_mut() {
            _ if words.is_empty() => {}
            Some(turn) if turn.speaker == speaker => turn.words.extend(words),
            _ => self.turns.push(Turn { speaker, words }),
        }
    }
}

fn words<'a>(provider: &str, message: &'a ChatMessage) -> Result<Vec<Word<'a>>, Error> {
    if message.parts.is_empty() {
        return Ok(Some(message.content.as_str())
            .filter(|text| !text.is_empty())
            .map(Word::Text)
            .into_iter()
            .collect());
    }
    let word = |part: &'a orrery_proto::v1::ContentPart| match &part.kind {
        Some(content_part::Kind::Text(text)) => Ok(Word::Text(text)),
        Some(content_part::Kind::Image(media)) if !["", "auto"].contains(&media.detail.as_str()) => {
            Err(unsupported(provider, "the detail of an image (image.detail)"))
        }
        Some(content_part::Kind::Image(media)) => Ok(Word::Image(media)),
        Some(content_part::Kind::Audio(media)) => Ok(Word::Audio(media)),
        Some(content_part::Kind::Document(media)) => Ok(Word::Document(media)),
        None => Err(unsupported(provider, "a content part without content")),
    };
    message.parts.iter().map(word).collect()
}

/// Words that are texts alone. `place` says in errors where anything else stands.
pub(crate) fn texts<'a>(provider: &str, place: &str, words: &[Word<'a>]) -> Result<Vec<&'a str>, Error> {
    let text = |word: &Word<'a>| match word {
        Word::Text(text) => Ok(*text),
        _ => Err(unsupported(provider, &format!("anything but text {place}"))),
    };
    words.iter().map(text).collect()
}

/// Refuses an order by the first thing in it that the provider has no word for.
pub(crate) fn refuse(provider: &str, asked: &[(bool, &str)]) -> Result<(), Error> {
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(unsupported(provider, what)),
        None => Ok(()),
    }
}

/// JSON inside a field of the conversation.
pub(crate) fn json_in(what: &str, text: &str) -> Result<Value, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorCode::InvalidRequest, format!("{what} holds no JSON: {error}")))
}

/// A JSON object inside a field of the conversation; nothing is an empty one.
pub(crate) fn object(what: &str, text: &str) -> Result<Map<String, Value>, Error> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    match json_in(what, text)? {
        Value::Object(object) => Ok(object),
        _ => Err(Error::new(ErrorCode::InvalidRequest, format!("{what} holds no JSON object"))),
    }
}

/// A number as it was written: 0.1 stays 0.1 when it becomes wider.
pub(crate) fn number(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// An object of what is there.
pub(crate) fn fields<const N: usize>(fields: [(&str, Option<Value>); N]) -> Map<String, Value> {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use super::*;
    use orrery_proto::v1::ToolCall;

    fn message(role: &str, content: &str) -> ChatMessage {
        ChatMessage { role: role.into(), content: content.into(), ..ChatMessage::default() }
    }

    #[test]
    fn turns_alternate_and_results_know_their_calls() {
        let call = |id: &str| ToolCall { id: id.into(), name: format!("f{id}"), arguments_json: String::new() };
        let assistant = ChatMessage { tool_calls: vec![call("1"), call("2")], ..message("assistant", "") };
        let result = |id: &str| ChatMessage { tool_call_id: id.into(), ..message("tool", "ok") };
        let messages = vec![
            message("system", "s"),
            message("user", "u"),
            assistant,
            result("2"),
            result("1"),
            message("user", "v"),
        ];
        let input = ChatInput { messages, ..ChatInput::default() };
        let read = Conversation::read("p", &input).unwrap();
        assert_eq!(read.system, ["s"]);
        let speakers: Vec<_> = read.turns.iter().map(|turn| (turn.speaker, turn.words.len())).collect();
        assert_eq!(speakers, [(Speaker::User, 1), (Speaker::Assistant, 2), (Speaker::User, 3)]);
        let Word::Result { name, .. } = read.turns[2].words[0] else { panic!("no result") };
        assert_eq!(name, "f2");
    }

    #[test]
    fn what_has_no_place_is_refused() {
        let stray = ChatMessage { tool_call_id: "x".into(), ..message("tool", "ok") };
        let named = ChatMessage { name: "Ann".into(), ..message("user", "u") };
        for (wrong, expected) in
            [(stray, "no assistant called"), (named, "messages.name"), (message("judge", ""), "judge")]
        {
            let input = ChatInput { messages: vec![wrong], ..ChatInput::default() };
            let error = Conversation::read("p", &input).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(object("x", "[1]").is_err() && object("x", "{").is_err() && object("x", "").unwrap().is_empty());
        assert_eq!(number(0.1).to_string(), "0.1");
    }
}
