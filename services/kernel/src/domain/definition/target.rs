//! What a task reaches outside its workflow.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Function;

/// Where the authentication of a call stands in its arguments.
pub const POLICIES: [&str; 4] =
    ["/endpoint/authentication", "/authentication", "/server/authentication", "/agentCard/authentication"];

/// Whom a call goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    /// A function of the platform.
    Platform(Function),
    /// Something outside, in a way that the DSL defines.
    Outward(Outward),
}

/// The ways out that the DSL defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outward {
    /// `call: http`.
    Http,
    /// `call: openapi`.
    Openapi,
    /// `call: asyncapi`.
    Asyncapi,
    /// `call: a2a`.
    A2a,
    /// `call: mcp`.
    Mcp,
    /// `run: script`.
    Script,
    /// `run: shell`.
    Shell,
}

impl Target {
    /// Whether other systems and the transparency log are told of it: of all that acts beyond the run itself.
    pub fn is_public(self) -> bool {
        match self {
            Self::Platform(function) => function.is_public(),
            Self::Outward(_) => true,
        }
    }

    /// Its name, as a definition and the record have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Platform(function) => function.name(),
            Self::Outward(outward) => outward.name(),
        }
    }
}

impl Outward {
    /// Its name in a definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Openapi => "openapi",
            Self::Asyncapi => "asyncapi",
            Self::A2a => "a2a",
            Self::Mcp => "mcp",
            Self::Script => "script",
            Self::Shell => "shell",
        }
    }

    /// Whether it runs a process, which needs a sandbox.
    pub fn is_process(self) -> bool {
        matches!(self, Self::Script | Self::Shell)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_target_is_one_word_in_the_journal_and_platform_functions_keep_theirs() {
        let words = [
            (Target::Platform(Function::Read), "\"read\""),
            (Target::Platform(Function::Human), "\"human\""),
            (Target::Outward(Outward::Http), "\"http\""),
            (Target::Outward(Outward::Shell), "\"shell\""),
        ];
        for (target, word) in words {
            assert_eq!(serde_json::to_string(&target).unwrap(), word);
            assert_eq!(serde_json::from_str::<Target>(word).unwrap(), target);
        }
        // A name of the platform never means a way out as well.
        let (calls, processes) =
            ([Outward::Http, Outward::Openapi, Outward::Asyncapi], [Outward::Script, Outward::Shell]);
        for outward in calls.into_iter().chain([Outward::A2a, Outward::Mcp]).chain(processes) {
            assert!(serde_json::from_value::<Function>(serde_json::to_value(outward).unwrap()).is_err());
        }
    }
}
