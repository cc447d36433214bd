//! A router that keeps results by key as the real one does, runs no model, and counts how often one would have run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use orrery_bus::{Bus, RunningServer, Server, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::model_output::Kind;
use orrery_proto::v1::{ChatOutput, InvokeReply, InvokeRequest, ModelIdentity, ModelOutput, RouteDecision};

#[derive(Default)]
pub struct Calls {
    /// How often a model ran to its end, by key.
    pub runs: HashMap<String, u32>,
    /// How often a call came in, by key.
    pub asked: HashMap<String, u32>,
    results: HashMap<String, InvokeReply>,
    /// How long a model takes.
    pub delay: Duration,
    /// Codes with which the next calls fail.
    pub failures: Vec<ErrorCode>,
}

#[derive(Clone, Default)]
pub struct Router(pub Arc<Mutex<Calls>>);

impl Router {
    pub async fn serve(&self, bus: &Bus) -> RunningServer {
        let router = self.clone();
        let invoke = move |context: orrery_bus::CallContext, request: InvokeRequest| {
            let router = router.clone();
            async move { router.invoke(context.idempotency_key.expect("a key"), request).await }
        };
        Server::new(bus, "router", "0.0.0").handle(verbs::router::INVOKE, 64, invoke).start().await.unwrap()
    }

    pub fn set_delay(&self, delay: Duration) {
        self.0.lock().unwrap().delay = delay;
    }

    pub fn runs(&self) -> HashMap<String, u32> {
        self.0.lock().unwrap().runs.clone()
    }

    pub fn asked(&self) -> u32 {
        self.0.lock().unwrap().asked.values().sum()
    }

    async fn invoke(&self, key: String, request: InvokeRequest) -> Result<InvokeReply, Error> {
        let delay = {
            let mut calls = self.0.lock().unwrap();
            *calls.asked.entry(key.clone()).or_default() += 1;
            if let Some(code) = calls.failures.pop() {
                return Err(Error::new(code, "as the test wants it"));
            }
            if let Some(reply) = calls.results.get(&key) {
                return Ok(reply.clone());
            }
            calls.delay
        };
        // As in the real router, the work is not abandoned with its caller once it has a key.
        let router = self.clone();
        let working = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let mut calls = router.0.lock().unwrap();
            if let Some(reply) = calls.results.get(&key) {
                return reply.clone();
            }
            *calls.runs.entry(key.clone()).or_default() += 1;
            let reply = reply(&request);
            calls.results.insert(key, reply.clone());
            reply
        });
        Ok(working.await.unwrap())
    }
}

fn reply(request: &InvokeRequest) -> InvokeReply {
    let text = format!("answer to {}", request.step);
    let chat = ChatOutput { text, finish_reason: "stop".into(), ..ChatOutput::default() };
    InvokeReply {
        output: Some(ModelOutput { kind: Some(Kind::Chat(chat)) }),
        models: vec![ModelIdentity { name: "test".into(), version: "1".into(), ..ModelIdentity::default() }],
        decision: Some(RouteDecision {
            id: format!("dec{}", request.step.replace('/', "-")),
            ..RouteDecision::default()
        }),
        ..InvokeReply::default()
    }
}
