//! The rules at work: before a name is resolved, and on every address that it resolves to.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::Deserialize;
use url::Url;

use crate::{HostRule, is_public};

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

/// A host that may not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("calls to {host} are not allowed: it is {reason}; an operator can allow it under `{setting}`")]
pub struct Refused {
    host: String,
    reason: &'static str,
    setting: &'static str,
}

/// A URL that is not called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// The URL itself is at fault.
    #[error("{0}")]
    Url(String),
    /// Its host is.
    #[error(transparent)]
    Host(#[from] Refused),
}

/// The rules at work.
#[derive(Debug, Clone)]
pub struct Network {
    rules: Arc<NetworkConfig>,
    setting: &'static str,
}

impl Network {
    /// With these rules; `setting` is where an operator finds those that allow.
    pub fn new(rules: &NetworkConfig, setting: &'static str) -> Self {
        Self { rules: Arc::new(rules.clone()), setting }
    }

    /// Refuses what can be refused before anything is resolved: other schemes, credentials in the URL, denied names and
    /// literal addresses, which no resolver sees.
    pub fn admit(&self, url: &Url) -> Result<(), AdmitError> {
        if !matches!(url.scheme(), "http" | "https") {
            let wrong = format!("the scheme {:?} cannot be called: use http or https", url.scheme());
            return Err(AdmitError::Url(wrong));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AdmitError::Url("a URL must hold no credentials: use `authentication`".to_owned()));
        }
        let host = url.host_str().ok_or_else(|| AdmitError::Url("the URL names no host".to_owned()))?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match literal {
            Ok(address) => Ok(self.admit_address(host, address)?),
            Err(_) if self.denies_name(host) => Err(self.refused(host, "denied").into()),
            Err(_) => Ok(()),
        }
    }

    /// The addresses of a host that may be connected to.
    pub async fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if self.denies_name(&host) {
            return Err(Box::new(self.refused(&host, "denied")));
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

    fn refused(&self, host: &str, reason: &'static str) -> Refused {
        Refused { host: host.to_owned(), reason, setting: self.setting }
    }

    fn denies_name(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.rules.deny.iter().any(|rule| rule.fits_name(&host))
    }

    fn admit_address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let address = address.to_canonical();
        if self.rules.deny.iter().any(|rule| rule.fits_address(address)) {
            return Err(self.refused(host, "denied"));
        }
        let allowed = |rule: &HostRule| rule.fits_name(host) || rule.fits_address(address);
        if self.rules.allow.iter().any(allowed) || is_public(address) {
            return Ok(());
        }
        Err(self.refused(host, "not a public address"))
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SETTING: &str = "test.allow";

    fn admits(config: &NetworkConfig, url: &str) -> bool {
        Network::new(config, SETTING).admit(&url.parse().unwrap()).is_ok()
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
        let network = Network::new(&config, SETTING);
        assert!(network.admit_address("a.internal.example", "10.9.9.9".parse().unwrap()).is_ok());
        assert!(network.admit_address("internal.example", "10.9.9.9".parse().unwrap()).is_err());
        assert!(network.admit_address("xinternal.example", "10.9.9.9".parse().unwrap()).is_err());
        assert!("not a host".parse::<HostRule>().is_err());
    }

    #[tokio::test]
    async fn a_name_is_refused_by_the_address_that_it_resolves_to() {
        let error = Network::new(&NetworkConfig::default(), SETTING).resolve("localhost").await.unwrap_err();
        assert!(refusal(error.as_ref()).is_some(), "{error}");
        assert!(error.to_string().contains(SETTING), "{error}");
        let allowed = NetworkConfig { allow: vec!["localhost".parse().unwrap()], deny: Vec::new() };
        let open = Network::new(&allowed, SETTING);
        assert!(!open.resolve("localhost").await.unwrap().is_empty());
    }
}
