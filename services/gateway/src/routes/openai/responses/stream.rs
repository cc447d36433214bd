//! A response in events, exactly as OpenAI streams it: it is created, each item and each of its parts is added, goes on and is
//! done, and the end holds the whole. Events are numbered. Items come one after the other.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, TokenLogprob, ToolCall, ToolCallDelta};
use serde::Serialize;
use serde_json::json;

use super::super::chat::{LogprobContent, logprob_content};
use super::answer::{Item, Part, ResponseObject, id};
use crate::http::Failure;
use crate::routes::streaming::{Ending, Events, Writer};

#[derive(Debug, Serialize)]
struct Event<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    sequence_number: u64,
    #[serde(flatten)]
    data: T,
}

/// What an event tells of an item, and where that is; what it does not tell is left out.
#[derive(Debug, Default, Serialize)]
struct Told<'a> {
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Vec<LogprobContent>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
}

/// What kind of text an item is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Thought,
    Said,
    Refused,
    /// By the model's own number for the call.
    Called(u32),
}

/// The item that is being written.
#[derive(Debug)]
struct Open {
    kind: Kind,
    id: String,
    call: ToolCall,
    text: String,
    logprobs: Vec<TokenLogprob>,
}

/// Writes a response in items.
#[derive(Debug)]
pub struct Items {
    response: ResponseObject,
    sequence: u64,
    open: Option<Open>,
    /// Calls below this number are over.
    calls: u32,
}

impl Items {
    /// Of a response that has begun.
    pub fn new(response: ResponseObject) -> Self {
        Self { response, sequence: 0, open: None, calls: 0 }
    }

    fn emit(&mut self, kind: &'static str, data: impl Serialize, out: &mut Events) {
        out.named(kind, &Event { kind, sequence_number: self.sequence, data });
        self.sequence += 1;
    }

    fn enter(&mut self, kind: Kind, call: ToolCall, out: &mut Events) {
        if self.open.as_ref().is_some_and(|open| open.kind == kind) {
            return;
        }
        self.close(out);
        let prefix = match kind {
            Kind::Thought => "rs",
            Kind::Said | Kind::Refused => "msg",
            Kind::Called(_) => "fc",
        };
        let open = Open { kind, id: id(prefix), call, text: String::new(), logprobs: Vec::new() };
        let output_index = self.response.output.len();
        self.emit("response.output_item.added", json!({"output_index": output_index, "item": open.begun()}), out);
        let part = open.part(String::new(), Vec::new());
        if part.is_some() {
            let told = Told { part, ..self.told(&open) };
            self.emit("response.content_part.added", told, out);
        }
        self.open = Some(open);
    }

    fn more(&mut self, text: &str, logprobs: Vec<TokenLogprob>, out: &mut Events) {
        let Some(mut open) = self.open.take() else { return };
        open.text.push_str(text);
        open.logprobs.extend(logprobs.iter().cloned());
        let mut told = Told { delta: Some(text), ..self.told(&open) };
        let kind = match open.kind {
            Kind::Thought => "response.reasoning_text.delta",
            Kind::Said => {
                told.logprobs = Some(logprob_content(logprobs));
                "response.output_text.delta"
            }
            Kind::Refused => "response.refusal.delta",
            Kind::Called(_) => "response.function_call_arguments.delta",
        };
        self.emit(kind, told, out);
        self.open = Some(open);
    }

    fn close(&mut self, out: &mut Events) {
        let Some(open) = self.open.take() else { return };
        let (told, text) = (self.told(&open), Some(open.text.as_str()));
        match open.kind {
            Kind::Thought => self.emit("response.reasoning_text.done", Told { text, ..told }, out),
            Kind::Refused => self.emit("response.refusal.done", Told { refusal: text, ..told }, out),
            Kind::Said => {
                let logprobs = Some(logprob_content(open.logprobs.clone()));
                self.emit("response.output_text.done", Told { text, logprobs, ..told }, out);
            }
            Kind::Called(_) => {
                let name = Some(open.call.name.as_str());
                self.emit("response.function_call_arguments.done", Told { name, arguments: text, ..told }, out);
            }
        }
        let part = open.part(open.text.clone(), open.logprobs.clone());
        if part.is_some() {
            let told = Told { part, ..self.told(&open) };
            self.emit("response.content_part.done", told, out);
        }
        let (output_index, item) = (self.response.output.len(), open.whole());
        self.emit("response.output_item.done", json!({"output_index": output_index, "item": item}), out);
        self.response.output.push(item);
    }

    /// Where an item is; the texts of calls have no parts.
    fn told<'a>(&self, open: &'a Open) -> Told<'a> {
        Told {
            item_id: &open.id,
            output_index: self.response.output.len(),
            content_index: (!matches!(open.kind, Kind::Called(_))).then_some(0),
            ..Told::default()
        }
    }

    fn call(&mut self, part: ToolCallDelta, out: &mut Events) -> Result<(), Error> {
        let kind = Kind::Called(part.index);
        if self.open.as_ref().is_none_or(|open| open.kind != kind) {
            if part.index < self.calls {
                let message =
                    "the model went back to a call of a tool that was over, which cannot be streamed in order";
                return Err(Error::new(ErrorCode::ModelFailed, message));
            }
            self.calls = part.index.saturating_add(1);
            let call = ToolCall { id: part.id, name: part.name, arguments_json: String::new() };
            self.enter(kind, call, out);
        }
        if !part.arguments.is_empty() {
            self.more(&part.arguments, Vec::new(), out);
        }
        Ok(())
    }
}

impl Open {
    fn begun(&self) -> Item {
        let status = "in_progress";
        let id = self.id.clone();
        match self.kind {
            Kind::Thought => Item::Reasoning { id, summary: Vec::new(), content: Vec::new(), status },
            Kind::Said | Kind::Refused => Item::Message { id, status, role: "assistant", content: Vec::new() },
            Kind::Called(_) => {
                let (call_id, name) = (self.call.id.clone(), self.call.name.clone());
                Item::FunctionCall { id, call_id, name, arguments: String::new(), status }
            }
        }
    }

    /// Calls have no parts.
    fn part(&self, text: String, logprobs: Vec<TokenLogprob>) -> Option<Part> {
        match self.kind {
            Kind::Thought => Some(Part::ReasoningText { text }),
            Kind::Said => Some(Part::OutputText { text, annotations: Vec::new(), logprobs: logprob_content(logprobs) }),
            Kind::Refused => Some(Part::Refusal { refusal: text }),
            Kind::Called(_) => None,
        }
    }

    fn whole(&self) -> Item {
        let part = self.part(self.text.clone(), self.logprobs.clone());
        match (self.kind, part) {
            (Kind::Said | Kind::Refused, Some(part)) => Item::message(self.id.clone(), part),
            (Kind::Thought, _) => Item::reasoning(self.id.clone(), self.text.clone()),
            (_, _) => {
                let call = ToolCall { arguments_json: self.text.clone(), ..self.call.clone() };
                Item::call(self.id.clone(), call)
            }
        }
    }
}

impl Writer for Items {
    fn open(&mut self, out: &mut Events) {
        let begun = json!({"response": self.response});
        self.emit("response.created", &begun, out);
        self.emit("response.in_progress", &begun, out);
    }

    fn delta(&mut self, delta: ChatDelta, out: &mut Events) -> Result<(), Error> {
        let texts = [(Kind::Thought, delta.reasoning), (Kind::Said, delta.text), (Kind::Refused, delta.refusal)];
        let mut logprobs = delta.logprobs;
        for (kind, text) in texts {
            if !text.is_empty() {
                self.enter(kind, ToolCall::default(), out);
                let of_this = if kind == Kind::Said { std::mem::take(&mut logprobs) } else { Vec::new() };
                self.more(&text, of_this, out);
            }
        }
        delta.tool_calls.into_iter().try_for_each(|part| self.call(part, out))
    }

    fn done(&mut self, ending: Ending, out: &mut Events) {
        self.close(out);
        let response = self.response.clone().ended(&ending.output.finish_reason, &ending.reply);
        let kind = if response.status == "completed" { "response.completed" } else { "response.incomplete" };
        self.emit(kind, json!({"response": response}), out);
    }

    fn fail(&mut self, failure: &Failure, out: &mut Events) {
        let response = self.response.clone().failed(failure);
        self.emit("response.failed", json!({"response": response}), out);
    }
}
