//! Streamed calls: pieces as they come, a caller that leaves, a provider that breaks off.

use std::time::Duration;

use futures::StreamExt as _;
use orrery_bus::{CallContext, ReplyStream, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{InvokeFrame, InvokeReply, InvokeRequest, invoke_frame, model_output};
use orrery_testkit::eventually;

use crate::system::{System, catalogue, chat};
use orrery_standins::inference::Behaviour;
use orrery_standins::openai::{OpenaiServer, Script, delta, event};

pub async fn open(system: &System, request: &InvokeRequest, key: Option<&str>) -> ReplyStream<InvokeFrame> {
    let context = CallContext::within(Duration::from_secs(20));
    let context = match key {
        Some(key) => context.with_key(key),
        None => context,
    };
    system.bus.call_stream(verbs::router::STREAM, &context, request).await.unwrap()
}

pub async fn collect(mut frames: ReplyStream<InvokeFrame>) -> (Vec<String>, Result<InvokeReply, Error>) {
    let mut deltas = Vec::new();
    loop {
        match frames.next().await.expect("a stream ends with done or an error").map(|frame| frame.kind) {
            // The last delta of a choice may tell only why it ended.
            Ok(Some(invoke_frame::Kind::Delta(delta))) if delta.text.is_empty() => {}
            Ok(Some(invoke_frame::Kind::Delta(delta))) => deltas.push(delta.text),
            Ok(Some(invoke_frame::Kind::Done(reply))) => return (deltas, Ok(reply)),
            Ok(None) => panic!("an empty frame"),
            Err(error) => return (deltas, Err(error)),
        }
    }
}

#[tokio::test]
async fn pieces_pass_in_order_and_the_call_is_paid_and_kept() {
    let system = System::start(&catalogue(None)).await;
    let (deltas, reply) = collect(open(&system, &chat("by-token", "hello"), Some("s")).await).await;
    assert_eq!(deltas, ["four ", "words ", "of ", "text"]);
    let reply = reply.unwrap();
    assert_eq!(reply.usage.unwrap().cost_nanos, 4_000);
    assert_eq!(reply.decision.as_ref().unwrap().chosen, "by-token");

    let (deltas, again) = collect(open(&system, &chat("by-token", "hello"), Some("s")).await).await;
    assert_eq!(deltas, ["four words of text"]);
    assert_eq!(again.unwrap(), reply);
    assert_eq!(system.model.calls(), 1);
}

#[tokio::test]
async fn a_caller_that_leaves_ends_the_stream_and_pays_for_what_came() {
    let system = System::start(&catalogue(None)).await;
    system.set_budget(150_000, "closed").await.unwrap();
    system.model.becomes(Behaviour::Babbles);
    let mut frames = open(&system, &chat("by-token", "hello"), None).await;
    for _ in 0..3 {
        frames.next().await.unwrap().unwrap();
    }
    drop(frames);
    let told = eventually(|| async { (system.model.abandoned() == 1).then_some(()) }).await;
    assert!(told.is_some(), "the model went on for nobody");
    let (_, facts) = system.audited(1).await.remove(0);
    assert_eq!(facts.outcome, "cancelled");
    assert!((3_000..=100_000).contains(&facts.cost_nanos), "{}", facts.cost_nanos);
    system.spent(facts.cost_nanos).await;
}

#[tokio::test]
async fn before_the_first_piece_there_is_a_way_back_and_after_it_none() {
    let cloud = OpenaiServer::start(Script::Refuses(503, vec![], String::new())).await;
    let system = System::start(&catalogue(Some(&cloud))).await;
    let (deltas, reply) = collect(open(&system, &chat("drafts", "hello"), None).await).await;
    assert_eq!(deltas.concat(), "four words of text");
    assert_eq!(reply.unwrap().decision.unwrap().chosen, "home");

    cloud.becomes(Script::Streams(vec![event(&delta("half "))]));
    let calls = system.model.calls();
    let (deltas, broken) = collect(open(&system, &chat("drafts", "hello"), None).await).await;
    assert_eq!(deltas, ["half "]);
    assert_eq!(broken.unwrap_err().code, ErrorCode::ModelFailed);
    assert_eq!(system.model.calls(), calls, "half an answer was continued by another model");
}

#[tokio::test]
async fn an_external_stream_passes_through() {
    let cloud = OpenaiServer::start(Script::Says("out of the blue")).await;
    let system = System::start(&catalogue(Some(&cloud))).await;
    let (deltas, reply) = collect(open(&system, &chat("cloud-chat", "hello"), None).await).await;
    assert_eq!(deltas, ["out ", "of ", "the ", "blue"]);
    let reply = reply.unwrap();
    let Some(model_output::Kind::Chat(output)) = reply.output.unwrap().kind else { panic!("no chat") };
    assert_eq!((output.text.as_str(), output.finish_reason.as_str()), ("out of the blue", "stop"));
    assert_eq!((reply.models[0].provider.as_str(), reply.models[0].version.as_str()), ("cloud", "m-2026"));
}

#[tokio::test]
async fn only_chat_is_streamed() {
    use orrery_proto::v1::{EmbedInput, ModelInput, model_input};
    let system = System::start(&catalogue(None)).await;
    let input = ModelInput {
        kind: Some(model_input::Kind::Embed(EmbedInput { texts: vec!["a".into()], ..EmbedInput::default() })),
    };
    let request = InvokeRequest { input: Some(input), ..chat("auto", "") };
    let (_, refused) = collect(open(&system, &request, None).await).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::InvalidRequest);
}
