//! What holds for every kind that speaks HTTP, beside the contract: the suite's rig over a vendor's server, and the ways in
//! which streams and refusals go wrong.

use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    ChatInput, ChatMessage, ChatOutput, ContentPart, Media, ResponseFormat, Tool, ToolCall, content_part, model_input,
    model_output,
};
use orrery_providers::{Answer, Provider};
use orrery_standins::http::{Script, Server, Vendor};
use serde_json::Value;

use crate::contract::{Does, KEY, LONG, Rig, collect_of, failure_of, made, order};

/// How one vendor refuses.
pub struct Faults {
    pub overloaded: fn() -> Script,
    pub wait: fn(Duration) -> Script,
    pub refused: fn() -> Script,
    /// An error's body with this message.
    pub body: fn(&str) -> Value,
}

pub struct VendorRig {
    pub provider: Arc<dyn Provider>,
    pub server: Server,
    pub faults: Faults,
    pub chat: fn() -> ChatInput,
}

impl Rig for VendorRig {
    fn provider(&self) -> Arc<dyn Provider> {
        self.provider.clone()
    }

    fn chat(&self) -> model_input::Kind {
        model_input::Kind::Chat((self.chat)())
    }

    fn model(&self, does: Does) {
        self.server.becomes(match does {
            Does::Says(text) => Script::Says(text),
            Does::BreaksOff => Script::Breaks(vec![self.half()]),
            Does::IsOverloaded => (self.faults.overloaded)(),
            Does::AsksToWait(wait) => (self.faults.wait)(wait),
            Does::RefusesTheRequest => (self.faults.refused)(),
            Does::Hangs => Script::Hangs,
            Does::Babbles => Script::Babbles,
        });
    }

    fn abandoned(&self) -> usize {
        self.server.abandoned()
    }
}

impl VendorRig {
    /// A provider of a kind over its vendor's server.
    pub async fn start(
        vendor: Vendor,
        kind: &str,
        options: &[(&str, &str)],
        faults: Faults,
        chat: fn() -> ChatInput,
    ) -> Self {
        let server = Server::start(vendor, Script::Hangs).await;
        let provider = made(kind, Some(&server.base_url), options).await.unwrap();
        Self { provider, server, faults, chat }
    }

    /// How a stream begins.
    fn half(&self) -> Vec<u8> {
        [(self.server.vendor.opens)(), (self.server.vendor.word)("half ")].concat()
    }

    /// The answer to a conversation, and the request that it took.
    pub async fn asked(&self, input: ChatInput) -> Result<Answer, Error> {
        self.provider.invoke(order(model_input::Kind::Chat(input), LONG)).await
    }

    /// The deltas' texts and the end of a streamed answer.
    pub async fn streamed(&self, input: ChatInput) -> (Vec<String>, Result<Answer, Error>) {
        collect_of(&*self.provider, order(model_input::Kind::Chat(input), LONG)).await
    }

    /// The body of the last request.
    pub fn last_body(&self) -> Value {
        self.server.requests().last().unwrap().body.clone()
    }

    /// An answer that the server gives as it stands here, with these headers.
    pub async fn answered(&self, input: ChatInput, body: &Value) -> Answer {
        self.server.becomes(Script::Answers(200, vec![], body.to_string()));
        self.asked(input).await.unwrap()
    }

    /// What a stream of these bytes comes to.
    pub async fn stream_of(&self, input: ChatInput, body: Vec<u8>) -> (Vec<String>, Result<Answer, Error>) {
        self.server.becomes(Script::Ends(vec![], vec![body]));
        self.streamed(input).await
    }

    /// A stream reads the same however it is cut, in the middle of characters too.
    pub async fn survives_any_cut(&self, body: &[u8], expected: &[&str]) {
        for size in [1, 2, 3, 7, 64, body.len()] {
            self.server.becomes(Script::Ends(vec![], body.chunks(size).map(<[u8]>::to_vec).collect()));
            let (deltas, last) = self.streamed((self.chat)()).await;
            assert_eq!(deltas, expected, "cut every {size} bytes");
            assert!(last.is_ok(), "cut every {size} bytes: {last:?}");
        }
    }

    /// A stream that goes on with what no stream holds is an error, and keeps what was said before.
    pub async fn breaks_at(&self, what: &str, tail: Vec<u8>, code: ErrorCode) -> Error {
        for script in [Script::Breaks(vec![self.half(), tail.clone()]), Script::Ends(vec![], vec![self.half(), tail])] {
            self.server.becomes(script);
            let (deltas, last) = self.streamed((self.chat)()).await;
            assert_eq!(deltas, ["half "], "{what}");
            let error = last.unwrap_err();
            assert_eq!(error.code, code, "{what}: {error}");
            assert!(!error.to_string().contains(KEY));
        }
        let (_, last) = self.streamed((self.chat)()).await;
        last.unwrap_err()
    }

    /// What every stream of server-sent events can do wrong.
    pub async fn breaks_as_events_do(&self) {
        let cut_in_a_character = (self.server.vendor.word)("🦀🦀🦀");
        let at = cut_in_a_character.windows(4).position(|bytes| bytes == "🦀".as_bytes()).unwrap() + 2;
        let endless = [b"data: ".to_vec(), vec![b'x'; (1 << 20) + 64]].concat();
        let table = [
            ("no JSON", b"data: {not json}\n\n".to_vec()),
            ("wrong JSON", b"data: [1]\n\n".to_vec()),
            ("not UTF-8", b"data: \xff\xfe\n\n".to_vec()),
            ("an endless event", endless),
        ];
        for (what, tail) in table {
            self.breaks_at(what, tail, ErrorCode::ModelFailed).await;
        }
        self.breaks_off_at(cut_in_a_character[..at].to_vec()).await;
        self.breaks_off_at(b"<html>oops</html>\n\n".to_vec()).await;
    }

    /// A connection that breaks here makes an error of the answer.
    pub async fn breaks_off_at(&self, tail: Vec<u8>) {
        self.server.becomes(Script::Breaks(vec![self.half(), tail]));
        let (deltas, last) = self.streamed((self.chat)()).await;
        assert_eq!(deltas, ["half "]);
        assert_eq!(last.unwrap_err().code, ErrorCode::ModelFailed);
    }

    /// Statuses mean the same with every vendor, and what servers say of keys stays with us.
    pub async fn refusals_are_typed_and_keep_secrets(&self) {
        let told = (self.faults.body)("as told").to_string();
        let key = (self.faults.body)(&format!("wrong key {KEY}")).to_string();
        let table = [
            (401, key.clone(), ErrorCode::FailedPrecondition),
            (403, key, ErrorCode::FailedPrecondition),
            (404, told.clone(), ErrorCode::FailedPrecondition),
            (400, told.clone(), ErrorCode::InvalidRequest),
            (413, told.clone(), ErrorCode::PayloadTooLarge),
            (500, "<html>Internal Server Error</html>".to_owned(), ErrorCode::ModelFailed),
            (503, told.clone(), ErrorCode::Overloaded),
            (529, told, ErrorCode::Overloaded),
            (302, String::new(), ErrorCode::ModelFailed),
            (200, "<html>hello</html>".to_owned(), ErrorCode::ModelFailed),
            (200, "[1]".to_owned(), ErrorCode::ModelFailed),
            (200, "{}".to_owned(), ErrorCode::ModelFailed),
        ];
        for (status, body, code) in table {
            self.server.becomes(Script::Answers(status, vec![], body.clone()));
            let error = failure_of(&*self.provider, order(self.chat(), LONG)).await;
            assert_eq!(error.code, code, "{status} {body}: {error}");
            if body.contains("as told") && code != ErrorCode::FailedPrecondition {
                assert!(error.to_string().contains("as told"), "{error}");
            }
        }
        assert!(!format!("{:?}", self.provider).contains(KEY));
    }

    /// Each of these is refused by a name that stands in the error, and no request is made.
    pub async fn refuses_by_name(&self, cases: Vec<(&str, ChatInput)>) {
        let before = self.server.requests().len();
        for (name, input) in cases {
            let error = self.asked(input).await.unwrap_err();
            assert!(error.to_string().contains(name), "{name}: {error}");
            assert!(!error.code.retryable(), "{name}");
        }
        assert_eq!(self.server.requests().len(), before);
    }
}

pub fn message(role: &str, content: &str) -> ChatMessage {
    ChatMessage { role: role.into(), content: content.into(), ..ChatMessage::default() }
}

pub fn text_part(text: &str) -> ContentPart {
    ContentPart { kind: Some(content_part::Kind::Text(text.into())) }
}

pub fn image_part() -> ContentPart {
    let media = Media { media_type: "image/png".into(), data: vec![1, 2, 3], ..Media::default() };
    ContentPart { kind: Some(content_part::Kind::Image(media)) }
}

pub fn document_part(media_type: &str, data: &[u8]) -> ContentPart {
    let media = Media { media_type: media_type.into(), data: data.to_vec(), name: "a.pdf".into(), ..Media::default() };
    ContentPart { kind: Some(content_part::Kind::Document(media)) }
}

/// An image that stands somewhere else.
pub fn linked_image() -> ChatInput {
    let media = Media { url: "https://example.org/a.png".into(), media_type: "image/png".into(), ..Media::default() };
    let parts = vec![ContentPart { kind: Some(content_part::Kind::Image(media)) }];
    ChatInput { messages: vec![ChatMessage { parts, ..message("user", "") }], ..plain() }
}

/// One question with a limit, which every kind can say.
pub fn plain() -> ChatInput {
    ChatInput { messages: vec![message("user", "hello")], max_tokens: 4096, ..ChatInput::default() }
}

pub fn tool() -> Tool {
    let schema = r#"{"type":"object","properties":{"city":{"type":"string"}}}"#;
    Tool { name: "weather".into(), description: "of a city".into(), parameters_json: schema.into(), strict: false }
}

/// An image is asked about, a tool is called, and its result is there.
pub fn with_tools() -> ChatInput {
    let call = ToolCall { id: "call_1".into(), name: "weather".into(), arguments_json: r#"{"city":"Köln"}"#.into() };
    ChatInput {
        messages: vec![
            message("system", "be brief"),
            ChatMessage { parts: vec![text_part("here?"), image_part()], ..message("user", "") },
            ChatMessage { tool_calls: vec![call], ..message("assistant", "") },
            ChatMessage { tool_call_id: "call_1".into(), ..message("tool", "rain") },
        ],
        tools: vec![tool()],
        ..plain()
    }
}

pub const SCHEMA: &str = r#"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#;

/// An answer in a format.
pub fn with_format(kind: &str) -> ChatInput {
    let format = ResponseFormat { kind: kind.into(), name: "out".into(), schema_json: SCHEMA.into(), strict: true };
    ChatInput { response_format: Some(format), ..plain() }
}

/// The conversation's answer.
pub fn said(answer: &Answer) -> &ChatOutput {
    match answer.output.kind.as_ref() {
        Some(model_output::Kind::Chat(chat)) => chat,
        other => panic!("expected a chat, got {other:?}"),
    }
}

/// The calls of an answer: id, name, arguments.
pub fn calls(answer: &Answer) -> Vec<(&str, &str, Value)> {
    said(answer)
        .tool_calls
        .iter()
        .map(|call| (call.id.as_str(), call.name.as_str(), serde_json::from_str(&call.arguments_json).unwrap()))
        .collect()
}
