//! Who runs models. One file for each kind, one line in the registry; the contract below holds for all of them and is
//! tested against each (`tests/it/contract.rs`):
//!
//! - An answer names the models that gave it and what it used.
//! - Every failure is a typed error: `InvalidRequest` (and its like) when no model would do better, otherwise one of the
//!   retryable codes, with the provider's own retry hint.
//! - A stream yields pieces as they come and ends with `Done` or an error; one that breaks off is an error.
//! - Dropping the future or the stream cancels the work at the provider.
//! - Nothing takes longer than the deadline, and no key stands in an error or a log.

mod local;
mod openai;
mod sse;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use orrery_bus::Bus;
use orrery_errors::Error;
use orrery_proto::v1::{ModelIdentity, ModelInput, ModelOutput, Usage};
use orrery_types::UnixMillis;

use orrery_routing::catalogue::{Catalogue, Provider as Entry, ProviderKind};

pub use local::Local;
pub use openai::Openai;

/// A provider cannot be set up as the catalogue says.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Its entry cannot be used.
    #[error("provider {name:?} cannot be set up: {reason}")]
    Provider {
        /// The provider.
        name: String,
        /// Why.
        reason: String,
    },
    /// Its key is not there.
    #[error("provider {name:?} has no key: {place}: {reason}")]
    Secret {
        /// The provider.
        name: String,
        /// Where it should be.
        place: String,
        /// Why it is not.
        reason: String,
    },
}

/// One attempt's work.
#[derive(Debug, Clone)]
pub struct Order {
    /// Name in the catalogue.
    pub model: String,
    /// Name at the provider.
    pub upstream: String,
    /// What to do. Travels from the kernel to the model in one shape, so it is not translated on the way.
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
}

/// A part of a streamed answer.
#[derive(Debug, Clone)]
pub enum Piece {
    /// More text.
    Delta(String),
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
}

/// The providers of a catalogue, by name.
pub type Registry = BTreeMap<String, Arc<dyn Provider>>;

/// Makes the providers of a catalogue. Fails on a key that cannot be found.
pub fn registry(catalogue: &Catalogue, bus: &Bus) -> Result<Registry, SetupError> {
    let make = |entry: &Entry| -> Result<Arc<dyn Provider>, SetupError> {
        Ok(match entry.kind {
            ProviderKind::Local => Arc::new(Local::new(bus.clone())),
            ProviderKind::Openai => Arc::new(Openai::new(entry)?),
        })
    };
    catalogue.providers.iter().map(|(name, entry)| Ok((name.clone(), make(entry)?))).collect()
}
