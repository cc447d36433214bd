//! Embeddings in OpenAI's words.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orrery_errors::Error;
use orrery_proto::v1::{EmbedInput, EmbedOutput, Usage, model_output};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::server::Server;
use super::usage::UsageBody;
use super::words::Words;
use crate::embedding::unit_length;
use crate::failure::broken;
use crate::{Answer, Order, estimate};

#[derive(Debug, Deserialize)]
struct EmbedReply {
    #[serde(default)]
    model: String,
    data: Vec<Embedding>,
    #[serde(default)]
    usage: Option<UsageBody>,
}

#[derive(Debug, Deserialize)]
struct Embedding {
    #[serde(default)]
    index: usize,
    #[serde(deserialize_with = "numbers")]
    embedding: Vec<f32>,
}

/// Numbers, or the little-endian bytes of them in base64. A server that was asked for the one may send the other.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
    deserializer.deserialize_any(Numbers)
}

struct Numbers;

impl<'de> Visitor<'de> for Numbers {
    type Value = Vec<f32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("numbers, or their bytes in base64")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = list.next_element()? {
            numbers.push(number);
        }
        Ok(numbers)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let bytes = STANDARD.decode(text).map_err(E::custom)?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom("an embedding in base64 is no list of numbers of 32 bits"));
        }
        Ok(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect())
    }
}

impl Server {
    pub(super) async fn embed(&self, order: &Order, input: &EmbedInput) -> Result<Answer, Error> {
        let name = &self.upstream.name;
        let words = self.words();
        let texts = prefixed(input, words);
        let format = if words.base64 { "base64" } else { "float" };
        let mut body = json!({"model": order.upstream, "input": texts, "encoding_format": format});
        if let Some(body) = body.as_object_mut().filter(|_| input.dimensions > 0) {
            body.insert(words.dimensions.to_owned(), json!(input.dimensions));
        }
        let (mut reply, quota): (EmbedReply, _) =
            self.upstream.exchange(self.post("embeddings", order).json(&body)).await?;
        reply.data.sort_by_key(|embedding| embedding.index);
        let dimensions = reply.data.first().map_or(0, |embedding| embedding.embedding.len());
        let complete = reply.data.iter().enumerate().all(|(at, one)| {
            one.index == at && one.embedding.len() == dimensions && one.embedding.iter().all(|value| value.is_finite())
        });
        if !complete || reply.data.len() != input.texts.len() || dimensions == 0 {
            return Err(broken(name, format!("it embedded {} of {} texts", reply.data.len(), input.texts.len())));
        }
        let values = reply.data.into_iter().flat_map(|embedding| unit_length(embedding.embedding)).collect();
        let output = EmbedOutput { dimensions: u32::try_from(dimensions).unwrap_or(u32::MAX), values };
        let bytes = texts.iter().map(|text| text.len()).sum();
        let usage = reply.usage.map_or_else(|| estimate::texts(bytes, 0), Usage::from);
        let models = vec![estimate::identity(name, order, reply.model)];
        let output = orrery_proto::v1::ModelOutput { kind: Some(model_output::Kind::Embed(output)) };
        Ok(Answer { output, models, usage, quota })
    }
}

/// The texts, with what the model wants before texts of their kind.
fn prefixed<'a>(input: &'a EmbedInput, words: &Words) -> Vec<Cow<'a, str>> {
    let [query, document] = &words.prefixes;
    let prefix = match input.input_type.as_str() {
        "query" => query,
        "document" => document,
        _ => "",
    };
    let text = |text: &'a String| {
        if prefix.is_empty() { Cow::Borrowed(text.as_str()) } else { Cow::Owned(format!("{prefix}{text}")) }
    };
    input.texts.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::openai::mangled;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_text_and_as_bytes() {
        let read = |body: &str| serde_json::from_str::<Embedding>(body).map(|it| it.embedding);
        assert_eq!(read(r#"{"embedding": [1, -2.5]}"#).unwrap(), [1.0, -2.5]);
        assert_eq!(read(r#"{"embedding": "AACAPwAAIMA="}"#).unwrap(), [1.0, -2.5]);
        assert!(read(r#"{"embedding": "AACAPwA="}"#).unwrap_err().to_string().contains("32 bits"));
        assert!(read(r#"{"embedding": "?"}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(body in mangled(r#"{"model":"m","data":[{"index":0,"embedding":"AACAPwAAIMA="}]}"#)) {
            let _ = serde_json::from_slice::<EmbedReply>(&body);
        }
    }
}
