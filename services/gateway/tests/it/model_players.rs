//! The router as the gateway meets it: models that answer by rules which a test can foretell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orrery_bus::{Bus, CallContext, FrameSender, Server, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::*;
use orrery_types::TenantId;
use serde_json::json;

use crate::players::{LIMIT, Shared, identity};

/// The beginning of a PNG.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

pub fn router_server(bus: &Bus, seen: &Shared, cancelled: &Arc<AtomicBool>) -> Server {
    let (invoke, stream, budget, spend) = (seen.clone(), seen.clone(), seen.clone(), seen.clone());
    let cancelled = cancelled.clone();
    let blobs = bus.clone();
    Server::new(bus, "router", "1.0.0")
        .handle(verbs::router::MODELS, LIMIT, |_, _: ListModelsRequest| async move {
            let model = CatalogueModel {
                name: "smollm2".to_owned(),
                provider: "local".to_owned(),
                created: 1_730_419_200,
                ..Default::default()
            };
            Ok(ListModelsReply { models: vec![model] })
        })
        .handle(verbs::router::INVOKE, LIMIT, move |_, request: InvokeRequest| {
            let (seen, bus) = (invoke.clone(), blobs.clone());
            async move {
                seen.lock().invocations.push(request.clone());
                invoke_reply(&bus, request).await
            }
        })
        .handle_stream(
            verbs::router::STREAM,
            LIMIT,
            move |_: CallContext, request: InvokeRequest, frames: FrameSender<InvokeFrame>| {
                let (seen, cancelled) = (stream.clone(), LeftBehind(cancelled.clone()));
                async move {
                    seen.lock().invocations.push(request.clone());
                    stream_reply(&request, &frames).await?;
                    cancelled.forget();
                    Ok(())
                }
            },
        )
        .handle(verbs::router::SPEND, LIMIT, move |_, _: SpendRequest| {
            let limit_nanos = spend.lock().budget;
            async move { Ok(SpendReply { limit_nanos, currency: "EUR".to_owned(), ..SpendReply::default() }) }
        })
        .handle(verbs::router::STATS, LIMIT, move |_, _: ModelStatsRequest| async move {
            Ok(ModelStatsReply { models_json: r#"{"home":{"minute":{"error_ppm":7}}}"#.to_owned(), revision: 9 })
        })
        .handle(verbs::router::DECISION, LIMIT, move |_, request: ReplayDecisionRequest| async move {
            let decision_json = format!(r#"{{"id":"{}"}}"#, request.id);
            Ok(ReplayDecisionReply { decision_json, verified: true, outcome: "ok".to_owned(), ..Default::default() })
        })
        .handle(verbs::router::SET_BUDGET, LIMIT, move |_, request: SetBudgetRequest| {
            budget.lock().budget = request.limit_nanos;
            async move { Ok(SetBudgetReply {}) }
        })
}

/// Notices that a handler was dropped before it was done, which is how a caller that left ends it.
struct LeftBehind(Arc<AtomicBool>);

impl LeftBehind {
    fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for LeftBehind {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn chat_input(request: &InvokeRequest) -> ChatInput {
    match request.input.as_ref().and_then(|input| input.kind.as_ref()) {
        Some(model_input::Kind::Chat(chat)) => chat.clone(),
        _ => ChatInput::default(),
    }
}

fn last_said(chat: &ChatInput) -> String {
    chat.messages.last().map(|message| message.content.clone()).unwrap_or_default()
}

/// What a model answers: calls of tools for each city in a question, what tools said, JSON where it was asked for, what it sees
/// in files, and otherwise what it was told.
fn converse(chat: &ChatInput) -> ChatOutput {
    let said = last_said(chat);
    let output = |text: &str| ChatOutput {
        text: text.to_owned(),
        finish_reason: if chat.max_tokens == 1 { "length" } else { "stop" }.to_owned(),
        ..ChatOutput::default()
    };
    let mut answer = output(&format!("You said: {said}"));
    let mode = chat.tool_choice.as_ref().map_or("auto", |choice| choice.mode.as_str());
    let last = chat.messages.last().cloned().unwrap_or_default();
    if chat.raw {
        answer.text = format!("{said} and so on");
    } else if said == "refuse" {
        answer = ChatOutput { refusal: "I will not.".to_owned(), ..output("") };
    } else if last.role == "tool" {
        let results = chat.messages.iter().filter(|message| message.role == "tool");
        let told: Vec<_> = results.map(|m| format!("{}={}", m.tool_call_id, m.content)).collect();
        answer.text = format!("Tools said: {}", told.join(", "));
    } else if !last.parts.is_empty() {
        answer.text = last.parts.iter().map(describe).collect::<Vec<_>>().join("; ");
    } else if !chat.tools.is_empty() && mode != "none" {
        answer = ChatOutput { tool_calls: calls(chat, &said), ..output("") };
        answer.finish_reason = "tool_calls".to_owned();
    } else if let Some(format) = &chat.response_format {
        let text = if said == "break the schema" { "{\"city\": 7}" } else { "{\"city\": \"Oslo\", \"degrees\": 7}" };
        assert!(matches!(format.kind.as_str(), "json_schema" | "json_object"), "{format:?}");
        answer.text = text.to_owned();
    }
    if chat.reasoning_tokens_max > 0 || !matches!(chat.reasoning_effort.as_str(), "" | "none") {
        answer.reasoning = "Let me think.".to_owned();
        answer.reasoning_signature = "proof".to_owned();
    }
    if chat.logprobs {
        let token = |text: &str| TokenLogprob {
            token: text.to_owned(),
            logprob: -0.5,
            bytes: text.as_bytes().to_vec(),
            top: Vec::new(),
        };
        answer.logprobs = vec![TokenLogprob { top: vec![token("You"), token("I")], ..token("You") }];
    }
    answer.others = (1..chat.n).map(|index| output(&format!("Choice {index}"))).collect();
    answer
}

fn describe(part: &ContentPart) -> String {
    let of = |kind: &str, media: &Media| format!("{kind} {} {} {}", media.media_type, media.data.len(), media.name);
    match part.kind.as_ref().unwrap() {
        content_part::Kind::Text(text) => text.clone(),
        content_part::Kind::Image(media) => format!("{}{}", of("image", media), media.detail),
        content_part::Kind::Audio(media) => of("audio", media),
        content_part::Kind::Document(media) => of("document", media),
    }
}

fn calls(chat: &ChatInput, said: &str) -> Vec<ToolCall> {
    let forced = chat.tool_choice.as_ref().filter(|choice| choice.mode == "tool").map(|choice| choice.name.clone());
    let name = forced.clone().unwrap_or_else(|| chat.tools[0].name.clone());
    let cities = ["Oslo", "Rome"].into_iter().filter(|city| said.contains(city));
    cities
        .enumerate()
        .map(|(index, city)| {
            let arguments = if said.contains("wrongly") {
                json!({"city": 7})
            } else if forced.is_some() {
                json!({"city": city, "degrees": 7})
            } else {
                json!({"city": city})
            };
            ToolCall { id: format!("call_{index}"), name: name.clone(), arguments_json: arguments.to_string() }
        })
        .collect()
}

fn chat_reply(output: ChatOutput) -> InvokeReply {
    InvokeReply {
        output: Some(ModelOutput { kind: Some(model_output::Kind::Chat(output)) }),
        models: vec![identity("smollm2")],
        usage: Some(Usage {
            input_tokens: 5,
            output_tokens: 2,
            cached_input_tokens: 1,
            cost_nanos: 625,
            ..Usage::default()
        }),
        decision: Some(RouteDecision { id: "dec_1".to_owned(), ..RouteDecision::default() }),
        cache: "miss".to_owned(),
        ..InvokeReply::default()
    }
}

async fn stream_reply(request: &InvokeRequest, frames: &FrameSender<InvokeFrame>) -> Result<(), Error> {
    let chat = chat_input(request);
    let said = last_said(&chat);
    if request.model == "missing" {
        return Err(Error::new(ErrorCode::NoModel, "there is no model \"missing\""));
    }
    let send = |delta: ChatDelta| async move {
        frames.send(&InvokeFrame { kind: Some(invoke_frame::Kind::Delta(delta)) }).await
    };
    if said == "forever" {
        loop {
            send(ChatDelta { text: "on ".to_owned(), ..ChatDelta::default() }).await?;
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    let output = converse(&chat);
    let done = |reply: InvokeReply| async move {
        frames.send(&InvokeFrame { kind: Some(invoke_frame::Kind::Done(reply)) }).await
    };
    if said == "only at the end" {
        return done(InvokeReply { cache: "exact".to_owned(), ..chat_reply(output) }).await;
    }
    for delta in deltas(&output) {
        send(delta).await?;
        if said == "break" {
            return Err(Error::new(ErrorCode::ModelFailed, "the provider went away"));
        }
    }
    done(chat_reply(output)).await
}

/// An answer in small parts, as providers stream it.
fn deltas(output: &ChatOutput) -> Vec<ChatDelta> {
    let mut deltas = Vec::new();
    if !output.reasoning.is_empty() {
        deltas.push(ChatDelta { reasoning: output.reasoning.clone(), ..ChatDelta::default() });
        let reasoning_signature = output.reasoning_signature.clone();
        deltas.push(ChatDelta { reasoning_signature, ..ChatDelta::default() });
    }
    let texts = std::iter::once(&output.text).chain(output.others.iter().map(|other| &other.text));
    for (index, text) in (0..).zip(texts) {
        for (position, word) in text.split_inclusive(' ').enumerate() {
            let logprobs = if index == 0 && position == 0 { output.logprobs.clone() } else { Vec::new() };
            deltas.push(ChatDelta { index, text: word.to_owned(), logprobs, ..ChatDelta::default() });
        }
    }
    if !output.refusal.is_empty() {
        deltas.push(ChatDelta { refusal: output.refusal.clone(), ..ChatDelta::default() });
    }
    for (index, call) in (0..).zip(&output.tool_calls) {
        let part = |id: &str, name: &str, arguments: &str| ChatDelta {
            tool_calls: vec![ToolCallDelta {
                index,
                id: id.to_owned(),
                name: name.to_owned(),
                arguments: arguments.to_owned(),
            }],
            ..ChatDelta::default()
        };
        let (first, second) = call.arguments_json.split_at(call.arguments_json.len() / 2);
        deltas.extend([part(&call.id, &call.name, ""), part("", "", first), part("", "", second)]);
    }
    deltas
}

async fn invoke_reply(bus: &Bus, request: InvokeRequest) -> Result<InvokeReply, Error> {
    let kind = match request.input.clone().unwrap().kind.unwrap() {
        model_input::Kind::Chat(chat) if last_said(&chat) == "expensive" => {
            return Err(Error::new(ErrorCode::BudgetExceeded, "the budget of 2026-11 is used up"));
        }
        model_input::Kind::Chat(chat) => return Ok(chat_reply(converse(&chat))),
        model_input::Kind::Embed(embed) => {
            let dimensions = if embed.dimensions == 0 { 2 } else { embed.dimensions };
            let row = |text: &String| {
                let mut row = vec![0.5; dimensions as usize];
                row[0] = text.len() as f32;
                row
            };
            model_output::Kind::Embed(EmbedOutput { dimensions, values: embed.texts.iter().flat_map(row).collect() })
        }
        model_input::Kind::Read(read) if read.translate && request.model == "small" => {
            let why = "no model can do this: \"small\" does not translate speech";
            return Err(Error::new(ErrorCode::NoModel, format!("{why} ({})", read.prompt)));
        }
        model_input::Kind::Read(read) => {
            let bytes = fetch(bus, &request, &read.blob.unwrap()).await?;
            let audio = bytes.starts_with(b"RIFF");
            let first = if read.translate { "Hello," } else { "Hello" };
            let content = json!({
                "modality": if audio { "audio" } else { "text" }, "media_type": "audio/wav", "duration_ms": 2500,
                "segments": [{"text": first, "confidence": 0.9, "span_ms": [0, 1000]}, {"text": "there.", "confidence": 0.8, "span_ms": [1000, 2500]}],
            });
            model_output::Kind::ContentJson(content.to_string())
        }
        model_input::Kind::Rerank(rerank) => model_output::Kind::Rerank(ranked(&rerank)),
        model_input::Kind::Moderate(moderate) => {
            let judge = |text: &String| {
                let flagged = text.contains("hurt");
                Moderation {
                    flagged,
                    categories: [("violence".to_owned(), flagged)].into(),
                    scores: [("violence".to_owned(), if flagged { 0.9 } else { 0.1 })].into(),
                }
            };
            model_output::Kind::Moderate(ModerateOutput { results: moderate.texts.iter().map(judge).collect() })
        }
        model_input::Kind::Image(image) => {
            let mut seen = image.operation.clone();
            for blob in image.images.iter().chain(&image.mask) {
                let bytes = fetch(bus, &request, blob).await?;
                assert!(bytes.starts_with(PNG), "{bytes:?}");
                seen.push_str(&format!(" {}", bytes.len()));
            }
            let made = GeneratedImage {
                media_type: "image/png".to_owned(),
                data: PNG.to_vec(),
                revised_prompt: format!("{seen}: {}", image.prompt),
                ..GeneratedImage::default()
            };
            model_output::Kind::Image(ImageOutput { images: vec![made; image.n.max(1) as usize] })
        }
        _ => return Err(Error::new(ErrorCode::NoModel, "not played")),
    };
    let usage = Usage { input_tokens: 4, ..Usage::default() };
    Ok(InvokeReply {
        output: Some(ModelOutput { kind: Some(kind) }),
        models: vec![identity("other")],
        usage: Some(usage),
        decision: None,
        ..InvokeReply::default()
    })
}

/// The bytes come from the object store, as they do for the real reader.
async fn fetch(bus: &Bus, request: &InvokeRequest, blob: &BlobRef) -> Result<Vec<u8>, Error> {
    let tenant = TenantId::new(&request.caller.as_ref().unwrap().tenant).unwrap();
    bus.blobs().await?.get(&tenant, blob, 1 << 20).await
}

/// The longest document first.
fn ranked(rerank: &RerankInput) -> RerankOutput {
    let mut order: Vec<u32> = (0..rerank.documents.len() as u32).collect();
    order.sort_by_key(|index| std::cmp::Reverse(rerank.documents[*index as usize].len()));
    let results = order.into_iter().enumerate();
    RerankOutput { results: results.map(|(place, index)| Ranked { index, score: 1.0 / (1 + place) as f32 }).collect() }
}
