//! Which hosts a call may reach. The check is on the address that is connected to, so that no name can resolve to one
//! address when it is checked and to another when it is used, and so that a redirect gains nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;
use orrery_errors::ErrorCode;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::Deserialize;

use crate::domain::fault::{Fault, Standard};

/// Which hosts may be called: public addresses, and what `allow` adds; `deny` wins over both.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    /// Names (`api.example.com`, `*.example.com`, `*`), addresses and networks (`10.0.0.0/8`) that may be called though
    /// their addresses are private, loopback or link-local. Default: none.
    pub allow: Vec<HostRule>,
    /// The same, of what may not be called at all. Default: none.
    pub deny: Vec<HostRule>,
}

impl NetworkConfig {
    /// Everything that the machine can reach.
    pub fn open() -> Self {
        Self { allow: vec![HostRule::Any], deny: Vec::new() }
    }
}

/// A name, a pattern of names, or a network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
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
    fn fits_name(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Name(own) => own == name,
            Self::Below(parent) => name.strip_suffix(parent.as_str()).is_some_and(|child| child.ends_with('.')),
            Self::Network(_) => false,
        }
    }

    fn fits_address(&self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Network(network) => network.contains(&address),
            Self::Name(_) | Self::Below(_) => false,
        }
    }
}

/// A host that may not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("calls to {host} are not allowed: it is {reason}; an operator can allow it under `kernel.http.allow`")]
pub struct Refused {
    host: String,
    reason: &'static str,
}

impl From<&Refused> for Fault {
    fn from(refused: &Refused) -> Self {
        Self::new(Standard::Authorization, refused.to_string()).titled(ErrorCode::PolicyDenied.as_str())
    }
}

/// The rules at work.
#[derive(Debug, Clone)]
pub struct Network(Arc<NetworkConfig>);

impl Network {
    /// With these rules.
    pub fn new(config: &NetworkConfig) -> Self {
        Self(Arc::new(config.clone()))
    }

    /// Refuses what can be refused before anything is resolved: other schemes, credentials in the URL, denied names and
    /// literal addresses, which no resolver sees.
    pub fn admit(&self, url: &Url) -> Result<(), Fault> {
        let wrong = |detail: String| Fault::new(Standard::Configuration, detail);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("the scheme {:?} cannot be called: use http or https", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a URL must hold no credentials: use `authentication`".to_owned()));
        }
        let host = url.host_str().ok_or_else(|| wrong("the URL names no host".to_owned()))?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal {
            Ok(address) => self.admit_address(host, address).map_err(|refused| Fault::from(&refused)),
            Err(_) if self.denies_name(host) => Err(Fault::from(&Refused { host: host.to_owned(), reason: "denied" })),
            Err(_) => Ok(()),
        }
    }

    /// The addresses of a host that may be connected to.
    pub async fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if self.denies_name(&host) {
            return Err(Box::new(Refused { host, reason: "denied" }));
        }
        let mut refused = None;
        let mut permitted = Vec::new();
        for found in tokio::net::lookup_host((host.as_str(), 0)).await? {
            match self.admit_address(&host, found.ip()) {
                Ok(()) => permitted.push(found),
                Err(why) => refused = Some(why),
            }
        }
        match refused {
            Some(why) if permitted.is_empty() => Err(Box::new(why)),
            _ => Ok(permitted),
        }
    }

    fn denies_name(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.0.deny.iter().any(|rule| rule.fits_name(&host))
    }

    fn admit_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let address = address.to_canonical();
        let refused = |reason| Refused { host: host.to_owned(), reason };
        if self.0.deny.iter().any(|rule| rule.fits_address(address)) {
            return Err(refused("denied"));
        }
        if self.0.allow.iter().any(|rule| rule.fits_name(host) || rule.fits_address(address)) || is_public(address) {
            return Ok(());
        }
        Err(refused("not a public address"))
    }
}

/// Handed to the HTTP client: the only way in which it learns addresses.
impl Resolve for Network {
    fn resolve(&self, name: Name) -> Resolving {
        let network = self.clone();
        Box::pin(async move {
            let permitted = Network::resolve(&network, name.as_str()).await?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// The refusal behind an error of the HTTP client, if that is why it failed.
pub fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Refused> {
    let mut error = Some(error);
    while let Some(here) = error {
        if let Some(refused) = here.downcast_ref::<Refused>() {
            return Some(refused);
        }
        error = here.source();
    }
    None
}

/// Whether an address is one of the public internet: none of the special-purpose blocks of RFC 6890 and its successors.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 0 && c == 0);
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Addresses that carry one of version 4: NAT64 (RFC 6052) and 6to4 (RFC 3056).
    let [.., high, low] = address.segments();
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    let [_, six_high, six_low, ..] = address.segments();
    match first {
        0x0064 if second == 0xff9b => is_public_v4(embedded(high, low)),
        0x2002 => is_public_v4(embedded(six_high, six_low)),
        // Documentation, and protocol assignments such as Teredo.
        0x2001 => second != 0x0db8 && second >= 0x0200,
        // Global unicast is 2000::/3 (RFC 4291); everything else is special.
        first => first & 0xe000 == 0x2000,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn admits(config: &NetworkConfig, url: &str) -> bool {
        Network::new(config).admit(&url.parse().unwrap()).is_ok()
    }

    #[test]
    fn only_public_addresses_are_public() {
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "2002:0101:0101::1"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for special in [
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "64:ff9b::7f00:1",
            "2002:7f00:0001::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
    }

    #[test]
    fn literal_addresses_in_every_writing_are_checked() {
        let closed = NetworkConfig::default();
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::ffff:a9fe:a9fe]/",
            "ftp://1.1.1.1/",
            "file:///etc/passwd",
            "http://user:pass@1.1.1.1/",
        ] {
            assert!(!admits(&closed, url), "{url}");
        }
        assert!(admits(&closed, "https://1.1.1.1/"));
    }

    #[test]
    fn deny_wins_over_allow_and_allow_over_the_default() {
        let rules = |rules: &[&str]| rules.iter().map(|rule| rule.parse().unwrap()).collect::<Vec<HostRule>>();
        let config = NetworkConfig {
            allow: rules(&["127.0.0.0/8", "10.1.2.3", "*.internal.example"]),
            deny: rules(&["127.0.0.9", "evil.internal.example", "8.8.8.8"]),
        };
        assert!(admits(&config, "http://127.0.0.1/"));
        assert!(!admits(&config, "http://127.0.0.9/"));
        assert!(admits(&config, "http://10.1.2.3/"));
        assert!(!admits(&config, "http://10.1.2.4/"));
        assert!(!admits(&config, "http://EVIL.internal.example/"));
        assert!(!admits(&config, "http://8.8.8.8/"));
        let network = Network::new(&config);
        assert!(network.admit_address("a.internal.example", "10.9.9.9".parse().unwrap()).is_ok());
        assert!(network.admit_address("internal.example", "10.9.9.9".parse().unwrap()).is_err());
        assert!(network.admit_address("xinternal.example", "10.9.9.9".parse().unwrap()).is_err());
        assert!("not a host".parse::<HostRule>().is_err());
    }

    #[tokio::test]
    async fn a_name_is_refused_by_the_address_that_it_resolves_to() {
        let error = Network::new(&NetworkConfig::default()).resolve("localhost").await.unwrap_err();
        assert!(refusal(error.as_ref()).is_some(), "{error}");
        let open = Network::new(&NetworkConfig { allow: vec!["localhost".parse().unwrap()], deny: Vec::new() });
        assert!(!open.resolve("localhost").await.unwrap().is_empty());
    }
}
