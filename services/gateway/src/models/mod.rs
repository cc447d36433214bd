//! Every call to a model goes through here, whatever dialect it came in. It owns the way to the models and what all dialects
//! share of a call and its answer; it must never know a dialect.

mod heads;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use orrery_bus::{Bus, verbs};
use orrery_errors::Error;
use orrery_proto::v1::{CatalogueModel, InvokeFrame, InvokeReply, InvokeRequest, ListModelsRequest};

pub use heads::{invocation, told};

use crate::http::{Call, Failure};

/// A streamed answer, frame by frame. Dropping it stops the model.
pub type ModelStream = BoxStream<'static, Result<InvokeFrame, Error>>;

/// The way to the models.
#[derive(Debug, Clone)]
pub struct Models {
    bus: Bus,
}

impl Models {
    /// Over the bus, through the router.
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// One call with a whole answer.
    pub async fn invoke(&self, call: &Call, request: InvokeRequest) -> Result<InvokeReply, Failure> {
        Ok(self.bus.call(verbs::router::INVOKE, &call.model_context(), &request).await?)
    }

    /// One call with a streamed answer.
    pub async fn stream(&self, call: &Call, request: InvokeRequest) -> Result<ModelStream, Failure> {
        Ok(self.bus.call_stream(verbs::router::STREAM, &call.model_context(), &request).await?.boxed())
    }

    /// The models that the caller may name.
    pub async fn list(&self, call: &Call) -> Result<Vec<CatalogueModel>, Failure> {
        let list = ListModelsRequest { caller: call.caller() };
        Ok(self.bus.call(verbs::router::MODELS, &call.context(), &list).await?.models)
    }
}
