//! The one table of kinds. A new kind is a file or folder in this crate and a line here.

use std::collections::BTreeMap;
use std::sync::Arc;

use orrery_routing::catalogue::{Capability, Catalogue, Provider as Entry};

use crate::{Anthropic, Bedrock, Cohere, Gemini, Kserve, Local, Provider, SecretError, Setup, azure, mistral, openai};

/// The providers of a catalogue, by name, and those that lack a secret.
#[derive(Debug, Default)]
pub struct Registry {
    made: BTreeMap<String, Made>,
    without_key: BTreeMap<String, SecretError>,
}

#[derive(Debug, Clone)]
struct Made {
    provider: Arc<dyn Provider>,
    /// What it was made from.
    entry: Entry,
    versions: Vec<u64>,
}

/// A provider cannot be set up as the catalogue says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Its entry cannot be used.
    #[error("provider {name:?} cannot be set up: {reason}")]
    Entry {
        /// The provider.
        name: String,
        /// Why, and the remedy.
        reason: String,
    },
    /// A key of it is not there.
    #[error("provider {name:?} has no key: {source}")]
    Secret {
        /// The provider.
        name: String,
        /// Where it should be and why it is not.
        source: crate::SecretError,
    },
}

impl SetupError {
    pub(crate) fn entry(entry: &Entry, reason: impl Into<String>) -> Self {
        Self::Entry { name: entry.name.clone(), reason: reason.into() }
    }
}

/// Makes the provider of an entry.
type Make = fn(&Entry, &Setup) -> Result<Arc<dyn Provider>, SetupError>;

/// One way of speaking to a provider.
#[allow(missing_debug_implementations)] // a row of function pointers
pub struct Kind {
    /// As the catalogue names it.
    pub name: &'static str,
    /// What models of such providers can be asked for.
    pub capabilities: &'static [Capability],
    make: Make,
}

use Capability::{Chat, Classify, Embed, Extract, Image, Moderate, Read, Rerank, Translate};

const KINDS: &[Kind] = &[
    Kind { name: "anthropic", capabilities: &[Chat], make: Anthropic::make },
    Kind { name: "bedrock", capabilities: &[Chat, Embed], make: Bedrock::make },
    Kind { name: "cohere", capabilities: &[Chat, Embed, Rerank], make: Cohere::make },
    Kind { name: "gemini", capabilities: &[Chat, Embed], make: Gemini::make },
    Kind { name: "kserve", capabilities: &[Chat, Embed], make: Kserve::make },
    Kind { name: "local", capabilities: &[Chat, Embed, Read, Extract, Classify, Rerank], make: Local::make },
    Kind { name: "openai", capabilities: &[Chat, Embed, Read, Rerank, Translate, Moderate, Image], make: openai::make },
    Kind { name: "azure", capabilities: &[Chat, Embed, Read, Translate, Image], make: azure::make },
    Kind { name: "mistral", capabilities: &[Chat, Embed, Read, Moderate], make: mistral::make },
];

/// All kinds.
pub fn kinds() -> &'static [Kind] {
    KINDS
}

impl Registry {
    /// Makes the providers of a catalogue. Those of `before` whose entries and secrets are the same stay, with their
    /// connections. One that lacks a secret is left out, so that it does not stop the others; the first that cannot be set
    /// up for another reason fails the whole.
    pub fn new(catalogue: &Catalogue, setup: &Setup, before: Option<&Self>) -> Result<Self, SetupError> {
        check_capabilities(catalogue)?;
        let mut registry = Self::default();
        for (name, entry) in &catalogue.providers {
            let versions: Vec<u64> = entry.secret_refs().map(|reference| setup.secrets.version(reference)).collect();
            let same = before.and_then(|before| before.made.get(name));
            if let Some(same) = same.filter(|made| made.entry == *entry && made.versions == versions) {
                registry.made.insert(name.clone(), same.clone());
                continue;
            }
            match provider(entry, setup) {
                Ok(provider) => {
                    registry.made.insert(name.clone(), Made { provider, entry: entry.clone(), versions });
                }
                Err(SetupError::Secret { source, .. }) => {
                    registry.without_key.insert(name.clone(), source);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(registry)
    }

    /// A provider; none where it lacks a secret.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.made.get(name).map(|made| &made.provider)
    }

    /// The providers that lack a secret, and which.
    pub fn without_key(&self) -> &BTreeMap<String, SecretError> {
        &self.without_key
    }

    /// Whether both have the same providers, made from the same entries and secrets.
    pub fn is_as(&self, other: &Self) -> bool {
        let same = |made: &Made, other: &Made| Arc::ptr_eq(&made.provider, &other.provider);
        self.without_key == other.without_key
            && self.made.len() == other.made.len()
            && self.made.iter().all(|(name, made)| other.made.get(name).is_some_and(|other| same(made, other)))
    }
}

/// No model is said to do what its kind of provider cannot.
fn check_capabilities(catalogue: &Catalogue) -> Result<(), SetupError> {
    for model in catalogue.models.values() {
        let Some(entry) = catalogue.providers.get(&model.provider) else { continue };
        let kind = KINDS.iter().find(|kind| kind.name == entry.kind);
        // An unknown kind is refused where the provider is made.
        let Some(offered) = kind.map(|kind| kind.capabilities) else { continue };
        if let Some(beyond) = model.capabilities.iter().find(|capability| !offered.contains(capability)) {
            let reason =
                format!("model {:?}: a provider of kind {:?} cannot do {:?}", model.name, entry.kind, beyond.as_str());
            return Err(SetupError::entry(entry, reason));
        }
    }
    Ok(())
}

/// Makes one provider.
pub fn provider(entry: &Entry, setup: &Setup) -> Result<Arc<dyn Provider>, SetupError> {
    let kind = KINDS.iter().find(|kind| kind.name == entry.kind).ok_or_else(|| {
        let known = KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
        SetupError::entry(entry, format!("there is no kind {:?}; there are {known}", entry.kind))
    })?;
    (kind.make)(entry, setup)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_names_of_their_own() {
        let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
    }
}
