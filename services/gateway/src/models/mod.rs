//! Every call to a model goes through here, whatever dialect it came in. It owns the way to the models and what all dialects
//! share of a call and its answer; it must never know a dialect.

mod collect;
mod heads;
mod media;
mod structured;
mod tokens;

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use orrery_bus::{Bus, CallContext, verbs};
use orrery_dataplane::{DataPlane, Follower, accept};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{
    CatalogueModel, ChatOutput, InvokeFrame, InvokeReply, InvokeRequest, ListModelsRequest, model_output,
};

pub use collect::Collected;
pub use heads::{Terms, Whole, invocation, told};
pub use media::{MediaRules, file_name, from_base64};
pub use structured::{Places, Promise};
pub use tokens::{count, decode};

use crate::http::{Call, Failure};

/// A streamed answer, frame by frame. Dropping it stops the model.
pub type ModelStream = BoxStream<'static, Result<InvokeFrame, Error>>;

/// The way to the models.
///
/// Calls are made in this process by the router's snapshot; by the router while there is none that can be used here, and
/// those with an idempotency key, whose replies it keeps.
#[derive(Debug, Clone)]
pub struct Models {
    bus: Bus,
    follower: Arc<Follower>,
}

impl Models {
    /// By the snapshots that are followed.
    pub fn new(bus: Bus, follower: Arc<Follower>) -> Self {
        Self { bus, follower }
    }

    fn plane(&self, context: &CallContext) -> Option<Arc<DataPlane>> {
        self.follower.plane().filter(|_| context.idempotency_key.is_none())
    }

    /// One call with a whole answer.
    pub async fn invoke(&self, call: &Call, request: InvokeRequest) -> Result<InvokeReply, Failure> {
        let context = call.model_context();
        Ok(match self.plane(&context) {
            Some(plane) => plane.invoke(accept(request, &context)?).await?,
            None => self.bus.call(verbs::router::INVOKE, &context, &request).await?,
        })
    }

    /// One call with a streamed answer.
    pub async fn stream(&self, call: &Call, request: InvokeRequest) -> Result<ModelStream, Failure> {
        let context = call.model_context();
        Ok(match self.plane(&context) {
            Some(plane) => plane.stream(accept(request, &context)?).boxed(),
            None => self.bus.call_stream(verbs::router::STREAM, &context, &request).await?.boxed(),
        })
    }

    /// The models that the caller may name.
    pub async fn list(&self, call: &Call) -> Result<Vec<CatalogueModel>, Failure> {
        let list = ListModelsRequest { caller: call.caller() };
        Ok(self.bus.call(verbs::router::MODELS, &call.context(), &list).await?.models)
    }

    /// A conversation with a whole answer, which keeps what the request promised of its form.
    pub async fn chat(
        &self,
        call: &Call,
        request: InvokeRequest,
        promise: &Promise,
    ) -> Result<(ChatOutput, InvokeReply), Failure> {
        let mut reply = self.invoke(call, request).await?;
        let output = chat_output(&mut reply)?;
        promise.keep(&output)?;
        Ok((output, reply))
    }
}

/// Takes the conversation out of a reply.
pub fn chat_output(reply: &mut InvokeReply) -> Result<ChatOutput, Failure> {
    match reply.output.take().and_then(|output| output.kind) {
        Some(model_output::Kind::Chat(chat)) => Ok(chat),
        _ => Err(other_than("a conversation")),
    }
}

/// The name of the model that answered where it is known, else what was asked for.
pub fn model_name(reply: &InvokeReply, asked: &str) -> String {
    reply.models.first().map_or_else(|| asked.to_owned(), |model| model.name.clone())
}

/// The model's answer is not what was asked for.
pub fn other_than(wanted: &str) -> Failure {
    Error::new(ErrorCode::ModelFailed, format!("the model answered with something other than {wanted}")).into()
}
