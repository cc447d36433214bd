//! The envelope around a sealed secret: `1`, the key's id (8 bytes), the nonce (12 bytes), the ciphertext with its tag.
//!
//! AES-256-GCM-SIV (RFC 8452): a nonce that comes twice, however unlikely among random ones, tells at most that two values
//! are the same. Everything before the ciphertext is authenticated with it, and so is the place.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use orrery_config::Secret;
use zeroize::Zeroizing;

use crate::keys::{ID_LEN, KeyId, SealingKeys};

const FORMAT: u8 = 1;
const HEAD_LEN: usize = 1 + ID_LEN + NONCE_LEN;

/// Where a sealed secret belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// What kind of place it is.
    pub scope: &'a str,
    /// The secret's name.
    pub name: &'a str,
    /// Of the value; 0 where it has none yet.
    pub version: u64,
}

impl<'a> Place<'a> {
    /// A row of the store.
    pub fn stored(name: &'a str, version: u64) -> Self {
        Self { scope: "stored", name, version }
    }

    /// On its way to the store.
    pub fn sent(name: &'a str) -> Self {
        Self { scope: "sent", name, version: 0 }
    }

    /// What is authenticated beside the ciphertext. Lengths stand before texts, so that no two places are written alike.
    fn bytes(&self, head: &[u8]) -> Vec<u8> {
        let mut bytes = head.to_vec();
        for part in [self.scope, self.name] {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(&self.version.to_be_bytes());
        bytes
    }
}

/// A sealed secret that does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The bytes are no envelope of this version.
    #[error("it is no sealed secret; set it again")]
    Form,
    /// This process does not have the key.
    #[error("it is sealed with key {key}, and this process has {}; give it that key, or set the secret again", list(.known))]
    OtherKey {
        /// The key that sealed it.
        key: String,
        /// The keys that there are.
        known: Vec<String>,
    },
    /// The key is there and the seal is broken: bytes were changed, or belong to another name or version.
    #[error("its seal is broken: it was changed, or it is another secret's; set it again")]
    Broken,
    /// Cryptography refused, which it has no reason to.
    #[error("the value could not be sealed; try again")]
    Refused,
}

fn list(keys: &[String]) -> String {
    keys.join(", ")
}

/// The id of the key that sealed it, for people; none where the bytes are no envelope.
pub fn key_id(sealed: &[u8]) -> Option<String> {
    Some(parts(sealed)?.key.to_string())
}

struct Parts<'a> {
    head: &'a [u8],
    key: KeyId,
    nonce: &'a [u8],
    ciphertext: &'a [u8],
}

fn parts(sealed: &[u8]) -> Option<Parts<'_>> {
    let (head, ciphertext) = sealed.split_at_checked(HEAD_LEN)?;
    let (format, rest) = head.split_first()?;
    let (key, nonce) = rest.split_at_checked(ID_LEN)?;
    let key = KeyId(key.try_into().ok()?);
    // The nonce is authenticated by its use.
    let head = head.get(..=ID_LEN)?;
    (*format == FORMAT).then_some(Parts { head, key, nonce, ciphertext })
}

impl SealingKeys {
    /// Seals a value for a place, with the first key.
    pub fn seal(&self, place: Place<'_>, value: &Secret) -> Result<Vec<u8>, OpenError> {
        let key = self.first();
        let mut sealed = vec![FORMAT];
        sealed.extend_from_slice(&key.id.0);
        let authenticated = place.bytes(&sealed);
        let mut text = value.expose().as_bytes().to_vec();
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.bytes()).map_err(|_| OpenError::Refused)?;
        let nonce = cipher.seal_in_place_append_tag(Aad::from(authenticated), &mut text);
        let nonce = nonce.map_err(|_| OpenError::Refused)?;
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Opens what was sealed for a place, with whichever key sealed it.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Secret, OpenError> {
        let parts = parts(sealed).ok_or(OpenError::Form)?;
        let key = self.with_id(parts.key).ok_or_else(|| {
            let known = self.ids();
            OpenError::OtherKey { key: parts.key.to_string(), known }
        })?;
        let nonce = Nonce::try_assume_unique_for_key(parts.nonce).map_err(|_| OpenError::Form)?;
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.bytes()).map_err(|_| OpenError::Refused)?;
        let mut text = Zeroizing::new(parts.ciphertext.to_vec());
        let opened = cipher.open_in_place(nonce, Aad::from(place.bytes(parts.head)), &mut text);
        let opened = opened.map_err(|_| OpenError::Broken)?;
        // What was sealed was text.
        std::str::from_utf8(opened).map(Secret::new).map_err(|_| OpenError::Broken)
    }

    /// Whether it was sealed with the first key.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        parts(sealed).is_some_and(|parts| parts.key == self.first().id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn keys(text: &str) -> SealingKeys {
        SealingKeys::parse(text).unwrap()
    }

    fn key(byte: u8) -> String {
        hex::encode([byte; 32])
    }

    #[test]
    fn what_was_sealed_opens_and_looks_like_nothing() {
        let keys = keys(&key(7));
        let value = Secret::new("sk-very-secret");
        let sealed = keys.seal(Place::stored("openai", 3), &value).unwrap();
        assert_eq!(keys.open(Place::stored("openai", 3), &sealed).unwrap(), value);
        assert!(!sealed.windows(4).any(|part| b"sk-very-secret".windows(4).any(|word| word == part)));
        assert_ne!(keys.seal(Place::stored("openai", 3), &value).unwrap(), sealed, "no two envelopes are the same");
        assert_eq!(key_id(&sealed), keys.ids().first().cloned());
    }

    #[test]
    fn a_row_opens_in_its_own_place_alone() {
        let keys = keys(&key(7));
        let sealed = keys.seal(Place::stored("openai", 3), &Secret::new("x")).unwrap();
        let others = [
            Place::stored("anthropic", 3),
            Place::stored("openai", 4),
            Place::sent("openai"),
            Place { scope: "storedo", name: "penai", version: 3 },
        ];
        for place in others {
            assert_eq!(keys.open(place, &sealed), Err(OpenError::Broken), "{place:?}");
        }
    }

    #[test]
    fn another_key_is_named_and_not_the_value() {
        let sealed = keys(&key(1)).seal(Place::stored("a", 1), &Secret::new("sk-1")).unwrap();
        let other = keys(&key(2));
        let error = other.open(Place::stored("a", 1), &sealed).unwrap_err();
        assert!(matches!(&error, OpenError::OtherKey { known, .. } if *known == other.ids()), "{error}");
        let text = format!("{error} {error:?}");
        assert!(text.contains(&key_id(&sealed).unwrap()) && text.contains("set the secret again"), "{text}");
        assert!(!text.contains("sk-1") && !text.contains(&key(2)), "{text}");
    }

    #[test]
    fn keys_change_while_old_envelopes_still_open() {
        let place = Place::stored("a", 1);
        let old = keys(&key(1)).seal(place, &Secret::new("x")).unwrap();
        let both = keys(&format!("{}\n{}\n", key(2), key(1)));
        let value = both.open(place, &old).unwrap();
        assert!(!both.is_current(&old));
        let new = both.seal(place, &value).unwrap();
        assert!(both.is_current(&new));
        assert_eq!(keys(&key(2)).open(place, &new).unwrap(), value, "the old key is needed no more");
    }

    proptest! {
        #[test]
        fn no_changed_byte_goes_unseen(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let keys = keys(&key(7));
            let place = Place::stored("openai", 3);
            let mut sealed = keys.seal(place, &Secret::new("sk-very-secret")).unwrap();
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(keys.open(place, &sealed).is_err());
            prop_assert!(keys.open(place, &sealed[..at]).is_err());
        }
    }
}
