//! How an answer lies in the store: bytes that know whose they are and whether they are whole. Pure.
//!
//! A form byte, the key (32 bytes), three times of 8 bytes, the generation with its length in 2 bytes, the encoded
//! `InvokeReply`, and the first 8 bytes of the SHA-256 of all that. Integers are little-endian.

use orrery_proto::v1::InvokeReply;
use orrery_types::{Sha256Digest, UnixMillis};
use prost::Message as _;

use crate::question::Key;

const FORM: u8 = 1;
const SUM_BYTES: usize = 8;

/// An answer and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub key: Key,
    pub created: UnixMillis,
    pub expires: UnixMillis,
    /// How long it took to make, for early refresh.
    pub computing_ms: u64,
    /// What had been forgotten when its making began.
    pub generation: String,
    pub reply: InvokeReply,
}

impl Entry {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORM];
        bytes.extend_from_slice(self.key.0.as_bytes());
        for number in [self.created.0, self.expires.0, self.computing_ms] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&u16::try_from(self.generation.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend_from_slice(self.generation.as_bytes());
        bytes.extend_from_slice(&self.reply.encode_to_vec());
        let sum = Sha256Digest::of(&bytes);
        bytes.extend(sum.as_bytes().iter().take(SUM_BYTES));
        bytes
    }

    /// `None`: these bytes are not what was written.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(SUM_BYTES)?)?;
        if !Sha256Digest::of(body).as_bytes().starts_with(sum) {
            return None;
        }
        let (&[form], rest) = body.split_first_chunk::<1>()?;
        if form != FORM {
            return None;
        }
        let (&key, rest) = rest.split_first_chunk::<32>()?;
        let (&created, rest) = rest.split_first_chunk::<8>()?;
        let (&expires, rest) = rest.split_first_chunk::<8>()?;
        let (&computing, rest) = rest.split_first_chunk::<8>()?;
        let (&length, rest) = rest.split_first_chunk::<2>()?;
        let (generation, reply) = rest.split_at_checked(usize::from(u16::from_le_bytes(length)))?;
        Some(Self {
            key: Key(Sha256Digest::from_bytes(key)),
            created: UnixMillis(u64::from_le_bytes(created)),
            expires: UnixMillis(u64::from_le_bytes(expires)),
            computing_ms: u64::from_le_bytes(computing),
            generation: String::from_utf8(generation.to_vec()).ok()?,
            reply: InvokeReply::decode(reply).ok()?,
        })
    }
}

/// A vector as little-endian f32.
pub(super) fn vector_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// `None`: no vector.
pub(super) fn vector(bytes: &[u8]) -> Option<Box<[f32]>> {
    let (values, rest) = bytes.as_chunks::<4>();
    let vector: Box<[f32]> = values.iter().map(|&value| f32::from_le_bytes(value)).collect();
    (rest.is_empty() && !vector.is_empty() && vector.iter().all(|value| value.is_finite())).then_some(vector)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry() -> Entry {
        Entry {
            key: Key(Sha256Digest::of(b"question")),
            created: UnixMillis(1),
            expires: UnixMillis(2),
            computing_ms: 3,
            generation: "-|-|-|-".into(),
            reply: InvokeReply { cache: "x".into(), ..Default::default() },
        }
    }

    #[test]
    fn reads_what_it_wrote() {
        assert_eq!(Entry::decode(&entry().encode()), Some(entry()));
        assert_eq!(vector(&vector_bytes(&[0.5, -1.0])).as_deref(), Some([0.5, -1.0].as_slice()));
        assert_eq!(vector(&[0, 0, 0]), None);
        assert_eq!(vector(&vector_bytes(&[f32::NAN])), None);
    }

    proptest! {
        #[test]
        fn no_damage_is_read(place in any::<prop::sample::Index>(), flip in 1_u8..) {
            let mut bytes = entry().encode();
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            prop_assert_eq!(Entry::decode(&bytes), None);
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Entry::decode(&bytes), None);
        }
    }
}
