//! Digest access authentication (RFC 7616): the answer to a server's challenge.

use std::collections::HashMap;
use std::fmt::Write as _;

use md5::{Digest, Md5};
use sha2::Sha256;

use super::exchange::Request;
use crate::providers::Failure;

/// What a server asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    fields: HashMap<String, String>,
}

#[derive(Debug, Clone, Copy)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn hash(self, text: &str) -> String {
        let bytes = match self {
            Self::Md5 => Md5::digest(text).to_vec(),
            Self::Sha256 => Sha256::digest(text).to_vec(),
        };
        bytes.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a text cannot fail.
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
    }
}

impl Challenge {
    /// The digest challenge in a `WWW-Authenticate` header, if it is one.
    pub fn parse(header: &str) -> Option<Self> {
        let (scheme, mut rest) = header.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let mut fields = HashMap::new();
        while let Some((name, after)) = rest.trim_start_matches([' ', ',']).split_once('=') {
            let (value, behind) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            fields.insert(name.trim().to_ascii_lowercase(), value.trim().to_owned());
            rest = behind;
        }
        fields.contains_key("nonce").then_some(Self { fields })
    }

    /// The `Authorization` header that answers it.
    pub fn answer(&self, username: &str, password: &str, request: &Request) -> Result<String, Failure> {
        let cnonce = format!("{:032x}", rand::random::<u128>());
        let path = match request.url.query() {
            Some(query) => format!("{}?{query}", request.url.path()),
            None => request.url.path().to_owned(),
        };
        self.answer_with(username, password, request.method.as_str(), &path, &cnonce)
    }

    fn answer_with(
        &self,
        username: &str,
        password: &str,
        method: &str,
        path: &str,
        cnonce: &str,
    ) -> Result<String, Failure> {
        if username.contains('"') {
            return Err(Failure::invalid("a user name for digest authentication may hold no quotation mark"));
        }
        let field = |name: &str| self.fields.get(name).map_or("", String::as_str);
        let named = field("algorithm").to_ascii_uppercase();
        let (algorithm, session) = match named.as_str() {
            "" | "MD5" => (Algorithm::Md5, false),
            "MD5-SESS" => (Algorithm::Md5, true),
            "SHA-256" => (Algorithm::Sha256, false),
            "SHA-256-SESS" => (Algorithm::Sha256, true),
            other => return Err(Failure::communication(format!("the digest algorithm {other:?} is not known"))),
        };
        let (realm, nonce) = (field("realm"), field("nonce"));
        let mut secret = algorithm.hash(&format!("{username}:{realm}:{password}"));
        if session {
            secret = algorithm.hash(&format!("{secret}:{nonce}:{cnonce}"));
        }
        let asked = algorithm.hash(&format!("{method}:{path}"));
        let protection: Vec<&str> = field("qop").split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
        let mut answer =
            format!("Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{path}\"");
        let response = if protection.is_empty() {
            algorithm.hash(&format!("{secret}:{nonce}:{asked}"))
        } else if protection.contains(&"auth") {
            answer.push_str(&format!(", qop=auth, nc=00000001, cnonce=\"{cnonce}\""));
            algorithm.hash(&format!("{secret}:{nonce}:00000001:{cnonce}:auth:{asked}"))
        } else {
            return Err(Failure::communication("the service asks for a digest of the content, which is not supported"));
        };
        answer.push_str(&format!(", response=\"{response}\""));
        if !named.is_empty() {
            answer.push_str(&format!(", algorithm={}", field("algorithm")));
        }
        if let Some(opaque) = self.fields.get("opaque") {
            answer.push_str(&format!(", opaque=\"{opaque}\""));
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// RFC 7616, section 3.9.1.
    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let header = format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let challenge = Challenge::parse(&header).unwrap();
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let answer = challenge.answer_with("Mufasa", "Circle of Life", "GET", "/dir/index.html", cnonce).unwrap();
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains("opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""), "{answer}");
        }
        assert_eq!(Challenge::parse("Basic realm=\"x\""), None);
        assert!(
            Challenge::parse("Digest nonce=\"a\", algorithm=SHA-512")
                .unwrap()
                .answer_with("u", "p", "GET", "/", "c")
                .is_err()
        );
    }
}
