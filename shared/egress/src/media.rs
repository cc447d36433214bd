//! Addresses of files in a message that a model is to see. Whoever fetches one holds to the same rules again at the address
//! that it connects to (`Network`), and follows no redirect.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{HostRule, is_public};

/// Longest address that is taken, in bytes.
const URL_BYTES_MAX: usize = 2048;

/// An address that is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaRefused {
    /// No address.
    #[error("the address of the file cannot be read: {0}")]
    Malformed(String),
    /// Not over HTTPS, with credentials, or at another port than HTTPS has.
    #[error("the address of the file {0}")]
    Form(&'static str),
    /// A host that nobody allowed.
    #[error(
        "files are not taken from {host}; send the file as a data: URL, or have an operator add the host to `{setting}`"
    )]
    Host {
        /// The host.
        host: String,
        /// Where hosts are allowed.
        setting: &'static str,
    },
    /// An address within the operator's own network.
    #[error("files are not taken from {0}: it is no public address")]
    NotPublic(String),
}

/// The address of a file, if it is one that may be fetched: over HTTPS at its usual port, without credentials, and from one of
/// `hosts`. An address of a machine must be public, whatever the rules say; a name is held against the rules here, and against
/// its addresses when it is resolved.
pub fn media_url(text: &str, hosts: &[HostRule], setting: &'static str) -> Result<Url, MediaRefused> {
    if text.len() > URL_BYTES_MAX {
        return Err(MediaRefused::Form("is longer than 2048 bytes"));
    }
    // A parser of URLs drops these, and what was read would not be what was written.
    if text.chars().any(|it| it.is_control() || it.is_whitespace() || it == '\\') {
        return Err(MediaRefused::Form("holds white space, control characters or a backslash"));
    }
    let url = Url::parse(text).map_err(|error| MediaRefused::Malformed(error.to_string()))?;
    if url.scheme() != "https" {
        return Err(MediaRefused::Form("is neither an https: nor a data: URL"));
    }
    if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
        return Err(MediaRefused::Form("holds credentials"));
    }
    if url.port().is_some() {
        return Err(MediaRefused::Form("names a port; only the usual one of HTTPS is taken"));
    }
    let allowed = match url.host() {
        None => return Err(MediaRefused::Form("names no host")),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            hosts.iter().any(|rule| rule.fits_name(&name))
        }
        Some(Host::Ipv4(address)) => admit(IpAddr::V4(address), hosts)?,
        Some(Host::Ipv6(address)) => admit(IpAddr::V6(address), hosts)?,
    };
    if !allowed {
        let host = url.host_str().unwrap_or_default().to_owned();
        return Err(MediaRefused::Host { host, setting });
    }
    Ok(url)
}

fn admit(address: IpAddr, hosts: &[HostRule]) -> Result<bool, MediaRefused> {
    if !is_public(address) {
        return Err(MediaRefused::NotPublic(address.to_string()));
    }
    Ok(hosts.iter().any(|rule| rule.fits_address(address.to_canonical())))
}

/// What stands between the scheme and the path, as it was written.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const SETTING: &str = "test.hosts";

    fn rules(rules: &[&str]) -> Vec<HostRule> {
        rules.iter().map(|rule| rule.parse().unwrap()).collect()
    }

    #[test]
    fn nothing_is_taken_unless_its_host_is_allowed() {
        let refused = media_url("https://images.example.com/a.png", &[], SETTING).unwrap_err();
        assert!(refused.to_string().contains("`test.hosts`"), "{refused}");
        let hosts = rules(&["images.example.com", "*.cdn.example", "1.1.1.0/24"]);
        for taken in [
            "https://images.example.com/a.png",
            "https://IMAGES.example.com./a.png?x=@y",
            "https://eu.cdn.example/a",
            "https://1.1.1.7/",
            "https://images.example.com:443/a.png",
        ] {
            assert!(media_url(taken, &hosts, SETTING).is_ok(), "{taken}");
        }
        for refused in [
            "https://cdn.example/a",
            "https://xcdn.example/a",
            "https://images.example.com.evil.example/a",
            "https://8.8.8.8/",
            "http://images.example.com/a.png",
            "ftp://images.example.com/a.png",
            "https://images.example.com:8443/a.png",
            "https://user:pass@images.example.com/a.png",
            "https://@images.example.com/a.png",
            "https://images.example.com@8.8.8.8/a.png",
            "https://images.example.com\\@8.8.8.8/a.png",
            "https://images.example.com\t/a.png",
            "//images.example.com/a.png",
            "images.example.com/a.png",
            "",
        ] {
            assert!(media_url(refused, &hosts, SETTING).is_err(), "{refused}");
        }
    }

    #[test]
    fn addresses_of_the_inside_are_refused_whatever_the_rules_say() {
        for inside in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://172.31.0.1/",
            "https://100.64.0.1/",
            "https://169.254.169.254/latest/meta-data",
            "https://[fd00:ec2::254]/latest/meta-data",
            "https://[::1]/",
            "https://[fe80::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[64:ff9b::7f00:1]/",
            "https://0.0.0.0/",
        ] {
            let refused = media_url(inside, &rules(&["*"]), SETTING).unwrap_err();
            assert!(matches!(refused, MediaRefused::NotPublic(_)), "{inside}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn what_is_taken_is_https_to_a_host_of_the_rules(text in "(https?|ftp)://[a-z0-9@:.\\[\\]/\\\\?#%-]{0,40}") {
            if let Ok(url) = media_url(&text, &rules(&["*.good.example"]), SETTING) {
                prop_assert_eq!(url.scheme(), "https");
                prop_assert!(url.host_str().unwrap().trim_end_matches('.').ends_with(".good.example"));
            }
        }
    }
}
