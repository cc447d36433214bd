//! Tokens as OpenAI's tokenizers count them: what clients send as tokens instead of text, and estimates of how many a text
//! has. No model here is asked; one with another vocabulary counts otherwise.

use orrery_errors::Error;
use tiktoken_rs::{cl100k_base_singleton, o200k_base_singleton};

use crate::http::Failure;

/// A text is counted in pieces of so many bytes, since the work on a word grows faster than the word.
const PIECE_BYTES: usize = 2048;

/// How many tokens these texts have together in the vocabulary o200k.
pub async fn count(texts: Vec<String>) -> Result<u64, Failure> {
    let counting = tokio::task::spawn_blocking(move || texts.iter().map(|text| count_one(text)).sum());
    counting.await.map_err(|error| Error::internal(&error).into())
}

/// The texts behind lists of tokens of the vocabulary cl100k. A list that was cut within a character loses that character.
pub async fn decode(lists: Vec<Vec<u32>>, param: &'static str) -> Result<Vec<String>, Failure> {
    let decoding =
        tokio::task::spawn_blocking(move || lists.iter().map(|list| decode_one(list, param)).collect::<Result<_, _>>());
    decoding.await.map_err(|error| Failure::from(Error::internal(&error)))?
}

fn count_one(text: &str) -> u64 {
    let vocabulary = o200k_base_singleton();
    pieces(text).map(|piece| u64::try_from(vocabulary.count_ordinary(piece)).unwrap_or(u64::MAX)).sum()
}

fn decode_one(tokens: &[u32], param: &str) -> Result<String, Failure> {
    let bytes = cl100k_base_singleton().decode_bytes(tokens).map_err(|fault| {
        Failure::param(param, format!("{} is no token of the vocabulary cl100k; send texts", fault.token))
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut end = rest.len().min(PIECE_BYTES);
        while !rest.is_char_boundary(end) {
            end += 1;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tokens_are_texts_again() {
        // As the Python package tiktoken encodes "hello world" and "äöü" in cl100k_base.
        assert_eq!(decode_one(&[15339, 1917], "input").unwrap(), "hello world");
        assert_eq!(decode_one(&[], "input").unwrap(), "");
        assert_eq!(decode_one(&[4_000_000], "input").unwrap_err().param.as_deref(), Some("input"));
    }

    #[test]
    fn a_text_is_counted_whatever_it_is() {
        assert_eq!(count_one("hello world"), 2);
        assert_eq!(count_one(""), 0);
        let long = "ä".repeat(100_000);
        assert_eq!(pieces(&long).collect::<String>(), long);
        assert!(count_one(&long) > 1_000);
        assert!(count_one(&" ".repeat(1_000_000)) > 0);
    }
}
