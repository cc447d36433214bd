//! The inference service, over the bus.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use orrery_bus::{Bus, CallContext, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{InferenceReply, InferenceRequest, inference_frame};
use orrery_routing::catalogue::{Location, Provider as Entry};

use crate::{Answer, Order, Piece, Pieces, Provider, Setup, SetupError};

/// Models on our own machines.
#[derive(Debug)]
pub struct Local {
    bus: Bus,
}

impl Local {
    /// Over this connection.
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    pub(crate) fn make(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
        if entry.location != Location::Local || entry.base_url.is_some() || entry.api_key.is_some() {
            let reason = "kind \"local\" has location \"local\", no base_url and no api_key";
            return Err(SetupError::entry(entry, reason));
        }
        Ok(Arc::new(Self::new(setup.bus.clone())))
    }
}

#[async_trait]
impl Provider for Local {
    async fn invoke(&self, order: Order) -> Result<Answer, Error> {
        let context = CallContext::until(order.deadline);
        let reply = self.bus.call(verbs::inference::INVOKE, &context, &request(order)).await?;
        answer(reply)
    }

    async fn stream(&self, order: Order) -> Result<Pieces, Error> {
        let context = CallContext::until(order.deadline);
        let frames = self.bus.call_stream(verbs::inference::STREAM, &context, &request(order)).await?;
        let pieces = frames.filter_map(|frame| async move {
            match frame.map(|frame| frame.kind) {
                Ok(Some(inference_frame::Kind::Delta(delta))) => Some(Ok(Piece::Delta(Box::new(delta)))),
                Ok(Some(inference_frame::Kind::Done(reply))) => {
                    Some(answer(reply).map(|done| Piece::Done(Box::new(done))))
                }
                Ok(None) => None,
                Err(error) => Some(Err(error)),
            }
        });
        Ok(pieces.boxed())
    }
}

fn request(order: Order) -> InferenceRequest {
    InferenceRequest { model: order.upstream, version: String::new(), input: Some(order.input), priority: 0 }
}

fn answer(reply: InferenceReply) -> Result<Answer, Error> {
    let InferenceReply { output, models, usage, queue_ms: _ } = reply;
    match output {
        Some(output) => Ok(Answer { output, models, usage: usage.unwrap_or_default(), quota: None }),
        None => Err(Error::new(ErrorCode::ModelFailed, "inference answered without an output")),
    }
}
