//! The platform's functions, as custom calls under one namespace beside the standard.

use serde::{Deserialize, Serialize};

/// A function that `call` may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// `orrery.read`: an attachment into typed content.
    Read,
    /// `orrery.extract`: contents into the fields of a schema.
    Extract,
    /// `orrery.classify`: text into one of some labels.
    Classify,
    /// `orrery.retrieve`: passages of a knowledge collection.
    Retrieve,
    /// `orrery.generate`: text by a language model.
    Generate,
    /// `orrery.embed`: vectors of texts.
    Embed,
    /// `orrery.register`: which earlier tasks registered the same value.
    Register,
    /// `orrery.work`: a step that a worker outside does.
    Work,
    /// `orrery.uuid`: an identifier that nobody had before, recorded so that a replay finds the same.
    Uuid,
    /// `orrery.human`: a decision by a person.
    Human,
    /// `orrery.signal`: a message to the run.
    Signal,
    /// `orrery.map`: a sub-workflow for each item.
    Map,
    /// `orrery.attributes`: by what the run is found.
    Attributes,
}

/// What the calls that reach a model or knowledge also take.
const ROUTED: &[&str] = &["data_classes", "purpose"];

impl Function {
    /// All of them.
    pub const ALL: &'static [Function] = &[
        Self::Read,
        Self::Extract,
        Self::Classify,
        Self::Retrieve,
        Self::Generate,
        Self::Embed,
        Self::Register,
        Self::Work,
        Self::Uuid,
        Self::Human,
        Self::Signal,
        Self::Map,
        Self::Attributes,
    ];

    /// Its name in a definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "orrery.read",
            Self::Extract => "orrery.extract",
            Self::Classify => "orrery.classify",
            Self::Retrieve => "orrery.retrieve",
            Self::Generate => "orrery.generate",
            Self::Embed => "orrery.embed",
            Self::Register => "orrery.register",
            Self::Work => "orrery.work",
            Self::Uuid => "orrery.uuid",
            Self::Human => "orrery.human",
            Self::Signal => "orrery.signal",
            Self::Map => "orrery.map",
            Self::Attributes => "orrery.attributes",
        }
    }

    /// The function of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name() == name)
    }

    /// Whether other systems and the transparency log are told of its calls: of all that act beyond the run itself.
    pub fn is_public(self) -> bool {
        self != Self::Uuid
    }

    /// Arguments that must be given.
    pub fn required(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["attachment"],
            Self::Extract => &["contents", "schema"],
            Self::Classify => &["text", "labels"],
            Self::Retrieve => &["collection", "query"],
            Self::Generate => &["messages"],
            Self::Embed => &["texts"],
            Self::Register => &["key", "value"],
            Self::Work => &["queue"],
            Self::Uuid => &[],
            Self::Human => &["title", "roles"],
            Self::Signal => &["name"],
            Self::Map => &["items", "workflow"],
            Self::Attributes => &["attributes"],
        }
    }

    /// Arguments that may be given.
    fn optional(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["schema", "language", "model"],
            Self::Extract | Self::Classify | Self::Embed => &["model"],
            Self::Retrieve => &["top_k", "filter", "dense_weight"],
            Self::Generate => &["max_tokens", "temperature", "top_p", "seed", "stop", "model"],
            Self::Register | Self::Uuid | Self::Attributes => &[],
            Self::Signal => &["timeout"],
            Self::Map => &["concurrency", "tolerated_failures"],
            Self::Work => &["input", "timeouts", "retry", "priority", "schema"],
            Self::Human => &[
                "instructions",
                "form",
                "decisions",
                "changes",
                "subject",
                "due",
                "expires",
                "on_expiry",
                "reminders",
                "escalation",
                "calendar",
                "quorum",
                "four_eyes",
                "exclude",
                "not_by",
                "supervisors",
                "delegation",
            ],
        }
    }

    /// Whether an argument is known.
    pub fn takes(self, argument: &str) -> bool {
        self.required().contains(&argument) || self.optional().contains(&argument) || ROUTED.contains(&argument)
    }
}
