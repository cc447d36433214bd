//! What calls are decided by: an immutable whole, swapped as one. Only what was measured changes within it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use orrery_policy::{Bundle, PolicyError};
use orrery_providers::{Registry, SecretError, Setup, SetupError};
use orrery_routing::catalogue::Catalogue;
use orrery_routing::catalogue_file::{self, CatalogueError};
use orrery_routing::statistics::Statistics;

use crate::board::Board;
use crate::verdicts::Verdicts;

/// A snapshot that cannot be used here.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The catalogue.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The policies.
    #[error(transparent)]
    Policies(#[from] PolicyError),
    /// A provider.
    #[error(transparent)]
    Provider(#[from] SetupError),
}

/// Catalogue, policies and providers, and how deployments do.
#[derive(Debug)]
pub struct Snapshot {
    /// What models there are.
    pub catalogue: Catalogue,
    /// Where data may go.
    pub policies: Arc<Bundle>,
    statistics: ArcSwap<Statistics>,
    pub(crate) verdicts: Verdicts,
    pub(crate) providers: Registry,
    pub(crate) board: Board,
}

impl Snapshot {
    /// From the texts that the router publishes. What is known of the deployments is taken over from `before`.
    pub fn read(
        catalogue_json: &str,
        policies: BTreeMap<String, String>,
        setup: &Setup,
        before: Option<&Self>,
    ) -> Result<Self, SnapshotError> {
        let policies = Arc::new(Bundle::parse(&policies)?);
        Self::new(catalogue_file::parse_json(catalogue_json)?, policies, setup, before)
    }

    /// From what was read.
    pub fn new(
        catalogue: Catalogue,
        policies: Arc<Bundle>,
        setup: &Setup,
        before: Option<&Self>,
    ) -> Result<Self, SnapshotError> {
        let providers = Registry::new(&catalogue, setup, before.map(|before| &before.providers))?;
        let board =
            Board::new(&catalogue, providers.without_key(), before.map(|before| (&before.catalogue, &before.board)));
        let statistics = ArcSwap::new(before.map(Self::statistics).unwrap_or_default());
        Ok(Self { verdicts: Verdicts::default(), providers, board, catalogue, policies, statistics })
    }

    /// The providers that cannot be asked for lack of a secret, and which. Their models are unavailable.
    pub fn without_key(&self) -> &BTreeMap<String, SecretError> {
        self.providers.without_key()
    }

    /// Whether calls are decided and made in the same way by both, what was measured aside.
    pub fn is_as(&self, other: &Self) -> bool {
        self.catalogue.digest == other.catalogue.digest
            && self.policies.digest() == other.policies.digest()
            && self.providers.is_as(&other.providers)
    }

    /// What was measured, as decisions know it now.
    pub fn statistics(&self) -> Arc<Statistics> {
        self.statistics.load_full()
    }

    /// Goes on with other statistics. Providers, policies' answers and what is known of deployments stay.
    pub fn measured(&self, statistics: Statistics) {
        self.statistics.store(Arc::new(statistics));
    }

    /// Whether a model takes calls now, as this process sees it.
    pub fn is_healthy(&self, model: &str, now: orrery_types::UnixMillis) -> bool {
        self.board.is_open(model, now)
    }
}
