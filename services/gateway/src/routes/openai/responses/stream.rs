//! A response in events, exactly as OpenAI streams it: it is created, each item and each of its parts is added, goes on and is
//! done, and the end holds the whole. Events are numbered. Items come one after the other.

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{ChatDelta, TokenLogprob, ToolCall, ToolCallDelta};
use serde::Serialize;
use serde_json::{Value, json};

use super::super::chat::logprob_content;
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
        if let Some(part) = open.part(String::new(), Vec::new()) {
            let added = json!({"item_id": open.id, "output_index": output_index, "content_index": 0, "part": part});
            self.emit("response.content_part.added", added, out);
        }
        self.open = Some(open);
    }

    fn more(&mut self, text: &str, logprobs: Vec<TokenLogprob>, out: &mut Events) {
        let output_index = self.response.output.len();
        let Some(open) = self.open.as_mut() else { return };
        open.text.push_str(text);
        let mut data = json!({"item_id": open.id, "output_index": output_index, "delta": text});
        if !matches!(open.kind, Kind::Called(_)) {
            data["content_index"] = json!(0);
        }
        if open.kind == Kind::Said {
            open.logprobs.extend(logprobs.iter().cloned());
            data["logprobs"] = json!(logprob_content(logprobs));
        }
        let kind = match open.kind {
            Kind::Thought => "response.reasoning_text.delta",
            Kind::Said => "response.output_text.delta",
            Kind::Refused => "response.refusal.delta",
            Kind::Called(_) => "response.function_call_arguments.delta",
        };
        self.emit(kind, data, out);
    }

    fn close(&mut self, out: &mut Events) {
        let Some(open) = self.open.take() else { return };
        let (output_index, item_id) = (self.response.output.len(), open.id.clone());
        let place = json!({"item_id": item_id, "output_index": output_index, "content_index": 0});
        let whole = |key: &str| {
            let mut data = place.clone();
            data[key] = Value::from(open.text.as_str());
            data
        };
        match open.kind {
            Kind::Thought => self.emit("response.reasoning_text.done", whole("text"), out),
            Kind::Refused => self.emit("response.refusal.done", whole("refusal"), out),
            Kind::Said => {
                let mut data = whole("text");
                data["logprobs"] = json!(logprob_content(open.logprobs.clone()));
                self.emit("response.output_text.done", data, out);
            }
            Kind::Called(_) => {
                let data = json!({
                    "item_id": item_id, "output_index": output_index, "name": open.call.name, "arguments": open.text,
                });
                self.emit("response.function_call_arguments.done", data, out);
            }
        }
        if let Some(part) = open.part(open.text.clone(), open.logprobs.clone()) {
            let mut data = place;
            data["part"] = json!(part);
            self.emit("response.content_part.done", data, out);
        }
        let item = open.whole();
        self.emit("response.output_item.done", json!({"output_index": output_index, "item": item}), out);
        self.response.output.push(item);
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

    fn whole(self) -> Item {
        let part = self.part(self.text.clone(), self.logprobs.clone());
        match (self.kind, part) {
            (Kind::Said | Kind::Refused, Some(part)) => Item::message(self.id, part),
            (Kind::Thought, _) => Item::reasoning(self.id, self.text),
            (_, _) => Item::call(self.id, ToolCall { arguments_json: self.text, ..self.call }),
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
