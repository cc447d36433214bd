//! What models there are: an immutable snapshot, swapped as a whole.

use std::collections::BTreeMap;
use std::fmt;

use orrery_types::{Nanos, Sha256Digest};
use serde::{Deserialize, Serialize};

pub mod cache;
pub mod prices;
pub mod route;

pub use cache::{CacheMode, CacheRules, CacheSettings};
pub use prices::{Price, PriceList};
pub use route::{Route, Strategy};

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Messages in, a message out; can be streamed.
    Chat,
    /// Texts in, vectors out.
    Embed,
    /// Bytes and a media type in, typed content out.
    Read,
    /// Contents and a field schema in, fields out.
    Extract,
    /// A text and labels in, a label out.
    Classify,
    /// A query and documents in, their order by relevance out.
    Rerank,
    /// Texts in, what is objectionable in them out.
    Moderate,
    /// A description in, images out.
    Image,
    /// Speech of any language in, English text out.
    Translate,
}

impl Capability {
    /// As it stands in the catalogue, policies and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embed => "embed",
            Self::Read => "read",
            Self::Extract => "extract",
            Self::Classify => "classify",
            Self::Rerank => "rerank",
            Self::Moderate => "moderate",
            Self::Image => "image",
            Self::Translate => "translate",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a model runs, which is where the data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// On our own machines.
    Local,
    /// With somebody else.
    External,
}

impl Location {
    /// As it stands in the catalogue and in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::External => "external",
        }
    }
}

/// Where a provider's key is found. The key itself is in no catalogue, log, error or record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretRef {
    /// In the environment variable of this name.
    Env(String),
    /// In this file, surrounding white space ignored.
    File(String),
    /// In the secret store, under this name.
    Store(String),
}

/// Longest name of a stored secret.
const SECRET_NAME_BYTES_MAX: usize = 128;

/// Whether a stored secret can have this name: 1 to 128 of `A-Z a-z 0-9 . _ -`, not beginning with a dot, as a path of HTTP
/// has it.
pub fn is_secret_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= SECRET_NAME_BYTES_MAX && !name.starts_with('.') && name.bytes().all(allowed)
}

/// Who runs models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Unique name.
    pub name: String,
    /// How it is spoken to: one of the kinds that the registry of providers knows, which also checks the rest.
    pub kind: String,
    /// Where it runs.
    pub location: Location,
    /// Base of its HTTP interface, up to and with the version, for example `https://api.openai.com/v1`; each kind says
    /// what it is without.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Where its key is found; none for servers that want none.
    #[serde(default)]
    pub api_key: Option<SecretRef>,
    /// What one kind alone needs and is no secret, for example `region` or `api_version`.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// What one kind alone needs beside `api_key` and is secret.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretRef>,
}

impl Provider {
    /// Where all of its secrets are found.
    pub fn secret_refs(&self) -> impl Iterator<Item = &SecretRef> {
        self.api_key.iter().chain(self.secrets.values())
    }
}

/// What a model takes at most. Calls above are not sent to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Tokens of input and output together; for embeddings, of one text (longer texts are cut by the model).
    pub context_tokens: u64,
    /// Tokens of output; also what is written when the caller names no limit.
    pub output_tokens: u64,
    /// Pages of one document.
    pub pages: u64,
    /// Seconds of one recording.
    pub audio_seconds: u64,
    /// Tokens that one image in a conversation is read as at most; 8192 covers what most vendors document.
    pub image_tokens: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { context_tokens: 8192, output_tokens: 1024, pages: 50, audio_seconds: 1800, image_tokens: 8192 }
    }
}

/// One model of one provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Unique name, by which callers ask for it.
    pub name: String,
    /// Name of its provider.
    pub provider: String,
    /// Its name at the provider; its own name when absent, the provider's default for the capability when empty.
    #[serde(default)]
    pub upstream: Option<String>,
    /// What it can do.
    pub capabilities: Vec<Capability>,
    /// What `read` takes: `image/png`, or a family as `audio/*`.
    #[serde(default)]
    pub media_types: Vec<String>,
    /// Classes of data that it is cleared for.
    pub data_classes: Vec<String>,
    /// Tenants with an agreement for it; `*` is all. Read by policies.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// Purposes that the agreement covers; `*` is all. Read by policies.
    #[serde(default)]
    pub purposes: Vec<String>,
    /// What it costs.
    #[serde(default)]
    pub price: PriceList,
    /// How good its answers are, 0 to 1, by capability or route; a route's own entry counts more. What evaluations have
    /// measured counts more than this.
    #[serde(default)]
    pub quality: BTreeMap<String, f64>,
    /// What it takes.
    #[serde(default)]
    pub limits: Limits,
    /// Expected latency until some has been measured.
    #[serde(default = "latency_ms_default")]
    pub latency_ms: u64,
    /// When it was published, unix seconds; shown in model lists.
    #[serde(default)]
    pub created: u64,
}

fn latency_ms_default() -> u64 {
    1000
}

impl Model {
    /// Whether it can do this, and take this media type where there is one.
    pub fn takes(&self, media_type: &str) -> bool {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.media_types.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(family) => essence.starts_with(family),
            None => essence == *pattern,
        })
    }

    /// Its name at the provider.
    pub fn upstream(&self) -> &str {
        self.upstream.as_deref().unwrap_or(&self.name)
    }
}

/// The catalogue: checked by `catalogue_file`, so that names in it resolve.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    /// ISO 4217 code of all prices.
    pub currency: String,
    /// By name.
    pub providers: BTreeMap<String, Provider>,
    /// By name.
    pub models: BTreeMap<String, Model>,
    /// By name.
    pub routes: BTreeMap<String, Route>,
    /// Which answers are kept.
    pub cache: CacheSettings,
    /// Over everything above.
    pub digest: Sha256Digest,
}

impl Catalogue {
    /// The provider of a model. Absent only for a model of another catalogue.
    pub fn provider_of(&self, model: &Model) -> Option<&Provider> {
        self.providers.get(&model.provider)
    }

    /// Which answers to calls for a model or route are kept.
    pub fn cache_rules(&self, asked: &str) -> &CacheRules {
        self.routes.get(asked).and_then(|route| route.cache.as_ref()).unwrap_or(&self.cache.rules)
    }

    /// The stored secrets that are wanted, each with the names of the providers that want it.
    pub fn stored_secrets(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for provider in self.providers.values() {
            for reference in provider.secret_refs() {
                let SecretRef::Store(name) = reference else { continue };
                let by = wanted.entry(name).or_default();
                if !by.contains(&provider.name.as_str()) {
                    by.push(&provider.name);
                }
            }
        }
        wanted
    }

    /// Where a model runs. Unknown counts as external: the cautious side.
    pub fn location_of(&self, model: &Model) -> Location {
        self.provider_of(model).map_or(Location::External, |provider| provider.location)
    }
}

/// An amount per unit times a number of units; saturates at the top of the range, where no budget reaches.
pub fn amount(price: u64, units: u64) -> Nanos {
    Nanos::new(price.saturating_mul(units)).or(Nanos::new(i64::MAX.unsigned_abs())).unwrap_or(Nanos::ZERO)
}
