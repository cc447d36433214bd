//! From token text back to bytes and from bytes to valid UTF-8, for vocabularies in GPT-2's byte-level alphabet.
//!
//! A character can be split over several tokens, so a stream may only give out what is complete.

use std::collections::HashMap;

/// The bytes behind each token id.
#[derive(Debug)]
pub(crate) struct ByteVocabulary {
    tokens: Vec<Vec<u8>>,
}

impl ByteVocabulary {
    /// Takes token texts in id order. A text with characters outside the alphabet stands for itself.
    pub(crate) fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
        let alphabet = byte_of_character();
        let bytes_of = |text: &str| {
            text.chars()
                .map(|character| alphabet.get(&character).copied())
                .collect::<Option<Vec<u8>>>()
                .unwrap_or_else(|| text.as_bytes().to_vec())
        };
        Self { tokens: tokens.into_iter().map(bytes_of).collect() }
    }

    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// The bytes of a token; none for an id outside the vocabulary.
    pub(crate) fn bytes(&self, id: u32) -> &[u8] {
        usize::try_from(id).ok().and_then(|id| self.tokens.get(id)).map_or(&[], Vec::as_slice)
    }

    /// The text of a whole sequence, with U+FFFD for bytes that are not UTF-8.
    pub(crate) fn text(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| self.bytes(id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// GPT-2 shows each byte as one printable character: printable Latin-1 as itself, the rest from U+0100 upwards in
/// byte order (`bytes_to_unicode` in OpenAI's encoder).
fn byte_of_character() -> HashMap<char, u8> {
    let mut shifted = 0x100_u32;
    (0..=u8::MAX)
        .filter_map(|byte| {
            let printable = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
            let character = if printable {
                Some(char::from(byte))
            } else {
                shifted += 1;
                char::from_u32(shifted - 1)
            };
            character.map(|character| (character, byte))
        })
        .collect()
}

/// Collects bytes and gives out whole characters only.
#[derive(Debug, Default)]
pub(crate) struct Utf8Stream {
    pending: Vec<u8>,
}

impl Utf8Stream {
    /// Adds bytes and returns the text that they complete. Bytes that can never become UTF-8 turn into U+FFFD.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        self.pending.extend_from_slice(bytes);
        let mut text = String::new();
        let mut consumed = 0;
        for chunk in self.pending.utf8_chunks() {
            text.push_str(chunk.valid());
            consumed += chunk.valid().len();
            let rest = self.pending.len() - consumed - chunk.invalid().len();
            let incomplete = rest == 0 && could_continue(chunk.invalid());
            if !chunk.invalid().is_empty() && !incomplete {
                text.push(char::REPLACEMENT_CHARACTER);
                consumed += chunk.invalid().len();
            }
        }
        self.pending.drain(..consumed);
        text
    }

    /// Ends the stream: what is left can no longer be completed.
    pub(crate) fn finish(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }
}

/// Whether bytes at the end of a buffer are a character that has only begun.
fn could_continue(bytes: &[u8]) -> bool {
    matches!(std::str::from_utf8(bytes), Err(error) if error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_covers_every_byte_once() {
        let alphabet = byte_of_character();
        assert_eq!(alphabet.len(), 256);
        assert_eq!(alphabet.get(&'Ġ'), Some(&b' '));
        assert_eq!(alphabet.get(&'Ċ'), Some(&b'\n'));
    }

    #[test]
    fn a_split_character_waits_for_its_rest() {
        let mut stream = Utf8Stream::default();
        let bytes = "né€".as_bytes();
        let pieces: Vec<String> = bytes.iter().map(|byte| stream.push(&[*byte])).collect();
        assert_eq!(pieces, ["n", "", "é", "", "", "€"]);
        assert_eq!(stream.finish(), "");
    }

    #[test]
    fn broken_bytes_become_replacement_characters_and_do_not_block() {
        let mut stream = Utf8Stream::default();
        assert_eq!(stream.push(&[b'a', 0xFF, b'b']), "a\u{FFFD}b");
        assert_eq!(stream.push(&[0xE2, 0x82]), "");
        assert_eq!(stream.push(b"x"), "\u{FFFD}x");
        assert_eq!(stream.push(&[0xC3]), "");
        assert_eq!(stream.finish(), "\u{FFFD}");
    }

    #[test]
    fn token_texts_turn_into_bytes() {
        let vocabulary = ByteVocabulary::new(["Ġa", "Ã", "©", "<|im_end|>"]);
        assert_eq!(vocabulary.bytes(0), b" a");
        assert_eq!(vocabulary.text(&[0, 1, 2]), " aé");
        assert_eq!(vocabulary.bytes(99), b"");
        assert_eq!(vocabulary.len(), 4);
    }
}
