//! What is asked, by whom and under which rules; and the keys that follow from it. Pure.

use std::str::FromStr;
use std::time::Duration;

use orrery_proto::v1::{InvokeRequest, ModelInput, model_input::Kind};
use orrery_types::Sha256Digest;

use crate::canonical::{self, Form};

/// Changes whenever the canonical form or the stored form does, so that no process reads another release's entries wrongly.
const FORM: &str = "orrery-cache/1";

/// Whose answer it is and for what. An answer never leaves its scope (C-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The tenant.
    pub tenant: String,
    /// Those of the caller's roles on which the answer may depend; order and repetition mean nothing.
    pub roles: Vec<String>,
    /// Classes of the data in the call; order and repetition mean nothing.
    pub data_classes: Vec<String>,
    /// Why it is processed; may be empty.
    pub purpose: String,
    /// The model or route asked for, as the caller named it.
    pub model: String,
}

/// What an answer rests on besides the question. A change of either finds none of the answers before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Versions {
    /// Of the models: the catalogue's digest, or the version of the one model that answers.
    pub models: String,
    /// Of the knowledge that the question is grounded on; empty where there is none.
    pub knowledge: String,
}

/// What may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Nothing kept, nothing given.
    Off,
    /// The answer to the same question.
    #[default]
    Exact,
    /// Also the answer to a question that says the same in other words.
    Semantic,
}

/// A route's rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// What may answer.
    pub mode: Mode,
    /// Calls whose answer is left to chance, or to what stands elsewhere, are kept too: the route or the caller says that an
    /// earlier answer serves as well as a new one.
    pub nondeterministic: bool,
    /// Calls with personal data are kept too.
    pub personal: bool,
    /// Conversations with tools are kept too (exact only; an answer that calls a tool never is).
    pub tools: bool,
    /// How long an answer is given; bounded by the cache's own settings, then shortened by up to a tenth at random.
    pub ttl: Duration,
    /// Cosine from which a question counts as near; 0 to 1.
    pub threshold: f32,
}

impl Default for Rules {
    /// The same deterministic question, for an hour.
    fn default() -> Self {
        Self {
            mode: Mode::Exact,
            nondeterministic: false,
            personal: false,
            tools: false,
            ttl: Duration::from_secs(3600),
            threshold: 0.95,
        }
    }
}

/// What the caller wants of the cache in one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wish {
    /// What the route's rules say.
    #[default]
    AsConfigured,
    /// Neither be given an earlier answer nor leave one.
    Off,
    /// A new answer, which replaces the earlier one.
    Refresh,
}

/// A wish that is none of the three.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cache {0:?} is not known; leave it empty or say off or refresh")]
pub struct UnknownWish(pub String);

impl FromStr for Wish {
    type Err = UnknownWish;
    fn from_str(text: &str) -> Result<Self, UnknownWish> {
        match text {
            "" => Ok(Self::AsConfigured),
            "off" => Ok(Self::Off),
            "refresh" => Ok(Self::Refresh),
            other => Err(UnknownWish(other.to_owned())),
        }
    }
}

/// One question.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Whose.
    pub scope: Scope,
    /// On what its answer rests.
    pub versions: Versions,
    /// Under which rules.
    pub rules: Rules,
    /// What the caller wants.
    pub wish: Wish,
    /// What the model is asked.
    pub input: &'a ModelInput,
}

impl<'a> Question<'a> {
    /// Of a request, with all roles of its caller in the scope. `None` where the request asks nothing of a model.
    pub fn of(request: &'a InvokeRequest, versions: Versions, rules: Rules) -> Result<Option<Self>, UnknownWish> {
        let wish = request.cache.parse()?;
        let (Some(caller), Some(input)) = (&request.caller, &request.input) else { return Ok(None) };
        let scope = Scope {
            tenant: caller.tenant.clone(),
            roles: caller.roles.clone(),
            data_classes: request.data_classes.clone(),
            purpose: request.purpose.clone(),
            model: request.model.clone(),
        };
        Ok(Some(Self { scope, versions, rules, wish, input }))
    }

    /// The key of its answer.
    pub fn key(&self) -> Key {
        let mut form = self.form("exact");
        canonical::input(&mut form, self.input);
        Key(form.digest())
    }

    /// Where questions stand that may say the same: the same scope, versions and everything of the input but the last turn.
    pub(crate) fn neighbourhood(&self, embedder: &str) -> Option<(Key, &'a str)> {
        let Some(Kind::Chat(chat)) = &self.input.kind else { return None };
        let (rest, text) = canonical::with_last_turn_left_out(chat)?;
        let mut form = self.form("semantic");
        form.text("embedder", embedder);
        canonical::input(&mut form, &ModelInput { kind: Some(Kind::Chat(rest)) });
        Some((Key(form.digest()), text))
    }

    fn form(&self, kind: &str) -> Form {
        let Scope { tenant, roles, data_classes, purpose, model } = &self.scope;
        let Versions { models, knowledge } = &self.versions;
        let mut form = Form::default();
        form.bytes(FORM, kind.as_bytes()).bytes("tenant", tenant.as_bytes());
        for (name, values) in [("roles", roles), ("data_classes", data_classes)] {
            let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
            values.sort_unstable();
            values.dedup();
            form.list(name, &values, |form, value| {
                form.bytes("", value.as_bytes());
            });
        }
        form.bytes("purpose", purpose.as_bytes()).bytes("model", model.as_bytes());
        form.bytes("models", models.as_bytes()).bytes("knowledge", knowledge.as_bytes());
        form
    }
}

/// Names one answer: SHA-256 over the scope, the versions and the canonical form of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(pub(crate) Sha256Digest);

impl Key {
    pub(crate) fn hex(&self) -> String {
        self.0.to_hex()
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A short name for a version within keys of the store.
pub(crate) fn label(version: &str) -> String {
    Sha256Digest::of(version.as_bytes()).to_hex().chars().take(16).collect()
}
