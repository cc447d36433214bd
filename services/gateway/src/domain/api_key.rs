//! The text of an API key: `ok_`, a public id of 16 hex digits, `_`, and 256 random bits in hex. What is kept is the id
//! and the SHA-256 of the whole text.

use std::fmt;

use orrery_types::Sha256Digest;

const PREFIX: &str = "ok_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;

/// A key in clear. Exists only while it is made or checked, and does not show its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    id: String,
    text: String,
}

impl ApiKey {
    /// From fresh random bits.
    pub fn from_random(id: [u8; ID_BYTES], secret: [u8; SECRET_BYTES]) -> Self {
        let id = hex::encode(id);
        Self { text: format!("{PREFIX}{id}_{}", hex::encode(secret)), id }
    }

    /// Reads what a client sent; `None` for anything that is no key.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let is_hex = |part: &str, bytes: usize| {
            part.len() == 2 * bytes && part.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        let valid = is_hex(id, ID_BYTES) && is_hex(secret, SECRET_BYTES);
        valid.then(|| Self { id: id.to_owned(), text: text.to_owned() })
    }

    /// The public part, by which the key is listed and revoked.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The whole text, to be shown once.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What is kept of it.
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(self.text.as_bytes())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}_…", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_reads_back_and_hides_its_secret() {
        let key = ApiKey::from_random([7; ID_BYTES], [9; SECRET_BYTES]);
        assert_eq!(ApiKey::parse(key.expose()), Some(key.clone()));
        assert_eq!(format!("{key:?}"), "ok_0707070707070707_…");
        assert_eq!(ApiKey::parse(&key.expose().to_uppercase()), None);
    }

    proptest! {
        #[test]
        fn reading_never_fails_badly(text in ".{0,200}") {
            if let Some(key) = ApiKey::parse(&text) {
                prop_assert_eq!(key.expose(), text);
            }
        }
    }
}
