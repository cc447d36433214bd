//! The contract of conversations beyond plain text, run against each kind whose dialect has words for them: what comes out
//! is the same whole and streamed.

use std::sync::Arc;

use futures::StreamExt as _;
use orrery_proto::v1::{
    ChatDelta, ChatInput, ChatMessage, ChatOutput, ContentPart, Media, ResponseFormat, Tool, ToolCall, ToolChoice,
    Usage, content_part, model_input, model_output,
};
use orrery_providers::{Piece, Provider};
use orrery_testkit::NatsServer;
use orrery_types::TenantId;

use crate::contract::{LONG, order};

/// What the model says, in a vendor's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Calls `look` as `call_a01` with `{"at":1}` and `wait` as `call_b02` with `{}`.
    CallsTools,
    /// `heads`, and `tails` cut off at the limit.
    TwoChoices,
    /// `yes` at -0.25, before `no` at -1.5.
    Probabilities,
    /// `42` after `let me see`; 10 tokens in, 4 of them cached, 6 out, 2 of them thought.
    Thoughts,
}

pub trait Speaks {
    fn provider(&self) -> Arc<dyn Provider>;
    fn says(&self, said: Said);
}

/// Plain and streamed alike, `says` is what the dialect has words for.
pub async fn suite(rig: &dyn Speaks, says: &[Said]) {
    for said in says {
        rig.says(*said);
        let provider = rig.provider();
        for (how, (chat, usage)) in [("whole", whole(&*provider).await), ("streamed", streamed(&*provider).await)] {
            check(*said, how, &chat, usage);
        }
    }
}

fn check(said: Said, how: &str, chat: &ChatOutput, usage: Usage) {
    match said {
        Said::CallsTools => {
            let call = |id: &str, name: &str, arguments: &str| ToolCall {
                id: id.into(),
                name: name.into(),
                arguments_json: arguments.into(),
            };
            assert_eq!(
                chat.tool_calls,
                [call("call_a01", "look", "{\"at\":1}"), call("call_b02", "wait", "{}")],
                "{how}"
            );
            assert_eq!((chat.text.as_str(), chat.finish_reason.as_str()), ("", "tool_calls"), "{how}");
        }
        Said::TwoChoices => {
            assert_eq!((chat.text.as_str(), chat.finish_reason.as_str()), ("heads", "stop"), "{how}");
            let other = &chat.others[0];
            assert_eq!((other.text.as_str(), other.finish_reason.as_str()), ("tails", "length"), "{how}");
        }
        Said::Probabilities => {
            let [token] = chat.logprobs.as_slice() else { panic!("{how}: {:?}", chat.logprobs) };
            assert_eq!(
                (token.token.as_str(), token.logprob, token.bytes.as_slice()),
                ("yes", -0.25, &b"yes"[..]),
                "{how}"
            );
            let top: Vec<_> = token.top.iter().map(|it| (it.token.as_str(), it.logprob)).collect();
            assert_eq!(top, [("yes", -0.25), ("no", -1.5)], "{how}");
        }
        Said::Thoughts => {
            assert_eq!((chat.text.as_str(), chat.reasoning.as_str()), ("42", "let me see"), "{how}");
            let counted = [usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens];
            assert_eq!(counted, [10, 4, 6, 2], "{how}");
        }
    }
}

async fn whole(provider: &dyn Provider) -> (ChatOutput, Usage) {
    let answer = provider.invoke(order(rich(), LONG)).await.unwrap();
    let Some(model_output::Kind::Chat(chat)) = answer.output.kind else { panic!("no chat") };
    (chat, answer.usage)
}

/// The whole that a stream ends with, after its deltas were seen to say the same.
async fn streamed(provider: &dyn Provider) -> (ChatOutput, Usage) {
    let mut pieces = provider.stream(order(rich(), LONG)).await.unwrap();
    let mut deltas: Vec<ChatDelta> = Vec::new();
    loop {
        match pieces.next().await.expect("a stream ends with Done or an error").unwrap() {
            Piece::Delta(delta) => deltas.push(*delta),
            Piece::Done(answer) => {
                let Some(model_output::Kind::Chat(chat)) = answer.output.kind else { panic!("no chat") };
                let of = |index| deltas.iter().filter(move |delta| delta.index == index);
                assert_eq!(of(0).map(|delta| delta.text.as_str()).collect::<String>(), chat.text);
                assert_eq!(of(0).map(|delta| delta.reasoning.as_str()).collect::<String>(), chat.reasoning);
                let ends = of(0).filter(|delta| !delta.finish_reason.is_empty()).count();
                assert_eq!(ends, 1, "a choice says once why it ended");
                return (chat, answer.usage);
            }
        }
    }
}

/// A conversation that uses a tool.
pub fn rich() -> model_input::Kind {
    let said = |role: &str, content: &str| ChatMessage {
        role: role.into(),
        content: content.into(),
        ..ChatMessage::default()
    };
    let call = ToolCall { id: "call_a01".into(), name: "look".into(), arguments_json: "{\"at\":1}".into() };
    let messages = vec![
        said("user", "what is there?"),
        ChatMessage { tool_calls: vec![call], ..said("assistant", "") },
        ChatMessage { tool_call_id: "call_a01".into(), ..said("tool", "a cat") },
    ];
    model_input::Kind::Chat(ChatInput {
        messages,
        max_tokens: 16,
        tools: vec![Tool {
            name: "look".into(),
            description: "looks".into(),
            parameters_json: "{\"type\":\"object\"}".into(),
            ..Tool::default()
        }],
        tool_choice: Some(ToolChoice { mode: "required".into(), name: String::new() }),
        response_format: Some(ResponseFormat {
            kind: "json_schema".into(),
            name: "animal".into(),
            schema_json: "{\"type\":\"object\"}".into(),
            strict: true,
        }),
        ..ChatInput::default()
    })
}

/// A message with a picture in the object store.
pub async fn with_picture(nats: &NatsServer, picture: &[u8]) -> model_input::Kind {
    let blobs = nats.connect("gateway").await.unwrap().blobs().await.unwrap();
    let blob = blobs.put(&TenantId::new("acme").unwrap(), picture, "image/png", "cat.png").await.unwrap();
    let parts = [
        content_part::Kind::Text("what is it?".into()),
        content_part::Kind::Image(Media { blob: Some(blob), detail: "low".into(), ..Media::default() }),
        content_part::Kind::Image(Media { url: "https://x.test/dog.png".into(), ..Media::default() }),
    ];
    let parts = parts.map(|kind| ContentPart { kind: Some(kind) }).to_vec();
    let message = ChatMessage { role: "user".into(), parts, ..ChatMessage::default() };
    model_input::Kind::Chat(ChatInput { messages: vec![message], ..ChatInput::default() })
}
