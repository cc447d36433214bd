//! Calls of tools in the format that SmolLM2 was trained on: functions are listed as JSON between `<tools>` tags of the
//! system message, and calls are a JSON list between `<tool_call>` tags (the model card of SmolLM2-1.7B-Instruct).

use serde_json::{Value, json};

use super::super::ModelError;

pub(super) const CALLS_START: &str = "<tool_call>[";
pub(super) const CALLS_END: &str = "]</tool_call>";
pub(super) const CALL_SEPARATOR: &str = ", ";
pub(super) const CALL_NAME: &str = "{\"name\": \"";
pub(super) const CALL_ARGUMENTS: &str = "\", \"arguments\": ";
pub(super) const CALL_END: &str = "}";

/// Bytes of a tool's name.
const NAME_BYTES_MAX: usize = 64;

/// A function that the model may ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Letters, digits, `_`, `-` and `.`, up to 64.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of the arguments, which are an object; null takes any object.
    pub parameters: Value,
    /// A schema that cannot be enforced is an error instead of any object.
    pub strict: bool,
}

impl Tool {
    /// Checks the name.
    ///
    /// # Errors
    /// When the name is empty, too long, or has other characters.
    pub fn new(name: String, description: String, parameters: Value, strict: bool) -> Result<Self, ModelError> {
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(named) {
            let message =
                format!("the name of a tool is 1 to {NAME_BYTES_MAX} letters, digits, _, - or ., not {name:?}");
            return Err(ModelError::InvalidInput(message));
        }
        Ok(Self { name, description, parameters, strict })
    }

    /// The schema of the arguments, which says that they are an object.
    pub(super) fn arguments_schema(&self) -> Result<Value, ModelError> {
        let refuse = |reason: String| ModelError::Schema { what: format!("the schema of tool {}", self.name), reason };
        let mut schema = match &self.parameters {
            Value::Null => serde_json::Map::new(),
            Value::Object(schema) => schema.clone(),
            other => return Err(refuse(format!("a schema is an object, not {other}"))),
        };
        match schema.get("type") {
            None => {
                schema.insert("type".to_owned(), "object".into());
            }
            Some(kind) if kind == "object" => {}
            Some(other) => return Err(refuse(format!("arguments are of type \"object\", not {other}"))),
        }
        Ok(Value::Object(schema))
    }
}

/// A call of a tool, as it stands in a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    pub name: String,
    /// The arguments, an object.
    pub arguments: Value,
}

/// What is added to the system message: the tools, how to call them, and whether to.
pub fn tools_text(tools: &[Tool], must_call: bool, parallel: bool) -> String {
    let listed: Vec<Value> = tools
        .iter()
        .map(|tool| {
            let parameters =
                if tool.parameters.is_null() { json!({ "type": "object" }) } else { tool.parameters.clone() };
            json!({ "type": "function", "function": {
                "name": tool.name, "description": tool.description, "parameters": parameters } })
        })
        .collect();
    let when = if must_call {
        "You must call a function."
    } else {
        "If none of the functions helps, answer in plain words instead."
    };
    let many =
        if parallel { "You may call several functions in the one list." } else { "Call one function at a time." };
    format!(
        "You can call these functions:\n<tools>{}</tools>\nTo call a function, answer with nothing but\n\
         {CALLS_START}{CALL_NAME}function_name{CALL_ARGUMENTS}{{\"argument\": \"value\"}}{CALL_END}{CALLS_END}\n{when} {many}",
        Value::from(listed)
    )
}

/// How an assistant's calls are written back into a conversation.
pub fn calls_text(calls: &[ToolCall]) -> String {
    let each = calls.iter().map(|call| format!("{CALL_NAME}{}{CALL_ARGUMENTS}{}{CALL_END}", call.name, call.arguments));
    format!("{CALLS_START}{}{CALLS_END}", each.collect::<Vec<_>>().join(CALL_SEPARATOR))
}

/// How what a tool answered is written back into a conversation, as the user's turn.
pub fn result_text(content: &str, failed: bool) -> String {
    let failed = if failed { "error: " } else { "" };
    format!("<tool_response>\n{failed}{content}\n</tool_response>")
}

/// A part of an answer to a conversation with tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerPart {
    /// Plain text.
    Text(String),
    /// A call begins; the first has index 0.
    Call { index: u32, name: String },
    /// More of the JSON text of a call's arguments.
    Arguments { index: u32, text: String },
}

/// Tells calls from text while the answer comes in. Relies on the answer having been kept to
/// [`super::AnswerForm::Calls`]: it begins with the calls or has none.
#[derive(Debug, Default)]
pub struct AnswerReader {
    state: State,
    held: String,
    calls: u32,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// It may yet be either.
    #[default]
    Undecided,
    Text,
    /// Before or in the name of a call.
    Header,
    Arguments(Nesting),
}

/// Where in an object the arguments are.
#[derive(Debug, Default, PartialEq, Eq)]
struct Nesting {
    depth: usize,
    quoted: bool,
    escaped: bool,
}

impl Nesting {
    /// True when this character ends the outermost object.
    fn ends_with(&mut self, character: char) -> bool {
        match character {
            _ if self.escaped => self.escaped = false,
            '\\' if self.quoted => self.escaped = true,
            '"' => self.quoted = !self.quoted,
            '{' | '[' if !self.quoted => self.depth += 1,
            '}' | ']' if !self.quoted => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }
}

impl AnswerReader {
    /// Takes more of the answer in.
    pub fn push(&mut self, text: &str) -> Vec<AnswerPart> {
        self.held.push_str(text);
        let mut parts = Vec::new();
        while self.step(&mut parts) {}
        parts
    }

    /// The answer has ended: what was held back can only be text.
    pub fn finish(&mut self) -> Vec<AnswerPart> {
        let held = std::mem::take(&mut self.held);
        if self.state == State::Undecided && !held.is_empty() { vec![AnswerPart::Text(held)] } else { Vec::new() }
    }

    /// Whether there are calls and none of them is cut off.
    pub fn has_whole_calls(&self) -> bool {
        self.calls > 0 && self.state == State::Header
    }

    /// True while there may be more to tell.
    fn step(&mut self, parts: &mut Vec<AnswerPart>) -> bool {
        match &mut self.state {
            State::Undecided => {
                if let Some(rest) = self.held.strip_prefix(CALLS_START) {
                    self.held = rest.to_owned();
                    self.state = State::Header;
                    return true;
                }
                if CALLS_START.starts_with(&self.held) {
                    return false;
                }
                self.state = State::Text;
                true
            }
            State::Text => {
                if !self.held.is_empty() {
                    parts.push(AnswerPart::Text(std::mem::take(&mut self.held)));
                }
                false
            }
            State::Header => {
                let Some((before, rest)) = self.held.split_once(CALL_ARGUMENTS) else { return false };
                let Some((_, name)) = before.split_once(CALL_NAME) else { return false };
                parts.push(AnswerPart::Call { index: self.calls, name: name.to_owned() });
                self.held = rest.to_owned();
                self.calls += 1;
                self.state = State::Arguments(Nesting::default());
                true
            }
            State::Arguments(nesting) => {
                let end = self.held.char_indices().find(|(_, character)| nesting.ends_with(*character));
                let after = end.map_or(self.held.len(), |(start, character)| start + character.len_utf8());
                let rest = self.held.split_off(after);
                let text = std::mem::replace(&mut self.held, rest);
                if !text.is_empty() {
                    parts.push(AnswerPart::Arguments { index: self.calls - 1, text });
                }
                if end.is_some() {
                    self.state = State::Header;
                }
                end.is_some()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(pieces: &[&str]) -> (Vec<AnswerPart>, bool) {
        let mut reader = AnswerReader::default();
        let mut parts: Vec<AnswerPart> = pieces.iter().flat_map(|piece| reader.push(piece)).collect();
        parts.extend(reader.finish());
        (parts, reader.has_whole_calls())
    }

    fn call(index: u32, name: &str) -> AnswerPart {
        AnswerPart::Call { index, name: name.into() }
    }

    fn arguments(index: u32, text: &str) -> AnswerPart {
        AnswerPart::Arguments { index, text: text.into() }
    }

    #[test]
    fn calls_are_told_as_they_come() {
        let pieces = [
            "<tool",
            "_call>[{\"name\": \"f",
            "\", \"arguments\": {\"a\": \"}\\\"",
            "{\"}}, {\"name\": \"g\"",
            ", \"arguments\": {}}]</tool_call>",
        ];
        let expected =
            [call(0, "f"), arguments(0, "{\"a\": \"}\\\""), arguments(0, "{\"}"), call(1, "g"), arguments(1, "{}")];
        assert_eq!(read(&pieces), (expected.to_vec(), true));
    }

    #[test]
    fn text_is_given_on_and_what_looks_like_a_call_is_held_back_until_it_is_none() {
        let text = |text: &str| AnswerPart::Text(text.into());
        assert_eq!(read(&["Five", " <tool_call>["]), (vec![text("Five"), text(" <tool_call>[")], false));
        assert_eq!(read(&["<to", "p>"]), (vec![text("<top>")], false));
        assert_eq!(read(&["<tool_call"]), (vec![text("<tool_call")], false));
    }

    #[test]
    fn a_call_that_is_cut_off_keeps_what_there_is() {
        let (parts, whole) = read(&["<tool_call>[{\"name\": \"f\", \"arguments\": {\"a\": [1"]);
        assert_eq!((parts, whole), (vec![call(0, "f"), arguments(0, "{\"a\": [1")], false));
        assert_eq!(read(&["<tool_call>[{\"na"]), (Vec::new(), false));
    }

    #[test]
    fn what_is_written_back_is_what_is_read() {
        let calls = [
            ToolCall { name: "f".into(), arguments: json!({"a": "\"]}"}) },
            ToolCall { name: "g".into(), arguments: json!({}) },
        ];
        let (parts, _) = read(&[&calls_text(&calls)]);
        assert_eq!(parts, [call(0, "f"), arguments(0, "{\"a\":\"\\\"]}\"}"), call(1, "g"), arguments(1, "{}")]);
    }

    #[test]
    fn tools_are_listed_with_their_schemas_and_names_are_checked() {
        let tool = Tool::new("f.x-1".into(), "adds".into(), Value::Null, false).unwrap();
        let text = tools_text(std::slice::from_ref(&tool), true, false);
        assert!(text.contains(r#""name":"f.x-1","description":"adds","parameters":{"type":"object"}"#), "{text}");
        assert!(text.contains("You must call a function. Call one function at a time."), "{text}");
        for name in ["", "a b", "a\"", &"x".repeat(65)] {
            assert!(Tool::new(name.to_owned(), String::new(), Value::Null, false).is_err());
        }
    }
}
