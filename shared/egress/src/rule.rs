//! Rules that name hosts: a name, all names below one, an address or a network.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::Deserialize;

/// A name, a pattern of names, or a network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum HostRule {
    /// `*`.
    Any,
    /// One name, lower case.
    Name(String),
    /// All names below one: `*.example.com`.
    Below(String),
    /// An address or a network.
    Network(IpNet),
}

/// A host rule that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no host rule: expected a name, `*.name`, an address or a network such as 10.0.0.0/8")]
pub struct InvalidHostRule(String);

impl FromStr for HostRule {
    type Err = InvalidHostRule;

    fn from_str(text: &str) -> Result<Self, InvalidHostRule> {
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let valid =
            !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '.' | '_'));
        match (valid, below) {
            (false, _) => Err(InvalidHostRule(text.to_owned())),
            (true, true) => Ok(Self::Below(name.to_ascii_lowercase())),
            (true, false) => Ok(Self::Name(name.to_ascii_lowercase())),
        }
    }
}

impl TryFrom<String> for HostRule {
    type Error = InvalidHostRule;

    fn try_from(text: String) -> Result<Self, InvalidHostRule> {
        text.parse()
    }
}

impl HostRule {
    /// Whether the rule names this host, which is in lower case.
    pub fn fits_name(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Name(own) => own == name,
            Self::Below(parent) => name.strip_suffix(parent.as_str()).is_some_and(|child| child.ends_with('.')),
            Self::Network(_) => false,
        }
    }

    /// Whether the rule holds this address.
    pub fn fits_address(&self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Network(network) => network.contains(&address),
            Self::Name(_) | Self::Below(_) => false,
        }
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Name(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Network(network) => network.fmt(f),
        }
    }
}
