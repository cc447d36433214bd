//! Who runs models. One file or folder for each kind, one line in the registry; the contract below holds for all of them
//! and is tested against each (`tests/it`):
//!
//! - An answer names the models that gave it and what it used.
//! - Every failure is a typed error: `InvalidRequest` (and its like) when no model would do better, otherwise one of the
//!   retryable codes, with the provider's own retry hint.
//! - A stream yields pieces as they come and ends with `Done` or an error; one that breaks off is an error.
//! - Dropping the future or the stream cancels the work at the provider.
//! - Nothing takes longer than the deadline, and no key stands in an error or a log.
//! - What an order asks for and a kind cannot say in its dialect is refused by name, never left out in silence.

mod anthropic;
mod assembly;
mod azure;
mod bedrock;
mod chat_stream;
mod cohere;
mod conversation;
mod embedding;
mod estimate;
mod event_stream;
mod failure;
mod gemini;
mod kserve;
mod local;
mod media;
mod mistral;
mod openai;
mod options;
mod payloads;
mod quota;
mod registry;
mod secrets;
mod sse;
mod upstream;

use std::fmt;

use async_trait::async_trait;
use futures::stream::BoxStream;
use orrery_errors::Error;
use orrery_proto::v1::{ChatDelta, ModelIdentity, ModelInput, ModelOutput, Usage};
use orrery_types::UnixMillis;

pub use anthropic::Anthropic;
pub use bedrock::Bedrock;
pub use cohere::Cohere;
pub use gemini::Gemini;
pub use kserve::Kserve;
pub use local::Local;
pub use quota::Quota;
pub use registry::{Registry, SetupError, kinds, provider};
pub use secrets::{Lack, LocalSecrets, SecretError, Secrets, StoredSecrets};
pub use upstream::Setup;

/// One attempt's work.
#[derive(Debug, Clone)]
pub struct Order {
    /// The call that it is made for; told to the provider where it takes such a name, so that its bills can be compared.
    pub call_id: String,
    /// Name in the catalogue.
    pub model: String,
    /// Name at the provider.
    pub upstream: String,
    /// What to do. Travels from the caller to the model in one shape, so it is translated once.
    pub input: ModelInput,
    /// After this nobody waits.
    pub deadline: UnixMillis,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The result.
    pub output: ModelOutput,
    /// Every model that took part.
    pub models: Vec<ModelIdentity>,
    /// What was used; the cost is the router's business.
    pub usage: Usage,
    /// What the provider says is left of its rate limits.
    pub quota: Option<Quota>,
}

/// A part of a streamed answer.
#[derive(Debug, Clone)]
pub enum Piece {
    /// More of the answer.
    Delta(Box<ChatDelta>),
    /// The whole answer; always last.
    Done(Box<Answer>),
}

/// A streamed answer.
pub type Pieces = BoxStream<'static, Result<Piece, Error>>;

/// Runs models. See the contract above.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// Does the work and answers once.
    async fn invoke(&self, order: Order) -> Result<Answer, Error>;

    /// Does the work and answers as it goes. Chat only.
    async fn stream(&self, order: Order) -> Result<Pieces, Error>;

    /// Whether it would take work now. Kinds whose dialect has no question for that, which costs nothing, say yes.
    async fn ready(&self, _deadline: UnixMillis) -> Result<(), Error> {
        Ok(())
    }
}
