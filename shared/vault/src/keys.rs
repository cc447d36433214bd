//! The keys that seal and open.

use std::fmt;

use aws_lc_rs::digest;
use zeroize::Zeroizing;

pub(crate) const ID_LEN: usize = 8;
const KEY_LEN: usize = 32;
/// Keys of one process; more are never needed at once.
const KEYS_MAX: usize = 16;

/// The first bytes of a key's SHA-256, which tell nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyId(pub [u8; ID_LEN]);

pub(crate) struct Key {
    pub id: KeyId,
    bytes: Zeroizing<[u8; KEY_LEN]>,
}

impl Key {
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }
}

/// The keys of a process: the first seals, all open. There is at least one.
pub struct SealingKeys {
    first: Key,
    others: Vec<Key>,
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealingKeys").field(&self.ids()).finish()
    }
}

/// A text that holds no keys. Says where, never what stands there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No key at all.
    #[error("there is no key in it; write one as 64 hexadecimal digits")]
    Empty,
    /// A line is no key.
    #[error("line {0} is no key: write each as 64 hexadecimal digits, on a line of its own")]
    Line(usize),
    /// Too many.
    #[error("there are more than {KEYS_MAX} keys in it; remove those that seal nothing any more")]
    TooMany,
}

impl SealingKeys {
    /// One key a line, 64 hexadecimal digits; empty lines and those that begin with `#` are passed over.
    pub fn parse(text: &str) -> Result<Self, KeyFault> {
        let mut keys = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut bytes = Zeroizing::new([0; KEY_LEN]);
            hex::decode_to_slice(line, bytes.as_mut_slice()).map_err(|_| KeyFault::Line(number))?;
            keys.push(Key { id: id_of(bytes.as_slice()), bytes });
        }
        if keys.len() > KEYS_MAX {
            return Err(KeyFault::TooMany);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(KeyFault::Empty)?;
        Ok(Self { first, others: keys.collect() })
    }

    pub(crate) fn first(&self) -> &Key {
        &self.first
    }

    pub(crate) fn with_id(&self, id: KeyId) -> Option<&Key> {
        std::iter::once(&self.first).chain(&self.others).find(|key| key.id == id)
    }

    /// The ids of the keys, the one that seals first.
    pub fn ids(&self) -> Vec<String> {
        std::iter::once(&self.first).chain(&self.others).map(|key| key.id.to_string()).collect()
    }
}

fn id_of(key: &[u8]) -> KeyId {
    let mut id = [0; ID_LEN];
    let digest = digest::digest(&digest::SHA256, key);
    id.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    KeyId(id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_keys_and_the_first_one_seals() {
        let (a, b) = ("aa".repeat(32), "bb".repeat(32));
        let keys = SealingKeys::parse(&format!("# ours\n\n  {a}\n{b}\n")).unwrap();
        assert_eq!(keys.ids().len(), 2);
        assert_eq!(keys.ids()[0], SealingKeys::parse(&a).unwrap().ids()[0]);
        let shown = format!("{keys:?}");
        assert!(!shown.contains(&a) && shown.contains(&keys.ids()[1]), "{shown}");
    }

    #[test]
    fn what_is_no_key_is_named_by_its_line_and_not_shown() {
        assert_eq!(SealingKeys::parse("\n# nothing\n").unwrap_err(), KeyFault::Empty);
        let fault = SealingKeys::parse(&format!("{}\nhunter2", "aa".repeat(32))).unwrap_err();
        assert_eq!(fault, KeyFault::Line(2));
        assert!(!fault.to_string().contains("hunter2"));
        assert_eq!(SealingKeys::parse(&"aa".repeat(31)).unwrap_err(), KeyFault::Line(1));
        assert_eq!(SealingKeys::parse(&format!("{}\n", "aa".repeat(32)).repeat(17)).unwrap_err(), KeyFault::TooMany);
    }
}
