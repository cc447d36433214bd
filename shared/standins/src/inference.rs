//! A service that answers inference's calls on the real bus, with a model that a test can steer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orrery_bus::{Bus, FrameSender, RunningServer, Server, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    ChatDelta, ChatOutput, EmbedOutput, InferenceFrame, InferenceReply, InferenceRequest, ModelIdentity, ModelOutput,
    Usage, inference_frame, model_input, model_output,
};
use tokio::sync::Notify;

/// How the model behaves.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Answers with this text, in pieces of one word where it streams.
    Says(&'static str),
    /// Fails at once.
    Fails(Error),
    /// Streams these pieces and fails then.
    BreaksOff(Vec<&'static str>),
    /// Never answers.
    Hangs,
    /// Streams words for ever.
    Babbles,
}

#[derive(Debug)]
pub struct Model {
    pub behaviour: parking_lot::Mutex<Behaviour>,
    pub calls: AtomicUsize,
    /// Calls whose caller left before the answer.
    pub abandoned: Arc<AtomicUsize>,
    /// An answer waits for this, where a test wants to be in between.
    pub gate: parking_lot::Mutex<Option<Arc<Notify>>>,
    pub seen: parking_lot::Mutex<Vec<InferenceRequest>>,
}

/// Counts a call that was dropped before its end.
struct Watch(Option<Arc<AtomicUsize>>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(abandoned) = &self.0 {
            abandoned.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Model {
    pub fn new(behaviour: Behaviour) -> Arc<Self> {
        Arc::new(Self {
            behaviour: parking_lot::Mutex::new(behaviour),
            calls: AtomicUsize::default(),
            abandoned: Arc::default(),
            gate: parking_lot::Mutex::default(),
            seen: parking_lot::Mutex::default(),
        })
    }

    pub fn becomes(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn abandoned(&self) -> usize {
        self.abandoned.load(Ordering::SeqCst)
    }

    pub async fn serve(self: &Arc<Self>, bus: &Bus) -> RunningServer {
        let (plain, streamed) = (self.clone(), self.clone());
        Server::new(bus, "inference", "0.0.0")
            .handle(verbs::inference::INVOKE, 256, move |_, request| {
                let model = plain.clone();
                async move { model.invoke(request).await }
            })
            .handle_stream(verbs::inference::STREAM, 256, move |_, request, frames| {
                let model = streamed.clone();
                async move { model.stream(request, frames).await }
            })
            .start()
            .await
            .unwrap()
    }

    async fn enter(&self, request: &InferenceRequest) -> (Behaviour, Watch) {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.seen.lock().push(request.clone());
        let watch = Watch(Some(self.abandoned.clone()));
        let gate = self.gate.lock().clone();
        if let Some(gate) = gate {
            gate.notified().await;
        }
        (self.behaviour.lock().clone(), watch)
    }

    async fn invoke(&self, request: InferenceRequest) -> Result<InferenceReply, Error> {
        let (behaviour, mut watch) = self.enter(&request).await;
        let answer = match behaviour {
            Behaviour::Says(text) => Ok(reply(&request, text)),
            Behaviour::Fails(error) => Err(error),
            Behaviour::BreaksOff(_) => Err(Error::new(ErrorCode::ModelFailed, "the model broke off")),
            Behaviour::Hangs | Behaviour::Babbles => std::future::pending().await,
        };
        watch.0 = None;
        answer
    }

    async fn stream(&self, request: InferenceRequest, frames: FrameSender<InferenceFrame>) -> Result<(), Error> {
        let (behaviour, mut watch) = self.enter(&request).await;
        let delta = |text: &str| InferenceFrame {
            kind: Some(inference_frame::Kind::Delta(ChatDelta { text: text.into(), ..ChatDelta::default() })),
        };
        let ended = match behaviour {
            Behaviour::Says(text) => {
                for word in text.split_inclusive(' ') {
                    frames.send(&delta(word)).await?;
                }
                frames.send(&InferenceFrame { kind: Some(inference_frame::Kind::Done(reply(&request, text))) }).await
            }
            Behaviour::Fails(error) => Err(error),
            Behaviour::BreaksOff(pieces) => {
                for piece in pieces {
                    frames.send(&delta(piece)).await?;
                }
                Err(Error::new(ErrorCode::ModelFailed, "the model broke off"))
            }
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Babbles => loop {
                frames.send(&delta("word ")).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            },
        };
        watch.0 = None;
        ended
    }
}

fn reply(request: &InferenceRequest, text: &str) -> InferenceReply {
    let words = u64::try_from(text.split_whitespace().count()).unwrap();
    let (output, output_tokens) = match request.input.as_ref().and_then(|input| input.kind.as_ref()) {
        Some(model_input::Kind::Embed(embed)) => {
            let values = embed.texts.iter().flat_map(|_| [0.6, 0.8]).collect();
            (model_output::Kind::Embed(EmbedOutput { dimensions: 2, values }), 0)
        }
        _ => (
            model_output::Kind::Chat(ChatOutput {
                text: text.into(),
                finish_reason: "stop".into(),
                ..ChatOutput::default()
            }),
            words,
        ),
    };
    let identity = ModelIdentity {
        name: request.model.clone(),
        version: "1.0.0".into(),
        digest: format!("sha256:{}", "ab".repeat(32)),
        provider: "local".into(),
    };
    InferenceReply {
        output: Some(ModelOutput { kind: Some(output) }),
        models: vec![identity],
        usage: Some(Usage { input_tokens: 3, output_tokens, ..Usage::default() }),
        queue_ms: 0,
    }
}
