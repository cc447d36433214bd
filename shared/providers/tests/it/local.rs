//! The local provider, over the real bus.

use std::sync::Arc;

use orrery_errors::{Error, ErrorCode};
use orrery_providers::{Local, Provider};
use orrery_standins::inference::{Behaviour, Model};
use orrery_testkit::NatsServer;

use crate::contract::{Does, Rig, suite};

struct LocalRig {
    provider: Arc<Local>,
    model: Arc<Model>,
}

impl Rig for LocalRig {
    fn provider(&self) -> Arc<dyn Provider> {
        self.provider.clone()
    }

    fn model(&self, does: Does) {
        let fails = |code| Behaviour::Fails(Error::new(code, "as told"));
        self.model.becomes(match does {
            Does::Says(text) => Behaviour::Says(text),
            Does::BreaksOff => Behaviour::BreaksOff(vec!["half "]),
            Does::IsOverloaded => fails(ErrorCode::Overloaded),
            Does::AsksToWait(wait) => Behaviour::Fails(Error::new(ErrorCode::RateLimited, "wait").retry_after(wait)),
            Does::RefusesTheRequest => fails(ErrorCode::InvalidRequest),
            Does::Hangs => Behaviour::Hangs,
            Does::Babbles => Behaviour::Babbles,
        });
    }

    fn abandoned(&self) -> usize {
        self.model.abandoned()
    }
}

#[tokio::test]
async fn local_keeps_the_contract() {
    let nats = NatsServer::start().await.unwrap();
    let model = Model::new(Behaviour::Hangs);
    let _serving = model.serve(&nats.connect("inference").await.unwrap()).await;
    let provider = Arc::new(Local::new(nats.connect("router").await.unwrap()));
    suite(&LocalRig { provider, model: model.clone() }).await;
    assert!(model.seen.lock().iter().all(|request| request.model == "m-upstream"));
}
